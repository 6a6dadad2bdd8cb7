/** An answer as it is being made: pieces of text while they come, the whole text, and what it cost. */
import { onAbort } from './on-abort.ts'
import type { AnswerInfo } from './protocol.ts'
import type { CallOptions } from './worker-client.ts'

export class Answer {
  /**
   * The text in pieces, from the beginning; every reader gets all of it. When the only reader leaves early (`break`) and
   * nobody has asked for `text` or `done`, the answer is stopped.
   */
  readonly textStream: AsyncIterable<string>

  readonly #text: Promise<string>
  readonly #done: Promise<AnswerInfo>
  readonly #pieces: string[] = []
  readonly #stop = new AbortController()
  #wake: () => void = () => undefined
  #news: Promise<void> = Promise.resolve()
  #isOver = false
  #isAwaited = false
  #readers = 0

  constructor(run: (call: CallOptions) => Promise<AnswerInfo>, signal: AbortSignal | undefined) {
    this.#renew()
    const leave = onAbort(signal, () => this.#stop.abort(signal?.reason))
    const onPiece = (text: string): void => {
      this.#pieces.push(text)
      this.#renew()
    }
    this.#done = run({ signal: this.#stop.signal, onPiece }).finally(() => {
      leave()
      this.#isOver = true
      this.#renew()
    })
    this.#text = this.#done.then(() => this.#pieces.join(''))
    this.textStream = { [Symbol.asyncIterator]: () => this.#read() }
    // Whoever only streams learns of a failure there; an unread promise must not end the process.
    this.#done.catch(() => undefined)
    this.#text.catch(() => undefined)
  }

  /** The whole text. Rejects like `done`. */
  get text(): Promise<string> {
    this.#isAwaited = true
    return this.#text
  }

  /**
   * The value of an answer that was asked with a schema. Rejects like `done`, and with a TypeError where the text is not JSON
   * because no schema was given.
   */
  get object(): Promise<unknown> {
    return this.text.then((text) => {
      try {
        return JSON.parse(text) as unknown
      } catch (cause) {
        throw new TypeError('the answer is not JSON; ask with a schema to get a value', { cause })
      }
    })
  }

  /** Usage, timings and why it ended. Rejects with CompactorError, code 'aborted' if it was stopped. */
  get done(): Promise<AnswerInfo> {
    this.#isAwaited = true
    return this.#done
  }

  /** Ends the answer where it is: streams, `text` and `done` reject with CompactorError, code 'aborted'. */
  stop(): void {
    this.#stop.abort()
  }

  /** Wake every reader and make the next thing to wait for. */
  #renew(): void {
    const wake = this.#wake
    this.#news = new Promise((resolve) => {
      this.#wake = resolve
    })
    wake()
  }

  async *#read(): AsyncGenerator<string, void> {
    this.#readers++
    try {
      for (let index = 0; ; ) {
        const news = this.#news
        while (index < this.#pieces.length) yield this.#pieces[index++] as string
        if (this.#isOver && index >= this.#pieces.length) break
        if (index >= this.#pieces.length && !this.#isOver) await news
      }
    } finally {
      this.#readers--
      if (this.#readers === 0 && !this.#isAwaited && !this.#isOver) this.stop()
    }
    await this.#done
  }
}
