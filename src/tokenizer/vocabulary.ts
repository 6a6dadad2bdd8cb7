/**
 * Tokens as bytes, and bytes to token, in a few typed arrays over one hash table: built in tens of milliseconds from
 * the strings in a GGUF header, where a Map of 150,000 JS strings takes seconds. Not here: how text is split or merged.
 */
import { CompactorError } from '../error.ts'
import { decodeAlphabet } from './byte-alphabet.ts'

/** String i is bytes[starts[i], starts[i + 1] − 8), as formats/gguf-cursor.ts gives it. */
export interface StringTable {
  readonly count: number
  readonly bytes: Uint8Array
  readonly starts: Uint32Array // [count + 1]
}

/** What `tokenizer.ggml.token_type` says. */
export const NORMAL = 1
export const CONTROL = 3
export const USER_DEFINED = 4
const LARGEST_KIND = 6

const GAP = 8 // bytes between two strings of a table
const LONGEST_TOKEN = 65_535

export class Vocabulary {
  readonly size: number
  readonly kinds: Uint8Array // [size]
  readonly longest: number // bytes
  readonly #bytes: Uint8Array
  readonly #starts: Uint32Array // [size + 1]
  readonly #slots: Uint32Array // id + 1, 0 = free
  readonly #mask: number

  constructor(tokens: StringTable, kinds: Int32Array) {
    const { count, bytes, starts } = tokens
    this.size = count
    this.kinds = checkKinds(kinds, count)
    this.#bytes = new Uint8Array((starts[count] ?? 0) - (starts[0] ?? 0))
    this.#starts = new Uint32Array(count + 1)
    const slots = 2 ** Math.ceil(Math.log2(count * 1.5 + 1))
    this.#slots = new Uint32Array(slots)
    this.#mask = slots - 1
    let longest = 0
    for (let id = 0; id < count; id++) {
      const from = this.#starts[id] as number
      const to = this.#decode(id, bytes, starts[id] as number, (starts[id + 1] as number) - GAP)
      this.#starts[id + 1] = to
      longest = Math.max(longest, to - from)
      this.#insert(id, from, to)
    }
    if (longest > LONGEST_TOKEN)
      throw new CompactorError('model-corrupt', `a token of ${longest} bytes, expected at most ${LONGEST_TOKEN}`)
    this.longest = longest
  }

  /** The bytes that a token stands for; a view. */
  bytesOf(id: number): Uint8Array {
    if (!Number.isInteger(id) || id < 0 || id >= this.size)
      throw new RangeError(`token ${id} asked of a vocabulary of ${this.size}`)
    return this.#bytes.subarray(this.#starts[id], this.#starts[id + 1])
  }

  /** The token of bytes[from, to); the first one where several are written the same. */
  find(bytes: Uint8Array, from: number, to: number): number | undefined {
    let slot = hash(bytes, from, to) & this.#mask
    for (;;) {
      const entry = this.#slots[slot] as number
      if (entry === 0) return undefined
      if (this.equals(entry - 1, bytes, from, to)) return entry - 1
      slot = (slot + 1) & this.#mask
    }
  }

  /** Whether token `id` is written bytes[from, to). */
  equals(id: number, bytes: Uint8Array, from: number, to: number): boolean {
    const start = this.#starts[id] as number
    if ((this.#starts[id + 1] as number) - start !== to - from) return false
    for (let index = from; index < to; index++) if (this.#bytes[start + index - from] !== bytes[index]) return false
    return true
  }

  // Control and user-defined tokens are written as plain text, all others in the byte-level alphabet.
  #decode(id: number, bytes: Uint8Array, from: number, to: number): number {
    const at = this.#starts[id] as number
    const kind = this.kinds[id]
    if (kind !== CONTROL && kind !== USER_DEFINED) return decodeAlphabet(bytes, from, to, this.#bytes, at)
    this.#bytes.set(bytes.subarray(from, to), at)
    return at + to - from
  }

  #insert(id: number, from: number, to: number): void {
    let slot = hash(this.#bytes, from, to) & this.#mask
    for (;;) {
      const entry = this.#slots[slot] as number
      if (entry === 0) break
      if (this.equals(entry - 1, this.#bytes, from, to)) return
      slot = (slot + 1) & this.#mask
    }
    this.#slots[slot] = id + 1
  }
}

// FNV-1a with a last mix, because only the low bits choose the slot.
const hash = (bytes: Uint8Array, from: number, to: number): number => {
  let value = 0x811c9dc5
  for (let index = from; index < to; index++) value = Math.imul(value ^ (bytes[index] as number), 0x01000193)
  value ^= value >>> 15
  return Math.imul(value, 0x2c1b3c6d) >>> 7
}

const checkKinds = (kinds: Int32Array, count: number): Uint8Array => {
  if (kinds.length !== count)
    throw new CompactorError(
      'model-corrupt',
      `tokenizer.ggml.token_type has ${kinds.length} values, expected ${count}, one for each token`,
    )
  const wrong = kinds.find((kind) => kind < NORMAL || kind > LARGEST_KIND)
  if (wrong !== undefined)
    throw new CompactorError(
      'model-corrupt',
      `tokenizer.ggml.token_type holds ${wrong}, expected ${NORMAL} to ${LARGEST_KIND}`,
    )
  return Uint8Array.from(kinds)
}
