/**
 * A bounds-checked little-endian cursor over a GGUF header: every read that would leave the file is a sentence, not a
 * RangeError of DataView. Knows the wire types (numbers, strings, arrays) and nothing of what the keys mean.
 */
import { CompactorError } from '../error.ts'

/**
 * Strings of a header, left where they are: string i is bytes[starts[i], starts[i + 1] − 8), because each is preceded by
 * its 8-byte length. A vocabulary of 150,000 tokens costs 4 bytes each instead of as many JS strings.
 */
export interface StringTable {
  readonly count: number
  readonly bytes: Uint8Array
  readonly starts: Uint32Array // [count + 1]
}

export const LENGTH_BYTES = 8

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
// Offsets into the header are kept in 32 bits.
const LARGEST_OFFSET = 2 ** 32 - 1

export class Cursor {
  readonly name: string
  readonly bytes: Uint8Array
  readonly view: DataView
  #at = 0

  constructor(bytes: Uint8Array, name: string) {
    this.name = name
    // A plain Uint8Array: a Buffer's slice() does not copy.
    this.bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get at(): number {
    return this.#at
  }

  get remaining(): number {
    return this.bytes.length - this.#at
  }

  corrupt(problem: string, cause?: unknown): CompactorError {
    return new CompactorError('model-corrupt', `${this.name} is damaged: ${problem}; get the file again`, { cause })
  }

  /** Step over `count` bytes of `what`; gives where they start. */
  take(count: number, what: string): number {
    if (count > this.remaining)
      throw this.corrupt(
        `${what} needs ${count} bytes at byte ${this.#at}, but the file ends after ${this.remaining} more`,
      )
    const start = this.#at
    this.#at += count
    return start
  }

  u32(what: string): number {
    return this.view.getUint32(this.take(4, what), true)
  }

  /** A count, size or offset. */
  u64(what: string): number {
    const value = this.view.getBigUint64(this.take(8, what), true)
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw this.corrupt(`${what} is ${value}, expected less than 2^53`)
    return Number(value)
  }

  /** A count of things that take at least `bytesEach`: what cannot fit into the rest of the file is refused before any allocation. */
  count(what: string, bytesEach: number): number {
    const count = this.u64(what)
    if (count * bytesEach > this.remaining)
      throw this.corrupt(
        `${what} is ${count}, but the ${this.remaining} bytes left hold at most ${Math.floor(this.remaining / bytesEach)}`,
      )
    return count
  }

  string(what: string): string {
    const length = this.count(`the length of ${what}`, 1)
    return this.text(this.take(length, what), length, what)
  }

  /** Decode `length` bytes at `start`. */
  text(start: number, length: number, what: string): string {
    try {
      return utf8.decode(this.bytes.subarray(start, start + length))
    } catch (cause) {
      throw this.corrupt(`${what} at byte ${start} is not UTF-8`, cause)
    }
  }

  /** Walk over `count` strings, remembering where each starts. */
  strings(count: number, what: string): StringTable {
    const { view } = this
    const starts = new Uint32Array(count + 1)
    const end = Math.min(this.bytes.length, LARGEST_OFFSET - LENGTH_BYTES)
    let at = this.#at
    for (let index = 0; index < count; index++) {
      const start = at + LENGTH_BYTES
      // A high word that is not zero makes `next` larger than any file.
      const next = start > end ? start : start + view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32
      if (next > end) throw this.corrupt(`string ${index} of ${what} at byte ${at} reaches past the end of the file`)
      starts[index] = start
      at = next
    }
    starts[count] = at + LENGTH_BYTES
    this.#at = at
    return { count, bytes: this.bytes, starts }
  }
}
