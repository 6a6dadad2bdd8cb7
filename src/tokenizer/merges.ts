/**
 * The merge list of a byte-level BPE vocabulary: which two neighbours join, and in what order. A merge is found by the
 * token it makes and the length of its left half, so that no table of pairs is needed: most tokens are made by one merge.
 */
import { CompactorError } from '../error.ts'
import { decodeAlphabet } from './byte-alphabet.ts'
import { CONTROL, type StringTable, type Vocabulary } from './vocabulary.ts'

const GAP = 8 // bytes between two strings of a table
const SEPARATOR = 0x20 // the alphabet has no space

export class Merges {
  readonly #vocabulary: Vocabulary
  readonly #last: Uint32Array // [vocabulary], merge + 1 that makes a token, 0 = none
  readonly #earlier: Uint32Array // [merges], merge + 1 that makes the same token, 0 = none
  readonly #leftLengths: Uint16Array // [merges], bytes

  constructor(vocabulary: Vocabulary, table: StringTable) {
    this.#vocabulary = vocabulary
    this.#last = new Uint32Array(vocabulary.size)
    this.#earlier = new Uint32Array(table.count)
    this.#leftLengths = new Uint16Array(table.count)
    const longestWriting = 2 * vocabulary.longest + 1 // two bytes for each byte, and the space
    const scratch = new Uint8Array(longestWriting)
    const controls = vocabulary.ofKind(CONTROL)
    let next = 0
    for (let merge = 0; merge < table.count; merge++) {
      const from = table.starts[merge] as number
      const to = (table.starts[merge + 1] as number) - GAP
      const separator = table.bytes.indexOf(SEPARATOR, from)
      if (separator <= from || separator >= to - 1 || to - from > longestWriting)
        throw corrupt(merge, 'is not two tokens with a space between')
      const leftLength = decodeAlphabet(table.bytes, from, separator, scratch, 0)
      const length = decodeAlphabet(table.bytes, separator + 1, to, scratch, leftLength)
      // Converters write merges in the order of the tokens they make, so the next token is tried first.
      const isNext = vocabulary.kinds[next] !== CONTROL && vocabulary.equals(next, scratch, 0, length)
      const token = isNext ? next : vocabulary.find(scratch, 0, length)
      if (token !== undefined) {
        next = token + 1
        this.#earlier[merge] = this.#last[token] as number
        this.#last[token] = merge + 1
        this.#leftLengths[merge] = leftLength
      } else if (!controls.has(Buffer.from(scratch.subarray(0, length)).toString()))
        // Text never merges into a control token; into nothing at all it cannot.
        throw corrupt(merge, 'makes no token of the vocabulary')
    }
  }

  /** Place in the list of the merge that joins bytes[start, middle) and bytes[middle, end); the smallest goes first. */
  rank(bytes: Uint8Array, start: number, middle: number, end: number): number | undefined {
    if (end - start > this.#vocabulary.longest) return undefined
    const token = this.#vocabulary.find(bytes, start, end)
    if (token === undefined) return undefined
    let rank: number | undefined
    for (let entry = this.#last[token] as number; entry !== 0; entry = this.#earlier[entry - 1] as number)
      if (this.#leftLengths[entry - 1] === middle - start) rank = entry - 1
    return rank
  }
}

const corrupt = (merge: number, problem: string): CompactorError =>
  new CompactorError('model-corrupt', `merge ${merge} of tokenizer.ggml.merges ${problem}; get the file again`)
