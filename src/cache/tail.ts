/**
 * What one sequence has said and heard since the shared block: keys and values in pages, in order, causal. Belongs to that
 * sequence alone. Indices count from `firstIndex`, that of the tail's first token. In a layer that sees a window, pages which
 * no query to come looks at are given back, but for those that a bookmark needs: a length that it may be cut back to.
 */
import type { Ops, Segment, Tensor } from '../backends/ops.ts'
import { type BlockShape, elementBytes } from './block.ts'

interface Page {
  readonly k: Tensor // [kvHeads, pageTokens, headDim]
  readonly v: Tensor
  readonly rows: { readonly k: Tensor; readonly v: Tensor } // the same as [kvHeads × pageTokens, headDim]
}

const defaultPageTokens = 256

/** How long a tail becomes, and what it may be cut back to. */
export interface TailPlan {
  readonly tokens: number
  readonly stepTokens: number // appended at once, at most
  readonly bookmarks: number // beside its beginning
}

/** The most bytes that a tail holds, pages of the default size. */
export const mostTailBytes = (shape: BlockShape, { tokens, stepTokens, bookmarks }: TailPlan): number => {
  const pagesOf = (count: number): number => Math.ceil(count / defaultPageTokens)
  let pages = 0
  for (let layer = 0; layer < shape.layerCount; layer++) {
    const reach = reachOf(shape, layer)
    const held = (pagesOf(reach + stepTokens) + 1) * (1 + bookmarks)
    pages += Math.min(pagesOf(tokens), held)
  }
  return pages * bytesOfPage(shape, defaultPageTokens)
}

/** How many tokens before it a query looks back on; at least one, whose page is written on. */
const reachOf = ({ windows }: BlockShape, layer: number): number => {
  const window = windows?.[layer]
  return window === undefined ? Number.POSITIVE_INFINITY : Math.max(window - 1, 1)
}

const bytesOfPage = ({ kvHeadCount, headDim, precision }: BlockShape, pageTokens: number): number =>
  2 * kvHeadCount * pageTokens * headDim * elementBytes[precision]

export class Tail {
  readonly #ops: Ops
  readonly #shape: BlockShape
  readonly #pageTokens: number
  readonly #firstIndex: number
  readonly #starts: Uint32Array // [kvHeads], of every page
  readonly #pages: (Page | undefined)[][] // [layer][page], undefined: given back
  readonly #lengths: number[] // [layer], tokens appended
  #bookmarks: readonly number[] = [0]

  constructor(
    ops: Ops,
    shape: BlockShape,
    options: { readonly pageTokens?: number; readonly firstIndex?: number } = {},
  ) {
    const { pageTokens = defaultPageTokens, firstIndex = 0 } = options
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

  /** Of the pages that are held. */
  get bytes(): number {
    const pages = this.#pages.reduce((total, layer) => total + layer.filter(Boolean).length, 0)
    return pages * bytesOfPage(this.#shape, this.#pageTokens)
  }

  /**
   * Begins a step: pages for `count` more tokens in every layer; what a step cut short left in some layers is forgotten.
   * Call outside `ops.scope`, whose end would take the pages back.
   */
  reserve(count: number): void {
    this.#cut(this.length)
    const pageCount = Math.ceil((this.length + count) / this.#pageTokens)
    if (this.#pages.every(({ length }) => length >= pageCount)) return
    const spare = this.#giveBack()
    for (const pages of this.#pages) while (pages.length < pageCount) pages.push(spare.pop() ?? this.#makePage())
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
      this.#ops.store([page.k, page.v], at, [this.#ops.slice(k, done, part), this.#ops.slice(v, done, part)])
      done += part
    }
    this.#lengths[layer] = from + count
  }

  /** What this layer has so far, a causal segment for each page. */
  segments(layer: number): Segment[] {
    const length = this.#lengths[layer] ?? 0
    const pages = this.#layerPages(layer)
    const segments: Segment[] = []
    for (let before = 0; before < length; before += this.#pageTokens) {
      const page = pages[before / this.#pageTokens]
      if (!page) continue
      const { k, v } = page.rows
      const counts = new Uint32Array(this.#shape.kvHeadCount).fill(Math.min(this.#pageTokens, length - before))
      segments.push({ k, v, starts: this.#starts, counts, causalFrom: this.#firstIndex + before })
    }
    return segments
  }

  /**
   * Forget all but the first `length` tokens, in every layer; also what a step cut short left behind. Throws RangeError for a
   * length whose window is no longer held.
   */
  truncate(length: number): void {
    this.#checkReturn(length)
    this.#cut(length)
    this.#bookmarks = this.#bookmarks.filter((bookmark) => bookmark <= length)
  }

  /**
   * `truncate` may go back to `length`, of now or to come, until `settle`. The tail's beginning is a bookmark. Throws RangeError
   * for a length whose window is no longer held.
   */
  bookmark(length: number): void {
    if (!(Number.isInteger(length) && length > this.length)) this.#checkReturn(length)
    this.#bookmarks = [...this.#bookmarks, length]
  }

  /** What is there stays: of all bookmarks its end is the only one left, and what the others needed is given back. */
  settle(): void {
    this.#cut(this.length)
    this.#bookmarks = [this.length]
    this.#giveBack()
  }

  /** Becomes a copy of another tail of the same shape. Call outside `ops.scope`. */
  copyFrom(other: Tail): void {
    const pageCount = Math.ceil(other.length / this.#pageTokens)
    for (const [layer, pages] of this.#pages.entries()) {
      const copies = other.#layerPages(layer).slice(0, pageCount)
      pages.splice(0, pages.length, ...copies.map((page) => page && this.#copyOf(page)))
    }
    this.#lengths.fill(other.length)
    this.#bookmarks = other.#bookmarks
  }

  dispose(): void {
    this.#cut(0)
  }

  #cut(length: number): void {
    const pageCount = Math.ceil(length / this.#pageTokens)
    for (const pages of this.#pages) pages.length = Math.min(pages.length, pageCount)
    this.#lengths.fill(length)
  }

  #checkReturn(length: number): void {
    if (!Number.isInteger(length) || length < 0 || length > this.length)
      throw new RangeError(`expected a length of 0 to ${this.length} tokens, got ${length}`)
    for (const [layer, pages] of this.#pages.entries()) {
      const { from, end } = this.#needed(layer, length)
      if (!pages.slice(from, end).every(Boolean))
        throw new RangeError(
          `the tail cannot be cut back to ${length} of its ${this.length} tokens: what layer ${layer} sees there was given back; set a bookmark before`,
        )
    }
  }

  /** Pages of a layer that queries behind the first `length` tokens look at, and the one that is written on. */
  #needed(layer: number, length: number): { readonly from: number; readonly end: number } {
    const first = Math.max(0, length - reachOf(this.#shape, layer))
    return { from: Math.floor(first / this.#pageTokens), end: Math.ceil(length / this.#pageTokens) }
  }

  /** Pages that neither queries to come nor those behind a bookmark look at leave the tail. */
  #giveBack(): Page[] {
    const lengths = [...this.#bookmarks, this.length]
    return this.#pages.flatMap((pages, layer) => {
      const needed = lengths.map((length) => this.#needed(layer, length))
      return pages.flatMap((page, index) => {
        if (!page || needed.some(({ from, end }) => index >= from && index < end)) return []
        pages[index] = undefined
        return [page]
      })
    })
  }

  #layerPages(layer: number): (Page | undefined)[] {
    const pages = this.#pages[layer]
    if (pages === undefined) throw new RangeError(`expected a layer below ${this.#shape.layerCount}, got ${layer}`)
    return pages
  }

  #copyOf({ k, v }: Page): Page {
    const page = this.#makePage()
    this.#ops.copy(page.k, k)
    this.#ops.copy(page.v, v)
    return page
  }

  #makePage(): Page {
    const { kvHeadCount, headDim, precision } = this.#shape
    const make = () => this.#ops.zeros([kvHeadCount, this.#pageTokens, headDim], precision)
    const [k, v] = [make(), make()]
    const rows = [kvHeadCount * this.#pageTokens, headDim] as const
    return { k, v, rows: { k: this.#ops.reshape(k, rows), v: this.#ops.reshape(v, rows) } }
  }
}
