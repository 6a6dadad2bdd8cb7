/**
 * What a command may say and hear: answers and lists on stdout, everything else on stderr, progress only where somebody
 * looks. Commands get one of these instead of touching `process`.
 */
import { CompactorError } from '../error.ts'
import { type BarText, ProgressBar } from './progress-bar.ts'

export class Terminal {
  /** Fires when the user interrupts. */
  readonly signal: AbortSignal
  #bar: ProgressBar | undefined

  constructor(signal: AbortSignal) {
    this.signal = signal
  }

  print(line: string): void {
    this.clear()
    process.stdout.write(`${line}\n`)
  }

  printJson(value: unknown): void {
    this.print(JSON.stringify(value, undefined, 2))
  }

  /** A piece of a line, as it comes. */
  write(text: string): void {
    this.clear()
    process.stdout.write(text)
  }

  /** A sentence beside the result. */
  note(sentence: string): void {
    this.clear()
    process.stderr.write(`compactor: ${sentence}\n`)
  }

  /** Shows progress while `body` runs. */
  async during<T>(text: BarText, body: (update: (done: number, total: number) => void) => Promise<T>): Promise<T> {
    const bar = new ProgressBar(text, process.stderr.isTTY === true && process.env.TERM !== 'dumb')
    this.#bar = bar
    try {
      return await body((done, total) => bar.update(done, total))
    } finally {
      bar.stop()
      this.#bar = undefined
    }
  }

  clear(): void {
    this.#bar?.clear()
  }

  /** All of standard input. */
  async readInput(): Promise<Uint8Array> {
    const chunks: Buffer[] = []
    const stop = (): void => void process.stdin.destroy()
    this.signal.addEventListener('abort', stop, { once: true })
    try {
      for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
    } catch (cause) {
      if (!this.signal.aborted)
        throw new CompactorError('file-unreadable', `standard input cannot be read: ${String(cause)}`, { cause })
    } finally {
      this.signal.removeEventListener('abort', stop)
    }
    if (this.signal.aborted) throw new CompactorError('aborted', 'interrupted')
    return Buffer.concat(chunks)
  }
}
