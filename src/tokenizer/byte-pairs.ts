/**
 * Byte-pair encoding of one word: the lowest-ranked pair of neighbours joins, leftmost first, until none can. A queue of
 * pairs, so that a word of a million letters costs n log n. Not here: which pairs join (merges.ts, sentence-pieces.ts).
 */

/** Which neighbours bytes[start, middle) and bytes[middle, end) join, and when: the smallest first, less than 2^27. */
export interface PairRanks {
  rank(bytes: Uint8Array, start: number, middle: number, end: number): number | undefined
}

const NONE = 0xffffffff
const LARGEST_KEPT_WORD = 65_536
// A queue entry is rank × 2^26 + start: exact in a double for 2^27 merges and words of 64 MB.
const START_LIMIT = 2 ** 26

export class BytePairs {
  readonly #merges: PairRanks
  readonly #unit: 'byte' | 'character'
  #ends = new Uint32Array(256) // of the part that begins at an index
  #previous = new Uint32Array(256) // where the part before it begins
  #ranks = new Uint32Array(256) // of its pair with the next part
  #queue = new PairQueue(256)

  /** @param unit what a word consists of before anything joins. */
  constructor(merges: PairRanks, unit: 'byte' | 'character' = 'byte') {
    this.#merges = merges
    this.#unit = unit
  }

  /** Calls `part(start, end)` for each token of bytes[0, length), in order. */
  split(bytes: Uint8Array, length: number, part: (start: number, end: number) => void): void {
    if (length > START_LIMIT)
      throw new RangeError(`a word of ${length} bytes without any break, expected at most ${START_LIMIT}`)
    this.#reserve(length)
    const ends = this.#ends
    for (let start = 0, before = NONE; start < length; start = ends[start] as number) {
      ends[start] = this.#unit === 'byte' ? start + 1 : endOfCharacter(bytes, start, length)
      this.#previous[start] = before
      before = start
    }
    for (let start = 0; start < length; start = ends[start] as number) this.#enter(bytes, length, start)
    for (let key = this.#queue.pop(); key !== undefined; key = this.#queue.pop()) {
      const start = key % START_LIMIT
      // Entries of pairs that changed since are stale: their rank is no longer the one noted.
      if (this.#ranks[start] === (key - start) / START_LIMIT) this.#join(bytes, length, start)
    }
    for (let start = 0; start < length; start = ends[start] as number) part(start, ends[start] as number)
    if (length > LARGEST_KEPT_WORD) this.#shrink()
  }

  #join(bytes: Uint8Array, length: number, start: number): void {
    const middle = this.#ends[start] as number
    const end = this.#ends[middle] as number
    this.#ends[start] = end
    this.#ranks[middle] = NONE
    if (end < length) this.#previous[end] = start
    this.#enter(bytes, length, start)
    const before = this.#previous[start] as number
    if (before !== NONE) this.#enter(bytes, length, before)
  }

  /** Note the rank of the part at `start` with its right neighbour. */
  #enter(bytes: Uint8Array, length: number, start: number): void {
    const middle = this.#ends[start] as number
    const rank = middle < length ? this.#merges.rank(bytes, start, middle, this.#ends[middle] as number) : undefined
    this.#ranks[start] = rank ?? NONE
    if (rank !== undefined) this.#queue.push(rank * START_LIMIT + start)
  }

  #reserve(length: number): void {
    if (this.#ends.length >= length) return
    const size = 2 ** Math.ceil(Math.log2(length))
    this.#ends = new Uint32Array(size)
    this.#previous = new Uint32Array(size)
    this.#ranks = new Uint32Array(size)
  }

  // One monstrous word must not hold its memory for ever.
  #shrink(): void {
    this.#ends = new Uint32Array(0)
    this.#reserve(256)
    this.#queue = new PairQueue(256)
  }
}

const endOfCharacter = (bytes: Uint8Array, start: number, length: number): number => {
  let end = start + 1
  while (end < length && ((bytes[end] as number) & 0xc0) === 0x80) end++
  return end
}

/** A binary heap of numbers, smallest first. */
class PairQueue {
  #keys: Float64Array
  #count = 0

  constructor(size: number) {
    this.#keys = new Float64Array(size)
  }

  push(key: number): void {
    if (this.#count === this.#keys.length) {
      const larger = new Float64Array(2 * this.#count)
      larger.set(this.#keys)
      this.#keys = larger
    }
    const keys = this.#keys
    let at = this.#count++
    while (at > 0) {
      const parent = (at - 1) >> 1
      if ((keys[parent] as number) <= key) break
      keys[at] = keys[parent] as number
      at = parent
    }
    keys[at] = key
  }

  pop(): number | undefined {
    if (this.#count === 0) return undefined
    const keys = this.#keys
    const top = keys[0] as number
    const key = keys[--this.#count] as number
    let at = 0
    for (let child = 1; child < this.#count; child = 2 * at + 1) {
      if (child + 1 < this.#count && (keys[child + 1] as number) < (keys[child] as number)) child++
      if ((keys[child] as number) >= key) break
      keys[at] = keys[child] as number
      at = child
    }
    keys[at] = key
    return top
  }
}
