/**
 * Starts one of the package's modules as a worker thread, compiled or, in development, as TypeScript through tsx; if wanted,
 * before anybody asks for it, because what takes longest is that the modules of a worker are loaded.
 */
import { extname } from 'node:path'
import { type ResourceLimits, Worker } from 'node:worker_threads'

const startedAhead = new Map<string, Worker>() // by module

const moduleOf = (beside: string, name: string): URL => new URL(`./${name}${extname(beside)}`, beside)

/** @param beside `import.meta.url` of the module that asks. @param name of the file beside it, without extension */
export const startWorker = (
  beside: string,
  name: string,
  workerData?: unknown,
  resourceLimits: ResourceLimits = {},
): Worker => {
  const module = moduleOf(beside, name)
  const ready = workerData === undefined ? startedAhead.get(module.href) : undefined
  if (ready) {
    startedAhead.delete(module.href)
    return ready
  }
  if (module.pathname.endsWith('.js')) return new Worker(module, { workerData, resourceLimits })
  // tsx does not reach into workers by itself, and code without a file resolves names from the working folder.
  const tsx = JSON.stringify(import.meta.resolve('tsx/esm/api'))
  const source = `import(${tsx}).then(({ register }) => (register(), import(${JSON.stringify(module.href)})))`
  return new Worker(source, { eval: true, workerData, resourceLimits })
}

/**
 * For the next `startWorker` of the same module without data. Keeps no process alive; a failure before that ends the
 * process, as there is nobody yet to tell.
 */
export const startWorkerAhead = (beside: string, name: string): void => {
  const worker = startWorker(beside, name)
  worker.unref()
  startedAhead.set(moduleOf(beside, name).href, worker)
}
