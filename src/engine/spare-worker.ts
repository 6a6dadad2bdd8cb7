/**
 * The engine's worker threads, and one that may be started before there is an engine: what takes longest about an engine
 * is that the modules of its worker are loaded. Imports nothing else, so that it can be the first thing a program loads.
 */
import type { Worker } from 'node:worker_threads'
import { startWorker } from '../start-worker.ts'

let spare: Worker | undefined

/** For the next engine. Keeps no process alive; a failure ends the process, as there is nobody yet to tell. */
export const startSpareWorker = (): void => {
  spare ??= startWorker(import.meta.url, 'worker')
  spare.unref()
}

export const takeWorker = (): Worker => {
  const worker = spare ?? startWorker(import.meta.url, 'worker')
  spare = undefined
  return worker
}
