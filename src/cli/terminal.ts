/**
 * What a command may say and hear: answers and lists on stdout, everything else on stderr, progress only where somebody
 * looks. Commands get one of these instead of touching `process`.
 */
import { printable, printableLines } from '../shown.ts'
import type { Interruption } from './interruption.ts'
import { type BarText, ProgressBar } from './progress-bar.ts'

export class Terminal {
  /** Fires when the user interrupts. */
  readonly signal: AbortSignal
  /** What the process ends with when the command returns: not 0 where it went on after something had failed. */
  exitCode = 0
  readonly #interruption: Interruption
  #bar: ProgressBar | undefined

  constructor(interruption: Interruption) {
    this.#interruption = interruption
    this.signal = interruption.signal
  }

  /** Somebody types what standard input gives. */
  get isTyped(): boolean {
    return process.stdin.isTTY === true
  }

  /** One line or several. */
  print(text: string): void {
    this.clear()
    process.stdout.write(`${printableLines(text)}\n`)
  }

  printJson(value: unknown): void {
    this.print(JSON.stringify(value, undefined, 2)) // what is escaped in the text is escaped in JSON alike
  }

  /** A piece of a line, as it comes. */
  write(text: string): void {
    this.clear()
    process.stdout.write(text)
  }

  /** A sentence beside the result. */
  note(sentence: string): void {
    this.clear()
    process.stderr.write(`compactor: ${printableLines(sentence)}\n`)
  }

  /** Lines beside the result, as they are. */
  say(text: string): void {
    this.clear()
    process.stderr.write(`${printableLines(text)}\n`)
  }

  /** Ctrl-C asks `take` first and ends the command only where that returns false. → undoes it */
  onInterrupt(take: () => boolean): () => void {
    return this.#interruption.divert(take)
  }

  /** For Ctrl-C that was read as a key. */
  interrupt(): void {
    this.#interruption.interrupt()
  }

  /** Shows progress while `body` runs. */
  async during<T>(text: BarText, body: (update: (done: number, total: number) => void) => Promise<T>): Promise<T> {
    const bar = this.#show(text)
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

  /** Progress of what has no promise of its own: until `stop`, or all is done. */
  follow(text: BarText): { readonly update: (done: number, total: number) => void; readonly stop: () => void } {
    const bar = this.#show(text)
    const stop = (): void => {
      bar.stop()
      if (this.#bar === bar) this.#bar = undefined
    }
    return { update: (done, total) => (done < total ? bar.update(done, total) : stop()), stop }
  }

  #show(text: BarText): ProgressBar {
    const label = printable(text.label)
    this.#bar = new ProgressBar({ ...text, label }, process.stderr.isTTY === true && process.env.TERM !== 'dumb')
    return this.#bar
  }

  /** Standard input as it comes; ends early when the user interrupts. */
  async *input(): AsyncGenerator<Uint8Array> {
    const stop = (): void => void process.stdin.destroy()
    this.signal.addEventListener('abort', stop, { once: true })
    try {
      for await (const chunk of process.stdin) yield chunk as Buffer
    } finally {
      this.signal.removeEventListener('abort', stop)
    }
  }
}
