/**
 * What one sequence has said and heard since the shared block: keys and values in pages, in order, causal. Belongs to that
 * sequence alone. Indices count from `firstIndex`, that of the tail's first token.
 */
import type { Ops, Segment, Tensor } from '../backends/ops.ts'
import { type BlockShape, elementBytes } from './block.ts'

interface Page {
  readonly k: Tensor // [kvHeads, pageTokens, headDim]
  readonly v: Tensor
  readonly rows: { readonly k: Tensor; readonly v: Tensor } // the same as [kvHeads × pageTokens, headDim]
}

export class Tail {
  readonly #ops: Ops
  readonly #shape: BlockShape
  readonly #pageTokens: number
  readonly #firstIndex: number
  readonly #starts: Uint32Array // [kvHeads], of every page
  readonly #pages: Page[][] // [layer][page]
  readonly #lengths: number[] // [layer], tokens appended

  constructor(
    ops: Ops,
    shape: BlockShape,
    options: { readonly pageTokens?: number; readonly firstIndex?: number } = {},
  ) {
    const { pageTokens = 256, firstIndex = 0 } = options
    if (!Number.isInteger(pageTokens) || pageTokens < 1)
      throw new RangeError(`expected pageTokens to be a whole number from 1, got ${pageTokens}`)
    this.#ops = ops
    this.#shape = shape
    this.#pageTokens = pageTokens
    this.#firstIndex = firstIndex
    this.#starts = Uint32Array.from({ length: shape.kvHeadCount }, (_, head) => head * pageTokens)
    this.#pages = Array.from({ length: shape.layerCount }, () => [])
    this.#lengths = new Array<number>(shape.layerCount).fill(0)
  }

  /** Tokens that every layer has: the index of the next token. */
  get length(): number {
    return Math.min(...this.#lengths)
  }

  get bytes(): number {
    const pages = this.#pages.reduce((total, { length }) => total + length, 0)
    const { kvHeadCount, headDim, precision } = this.#shape
    return pages * 2 * kvHeadCount * this.#pageTokens * headDim * elementBytes[precision]
  }

  /**
   * Begins a step: pages for `count` more tokens in every layer; what a step cut short left in some layers is forgotten.
   * Call outside `ops.scope`, whose end would take the pages back.
   */
  reserve(count: number): void {
    this.truncate(this.length)
    const pageCount = Math.ceil((this.length + count) / this.#pageTokens)
    for (const pages of this.#pages) while (pages.length < pageCount) pages.push(this.#makePage())
  }

  /** k, v [n, kvHeads, headDim] f32 of the next n tokens of one layer, into reserved pages. */
  append(layer: number, k: Tensor, v: Tensor): void {
    const pages = this.#layerPages(layer)
    const count = k.shape[0] ?? 0
    const from = this.#lengths[layer] ?? 0
    const room = pages.length * this.#pageTokens - from
    if (count > room)
      throw new RangeError(`layer ${layer} has room for ${room} tokens, got ${count}: reserve before a step`)
    for (let done = 0; done < count; ) {
      const at = (from + done) % this.#pageTokens
      const part = Math.min(count - done, this.#pageTokens - at)
      const page = pages[Math.floor((from + done) / this.#pageTokens)]
      if (page === undefined) throw new RangeError(`layer ${layer} has no page for token ${from + done}`)
      this.#ops.store(page.k, at, this.#ops.slice(k, done, part))
      this.#ops.store(page.v, at, this.#ops.slice(v, done, part))
      done += part
    }
    this.#lengths[layer] = from + count
  }

  /** What this layer has so far, a causal segment for each page. */
  segments(layer: number): Segment[] {
    const length = this.#lengths[layer] ?? 0
    return this.#layerPages(layer)
      .slice(0, Math.ceil(length / this.#pageTokens))
      .map(({ rows }, page) => {
        const before = page * this.#pageTokens
        const counts = new Uint32Array(this.#shape.kvHeadCount).fill(Math.min(this.#pageTokens, length - before))
        return { k: rows.k, v: rows.v, starts: this.#starts, counts, causalFrom: this.#firstIndex + before }
      })
  }

  /** Forget all but the first `length` tokens, in every layer; also what a step cut short left behind. */
  truncate(length: number): void {
    if (!Number.isInteger(length) || length < 0 || length > this.length)
      throw new RangeError(`expected a length of 0 to ${this.length} tokens, got ${length}`)
    const pageCount = Math.ceil(length / this.#pageTokens)
    for (const pages of this.#pages) pages.length = Math.min(pages.length, pageCount)
    this.#lengths.fill(length)
  }

  /** Becomes a copy of another tail of the same shape. Call outside `ops.scope`. */
  copyFrom(other: Tail): void {
    this.truncate(0)
    this.reserve(other.length)
    for (const [layer, pages] of this.#pages.entries())
      for (const [index, page] of pages.entries()) {
        const source = other.#pages[layer]?.[index]
        if (!source) throw new RangeError(`the tail copied from has no page ${index} in layer ${layer}`)
        this.#ops.copy(page.k, source.k)
        this.#ops.copy(page.v, source.v)
      }
    this.#lengths.fill(other.length)
  }

  dispose(): void {
    this.truncate(0)
  }

  #layerPages(layer: number): Page[] {
    const pages = this.#pages[layer]
    if (pages === undefined) throw new RangeError(`expected a layer below ${this.#shape.layerCount}, got ${layer}`)
    return pages
  }

  #makePage(): Page {
    const { kvHeadCount, headDim, precision } = this.#shape
    const make = () => this.#ops.zeros([kvHeadCount, this.#pageTokens, headDim], precision)
    const [k, v] = [make(), make()]
    const rows = [kvHeadCount * this.#pageTokens, headDim] as const
    return { k, v, rows: { k: this.#ops.reshape(k, rows), v: this.#ops.reshape(v, rows) } }
  }
}
