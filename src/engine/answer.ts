/** An answer as it is being made: pieces of text while they come, the whole text, and what it cost. */
import type { AnswerInfo } from './protocol.ts'

export class Answer {
  /** The text in pieces, from the beginning; every reader gets all of it. */
  readonly textStream: AsyncIterable<string>
  /** The whole text. Rejects like `done`. */
  readonly text: Promise<string>
  /** Usage, timings and why it ended. Rejects with CompactorError, code 'aborted' if the signal fired. */
  readonly done: Promise<AnswerInfo>

  readonly #pieces: string[] = []
  #wake: () => void = () => undefined
  #news: Promise<void> = Promise.resolve()
  #isOver = false

  constructor(run: (onPiece: (text: string) => void) => Promise<AnswerInfo>) {
    this.#renew()
    this.done = run((text) => {
      this.#pieces.push(text)
      this.#renew()
    }).finally(() => {
      this.#isOver = true
      this.#renew()
    })
    this.text = this.done.then(() => this.#pieces.join(''))
    this.textStream = { [Symbol.asyncIterator]: () => this.#read() }
    // Whoever only streams learns of a failure there; an unread promise must not end the process.
    this.done.catch(() => undefined)
    this.text.catch(() => undefined)
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
    for (let index = 0; ; ) {
      const news = this.#news
      while (index < this.#pieces.length) yield this.#pieces[index++] as string
      if (this.#isOver && index >= this.#pieces.length) break
      if (index >= this.#pieces.length && !this.#isOver) await news
    }
    await this.done
  }
}
