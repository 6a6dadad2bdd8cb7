/** Reads one PDF in a thread of its own; pdf.ts watches it. */
import { parentPort, workerData } from 'node:worker_threads'
import { CompactorError, type ErrorCode } from '../error.ts'
import type { Reading } from './document.ts'
import { readPdfText } from './pdf-text.ts'

export type PdfMessage =
  | { readonly type: 'page'; readonly page: number }
  | { readonly type: 'done'; readonly reading: Reading }
  | { readonly type: 'refused'; readonly code: ErrorCode; readonly message: string }

export interface PdfTask {
  readonly bytes: Uint8Array
  readonly name: string
}

const say = (message: PdfMessage): void => parentPort?.postMessage(message)

try {
  const reading = await readPdfText(workerData as PdfTask, (page) => say({ type: 'page', page }))
  say({ type: 'done', reading })
} catch (error) {
  if (!(error instanceof CompactorError)) throw error
  say({ type: 'refused', code: error.code, message: error.message })
}
