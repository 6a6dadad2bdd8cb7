/**
 * PDF, read in a thread of its own: a page can be made to cost any time and memory, and that thread can be ended, when the
 * caller wants to or when it takes too much. Not here: how pages become text (pdf-text.ts).
 */
import { CompactorError } from '../error.ts'
import { quoted } from '../shown.ts'
import { startWorker } from '../start-worker.ts'
import type { ReaderInput, Reading } from './document.ts'
import type { PdfMessage, PdfTask } from './pdf-worker.ts'

/** What one page of a PDF may take. */
export interface PdfLimits {
  readonly pageMs: number
  readonly memoryBytes: number
}

const usual: PdfLimits = { pageMs: 60_000, memoryBytes: 2 * 2 ** 30 }
const watchMs = 100

/** What the library throws outside of what was asked of it ends the thread. */
export const pdfFailure = (name: string, cause: unknown): CompactorError => {
  const reason = quoted(cause instanceof Error ? cause.message : String(cause))
  return new CompactorError(
    'document-invalid',
    `${name} is damaged: its parts do not fit together (${reason}); print it anew`,
    { cause },
  )
}

/** Throws CompactorError('document-invalid'): damaged, protected by a password, scanned, too large; what `signal` was aborted with. */
export const readPdf = async (
  { bytes, name, signal }: ReaderInput,
  { pageMs, memoryBytes }: PdfLimits = usual,
): Promise<Reading> => {
  const task: PdfTask = { bytes: new Uint8Array(bytes), name }
  const worker = startWorker(import.meta.url, 'pdf-worker', task, { maxOldGenerationSizeMb: memoryBytes / 2 ** 20 })
  // Only growth within one page counts: others in this process may need memory meanwhile.
  let [page, since, before] = [0, Date.now(), process.memoryUsage.rss()]
  const watch = { stop: (): void => undefined }
  try {
    return await new Promise<Reading>((resolve, reject) => {
      const refuse = (message: string, cause?: unknown): void =>
        reject(new CompactorError('document-invalid', message, { cause }))
      const tooMuch = (): void =>
        refuse(`${name} takes more than ${memoryBytes} bytes of memory at page ${page + 1}; split it or print it anew`)
      const timer = setInterval(() => {
        if (Date.now() - since > pageMs)
          refuse(`page ${page + 1} of ${name} takes longer than ${pageMs / 1000} s; split it or print it anew`)
        else if (process.memoryUsage.rss() - before > memoryBytes) tooMuch()
      }, watchMs)
      const abort = (): void => reject(signal?.reason)
      watch.stop = () => {
        clearInterval(timer)
        signal?.removeEventListener('abort', abort)
      }
      signal?.addEventListener('abort', abort, { once: true })
      if (signal?.aborted) abort()
      worker.on('message', (message: PdfMessage) => {
        if (message.type === 'done') resolve(message.reading)
        else if (message.type === 'refused') reject(new CompactorError(message.code, message.message))
        else [page, since, before] = [message.page, Date.now(), process.memoryUsage.rss()]
      })
      worker.on('error', (cause: { code?: string }) =>
        cause.code === 'ERR_WORKER_OUT_OF_MEMORY' ? tooMuch() : reject(pdfFailure(name, cause)),
      )
      worker.on('exit', () => refuse(`${name} could not be read: its reader ended early; get it again`))
    })
  } finally {
    watch.stop()
    await worker.terminate()
  }
}
