/** A text put together from pieces, with marks at the byte where it has come to. */
import type { Format, Mark, Reading } from './document.ts'

/** Above what any trained context holds by far: more is a bomb, or named by mistake. */
export const largestTextBytes: number = 256 * 2 ** 20

export class TextBuilder {
  readonly #pieces: string[] = []
  readonly #marks: Mark[] = []
  #bytes = 0

  /** UTF-8 bytes so far. */
  get bytes(): number {
    return this.#bytes
  }

  append(text: string): void {
    const piece = wellFormed(text)
    this.#pieces.push(piece)
    this.#bytes += Buffer.byteLength(piece)
  }

  mark(kind: Mark['kind'], label: string, level?: number): void {
    this.#marks.push({ offset: this.#bytes, kind, label, ...(level === undefined ? {} : { level }) })
  }

  /** Another reading's text and marks. */
  include({ text, marks }: Pick<Reading, 'text' | 'marks'>): void {
    const before = this.#bytes
    this.append(text)
    // A page without text at the end of a file may be marked behind what is left of it.
    for (const mark of marks) this.#marks.push({ ...mark, offset: Math.min(before + mark.offset, this.#bytes) })
  }

  build(format: Format, notes: readonly string[] = []): Reading {
    const text = this.#pieces.join('')
    const countsLines = this.#marks.some(({ kind }) => kind === 'line')
    return { text, format, marks: this.#marks, lineStarts: countsLines ? lineStartsOf(text) : [], lineStep: 1, notes }
  }
}

/** In UTF-8 bytes. A line ends with \n, \r\n or a single \r. */
const lineStartsOf = (text: string): Uint32Array => {
  const bytes = Buffer.from(text)
  const starts = [0]
  bytes.forEach((byte, i) => {
    if (byte === 10 || (byte === 13 && bytes[i + 1] !== 10)) starts.push(i + 1)
  })
  return Uint32Array.from(starts)
}

/** A lone surrogate would count differently alone and in the whole; as in UTF-8 it becomes U+FFFD. */
const wellFormed = (text: string): string => text.replace(/\p{Surrogate}/gu, '\ufffd')
