/** Token bytes to text as it may be shown: whole characters only, and nothing that might still become a stop string. */
import { Utf8Stream } from '../tokenizer/utf8-stream.ts'

/** Throws RangeError. */
export const checkStops = (stops: readonly string[]): void => {
  if (stops.some((stop) => stop === '')) throw new RangeError('stop must hold texts that are not empty')
}

export class AnswerText {
  readonly #utf8 = new Utf8Stream()
  readonly #stops: readonly string[]
  #held = ''
  #isStopped = false

  constructor(stops: readonly string[] = []) {
    checkStops(stops)
    this.#stops = stops
  }

  /** A stop string was met; the text ends before it. */
  get isStopped(): boolean {
    return this.#isStopped
  }

  /** Text that can be shown now; '' while a character or a possible stop string is incomplete. */
  push(bytes: Uint8Array): string {
    return this.#take(this.#utf8.push(bytes))
  }

  /** What was held back, once no more comes. */
  finish(): string {
    const rest = this.#take(this.#utf8.flush())
    const held = this.#isStopped ? '' : this.#held
    this.#held = ''
    return rest + held
  }

  #take(text: string): string {
    if (this.#isStopped) return ''
    const pending = this.#held + text
    const met = this.#stops.map((stop) => pending.indexOf(stop)).filter((at) => at >= 0)
    if (met.length > 0) {
      this.#isStopped = true
      this.#held = ''
      return pending.slice(0, Math.min(...met))
    }
    const safe = pending.length - this.#possibleStop(pending)
    this.#held = pending.slice(safe)
    return pending.slice(0, safe)
  }

  /** Length of the longest end of `text` that begins a stop string. */
  #possibleStop(text: string): number {
    const lengths = this.#stops.map((stop) => {
      let length = Math.min(stop.length - 1, text.length)
      while (length > 0 && !text.endsWith(stop.slice(0, length))) length--
      return length
    })
    return Math.max(0, ...lengths)
  }
}
