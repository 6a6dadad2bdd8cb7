/** Starts one of the package's modules as a worker thread, compiled or, in development, as TypeScript through tsx. */
import { extname } from 'node:path'
import { type ResourceLimits, Worker } from 'node:worker_threads'

/** @param beside `import.meta.url` of the module that asks. @param name of the file beside it, without extension */
export const startWorker = (
  beside: string,
  name: string,
  workerData?: unknown,
  resourceLimits: ResourceLimits = {},
): Worker => {
  const module = new URL(`./${name}${extname(beside)}`, beside)
  if (module.pathname.endsWith('.js')) return new Worker(module, { workerData, resourceLimits })
  // tsx does not reach into workers by itself, and code without a file resolves names from the working folder.
  const tsx = JSON.stringify(import.meta.resolve('tsx/esm/api'))
  const source = `import(${tsx}).then(({ register }) => (register(), import(${JSON.stringify(module.href)})))`
  return new Worker(source, { eval: true, workerData, resourceLimits })
}
