/**
 * Tokens as bytes, and bytes to token, in a few typed arrays over one hash table: built in tens of milliseconds from
 * the strings in a GGUF header, where a Map of 150,000 JS strings takes seconds. Not here: how text is split or merged.
 */
import { CompactorError } from '../error.ts'
import { quoted } from '../shown.ts'
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
export const BYTE = 6
const LARGEST_KIND = 6

/** How tokens are written: in the byte-level alphabet, or as pieces: plain text with ▁ for a space and <0x0A> for a byte. */
export type Writing = 'alphabet' | 'pieces'

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

  constructor(tokens: StringTable, kinds: Int32Array, writing: Writing = 'alphabet') {
    if (tokens.count === 0)
      throw new CompactorError('model-corrupt', 'tokenizer.ggml.tokens holds no token; get the file again')
    this.size = tokens.count
    this.kinds = checkKinds(kinds, tokens.count)
    const { bytes, starts, longest } = decodeTokens(tokens, this.kinds, writing)
    if (longest > LONGEST_TOKEN)
      throw new CompactorError(
        'model-corrupt',
        `a token of the vocabulary has ${longest} bytes, expected at most ${LONGEST_TOKEN}; get the file again`,
      )
    this.#bytes = bytes
    this.#starts = starts
    this.longest = longest
    this.#slots = new Uint32Array(2 ** Math.ceil(Math.log2(tokens.count * 1.5 + 1)))
    this.#mask = this.#slots.length - 1
    for (let id = 0; id < tokens.count; id++)
      if (this.kinds[id] !== CONTROL && !(writing === 'pieces' && this.kinds[id] === BYTE))
        this.#insert(id, starts[id] as number, starts[id + 1] as number)
  }

  /** The bytes that a token stands for; a view. */
  bytesOf(id: number): Uint8Array {
    if (!Number.isInteger(id) || id < 0 || id >= this.size)
      throw new RangeError(`token ${id} asked of a vocabulary of ${this.size}`)
    return this.#bytes.subarray(this.#starts[id], this.#starts[id + 1])
  }

  /** Tokens of one kind by their text; the first one where several are written the same. */
  ofKind(kind: number): Map<string, number> {
    const found = new Map<string, number>()
    const utf8 = new TextDecoder('utf-8', { ignoreBOM: true })
    for (let id = this.kinds.indexOf(kind); id >= 0; id = this.kinds.indexOf(kind, id + 1)) {
      const text = utf8.decode(this.bytesOf(id))
      if (!found.has(text)) found.set(text, id)
    }
    return found
  }

  /** The token of bytes[from, to), never a control token, nor one that stands for a byte among pieces; the first one where several are written the same. */
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

  #insert(id: number, from: number, to: number): void {
    const slots = this.#slots
    let slot = hash(this.#bytes, from, to) & this.#mask
    for (let entry = slots[slot] as number; entry !== 0; entry = slots[slot] as number) {
      if (this.equals(entry - 1, this.#bytes, from, to)) return
      slot = (slot + 1) & this.#mask
    }
    slots[slot] = id + 1
  }
}

interface TokenBytes {
  readonly bytes: Uint8Array
  readonly starts: Uint32Array // [tokens + 1]
  readonly longest: number
}

// Control and user-defined tokens are written as plain text.
const decodeTokens = (
  { count, bytes: source, starts: from }: StringTable,
  kinds: Uint8Array,
  writing: Writing,
): TokenBytes => {
  const decode = writing === 'alphabet' ? decodeAlphabet : decodePiece
  const bytes = new Uint8Array((from[count] as number) - (from[0] as number))
  const starts = new Uint32Array(count + 1)
  let longest = 0
  let at = 0
  for (let id = 0; id < count; id++) {
    const start = from[id] as number
    const end = (from[id + 1] as number) - GAP
    const kind = kinds[id]
    const begun = at
    if (kind === CONTROL || kind === USER_DEFINED) {
      bytes.set(source.subarray(start, end), at)
      at += end - start
    } else if (kind === BYTE && writing === 'pieces') bytes[at++] = byteOf(id, source.subarray(start, end))
    else at = decode(source, start, end, bytes, at)
    starts[id + 1] = at
    longest = Math.max(longest, at - begun)
  }
  return { bytes, starts, longest }
}

const SPACE = 0x20

// ▁ is E2 96 81.
const decodePiece = (source: Uint8Array, from: number, to: number, target: Uint8Array, at: number): number => {
  let end = at
  for (let index = from; index < to; index++) {
    if (source[index] === 0xe2 && source[index + 1] === 0x96 && source[index + 2] === 0x81 && index + 2 < to) {
      target[end++] = SPACE
      index += 2
    } else target[end++] = source[index] as number
  }
  return end
}

/** What <0x0A> stands for. */
const byteOf = (id: number, written: Uint8Array): number => {
  const text = String.fromCharCode(...written.subarray(0, 16))
  const match = /^<0x([0-9A-Fa-f]{2})>$/.exec(text)
  if (match) return Number.parseInt(match[1] as string, 16)
  throw new CompactorError(
    'model-corrupt',
    `token ${id} stands for a byte and is written ${quoted(text)}, expected <0x00> to <0xFF>; get the file again`,
  )
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
      `tokenizer.ggml.token_type has ${kinds.length} values, expected ${count}, one for each token; get the file again`,
    )
  const wrong = kinds.find((kind) => kind < NORMAL || kind > LARGEST_KIND)
  if (wrong !== undefined)
    throw new CompactorError(
      'model-corrupt',
      `tokenizer.ggml.token_type holds ${wrong}, expected ${NORMAL} to ${LARGEST_KIND}; get the file again`,
    )
  return new Uint8Array(kinds)
}
