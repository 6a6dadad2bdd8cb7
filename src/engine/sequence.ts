/**
 * Tokens after a document: a shared block that never changes and a private tail that grows. TOKEN-MAJOR: a panel of
 * tokens goes through all layers. Positions continue from the document's original length, whatever was kept of it.
 */
import type { Ops, Precision, Segment, Tensor } from '../backends/ops.ts'
import type { Block } from '../cache/block.ts'
import { Tail } from '../cache/tail.ts'
import type { Model } from '../models/model.ts'
import { blockShapeOf } from './block-shape.ts'
import type { Control } from './control.ts'
import { forward } from './forward.ts'

/** Tokens of a sequence that go through the model at once. */
export const panelTokens = 256

export interface SequenceStart {
  /** Absent: nothing stands before the sequence. */
  readonly block?: Block
  readonly nextPosition: number
  readonly precision: Precision
  /** Tokens that the private tail grows by. Default 256. */
  readonly pageTokens?: number
}

/** What the next tokens look at in a layer. */
export interface Sight {
  readonly shared: readonly Segment[] // with all sequences over the same block; none of them causal
  readonly own: readonly Segment[] // the sequence's own, the next tokens among them; all of them causal
  readonly firstIndex: number // of the first of the next tokens
}

/** The same, and what they look with; given back when `ops.scope` ends. */
export interface Look extends Sight {
  readonly layer: number
  readonly q: Tensor // [n, heads, headDim]
}

export class Sequence {
  readonly #ops: Ops
  readonly #model: Model
  readonly #block: Block | undefined
  readonly #shared: readonly (readonly Segment[])[] // [layer]
  readonly #tail: Tail
  readonly #firstPosition: number
  readonly #options: Pick<SequenceStart, 'precision' | 'pageTokens'>
  #length = 0
  #watch: ((look: Look) => void) | undefined

  constructor(ops: Ops, model: Model, { block, nextPosition, ...options }: SequenceStart) {
    const { layerCount } = model.config
    this.#ops = ops
    this.#model = model
    this.#block = block
    this.#shared = Array.from({ length: layerCount }, (_, layer) => block?.segments(layer) ?? [])
    const shape = blockShapeOf(model.config, options.precision)
    this.#tail = new Tail(ops, shape, { ...options, firstIndex: nextPosition })
    this.#firstPosition = nextPosition
    this.#options = options
  }

  /** Tokens taken in so far, the document not counted. */
  get length(): number {
    return this.#length
  }

  /** Of its own keys and values: those that tokens to come may look at, and those that a bookmark needs. */
  get bytes(): number {
    return this.#tail.bytes
  }

  /** ids [n], n ≥ 1 → logits after the last one [vocabulary] */
  async next(ids: Uint32Array, control: Control): Promise<Float32Array> {
    let logits: Promise<Float32Array | Uint16Array> | undefined
    for (let start = 0; start < ids.length; start += panelTokens) {
      const panel = ids.subarray(start, start + panelTokens)
      control.check()
      this.reserve(panel.length)
      logits = this.#ops.scope(() => {
        const x = forward(this.#ops, this.#model, [{ sequence: this, ids: panel }])
        if (start + panelTokens < ids.length) return undefined
        return this.#ops.read(this.#model.logits(this.#ops.slice(x, panel.length - 1, 1)))
      })
    }
    if (!logits) throw new RangeError('a sequence continues with at least one token, got none')
    return (await logits) as Float32Array
  }

  /** ids [n] → logits after each [vocabulary], for measuring; computed `rows` at a time. */
  async *all(ids: Uint32Array, control: Control, rows = 32): AsyncGenerator<Float32Array> {
    const { vocabularySize } = this.#model.config
    for (let start = 0; start < ids.length; start += rows) {
      const panel = ids.subarray(start, start + rows)
      control.check()
      this.reserve(panel.length)
      const logits = (await this.#ops.scope(() =>
        this.#ops.read(this.#model.logits(forward(this.#ops, this.#model, [{ sequence: this, ids: panel }]))),
      )) as Float32Array
      for (let row = 0; row < panel.length; row++)
        yield logits.subarray(row * vocabularySize, (row + 1) * vocabularySize)
    }
  }

  /** Takes tokens in and tells of each layer what they look with; nobody asks what follows them. Call outside `ops.scope`. */
  watch(ids: Uint32Array, control: Control, see: (look: Look) => void): void {
    this.#watch = see
    try {
      for (let start = 0; start < ids.length; start += panelTokens) {
        const panel = ids.subarray(start, start + panelTokens)
        control.check()
        this.reserve(panel.length)
        this.#ops.scope(() => forward(this.#ops, this.#model, [{ sequence: this, ids: panel }]))
      }
    } finally {
      this.#watch = undefined
    }
  }

  /** Another sequence with the same tokens behind it and another memory of the document. Copies the tail. */
  onto(block: Block): Sequence {
    const start = { block, nextPosition: this.#firstPosition, ...this.#options }
    const other = new Sequence(this.#ops, this.#model, start)
    other.#tail.copyFrom(this.#tail)
    other.#length = this.#length
    return other
  }

  /**
   * Forgets all but the first `length` tokens. Throws RangeError for more than there are and, in a model with sliding windows,
   * for a length whose window was given back: bookmarks and what still stands in the last window can be returned to.
   */
  truncate(length: number): void {
    this.#tail.truncate(length)
    this.#length = length
  }

  /** It will have to go back to `length` tokens, of now or to come. Its beginning is such a place from the start. */
  bookmark(length: number): void {
    this.#tail.bookmark(length)
  }

  /** A turn is final: what was read so far will not be cut off again. From here on this is the one bookmark. */
  settle(): void {
    this.#tail.settle()
  }

  // What `forward` does with a sequence, in this order: room before `ops.scope`, positions, every layer, the count.

  /** Room for `count` more tokens; call outside `ops.scope`. */
  reserve(count: number): void {
    this.#tail.reserve(count)
  }

  positions(count: number): Uint32Array {
    return Uint32Array.from({ length: count }, (_, i) => this.#firstPosition + this.#length + i)
  }

  /** Takes in the keys and values of the next tokens at one layer. */
  append(layer: number, { k, v }: { readonly k: Tensor; readonly v: Tensor }): void {
    this.#tail.append(layer, k, v)
  }

  /** Call once for each layer, after `append`. */
  look(layer: number, q: Tensor): Sight {
    const sight = this.#sight(layer)
    this.#watch?.({ ...sight, layer, q })
    return sight
  }

  sharesBlock(other: Sequence): boolean {
    return this.#block !== undefined && this.#block === other.#block
  }

  /** Neither has read anything, and both stand behind the same: equal tokens will be equal keys and values. */
  beginsLike(other: Sequence): boolean {
    const isFresh = this.#length === 0 && other.#length === 0
    return isFresh && this.sharesBlock(other) && this.#firstPosition === other.#firstPosition
  }

  advance(count: number): void {
    this.#length += count
  }

  #sight(layer: number): Sight {
    const firstIndex = this.#firstPosition + this.#length
    const [shared, own] = [this.#shared[layer] ?? [], this.#tail.segments(layer)]
    const window = this.#model.config.windows?.[layer]
    if (window === undefined) return { shared, own, firstIndex }
    return { shared: [], own: within([...shared, ...own], firstIndex, window), firstIndex }
  }
}

/** What queries from `firstIndex` on see of causal segments through a window. */
const within = (segments: readonly Segment[], firstIndex: number, window: number): Segment[] =>
  segments
    .filter(({ causalFrom = 0, counts }) => causalFrom + (counts[0] ?? 0) > firstIndex - window + 1)
    .map((segment) => ({ ...segment, window }))
