/**
 * Tokens after a document: a shared block that never changes and a private tail that grows. TOKEN-MAJOR: a panel of
 * tokens goes through all layers. Positions continue from the document's original length, whatever was kept of it.
 */
import type { Ops, Precision, Segment, Tensor } from '../backends/ops.ts'
import type { Block } from '../cache/block.ts'
import { Tail } from '../cache/tail.ts'
import type { Attend, Attention, Model } from '../models/model.ts'
import { blockShapeOf } from './block-shape.ts'
import type { Control } from './control.ts'

const panelTokens = 256

/** What one layer looks with, and at beside the block; given back when `ops.scope` ends. */
export interface Sight {
  readonly layer: number
  readonly q: Tensor // [n, heads, headDim]
  readonly own: readonly Segment[] // the sequence's own tokens, those of `q` among them
  readonly firstIndex: number // of the first row of `q`
}

export interface SequenceStart {
  /** Absent: nothing stands before the sequence. */
  readonly block?: Block
  readonly nextPosition: number
  readonly precision: Precision
  /** Tokens that the private tail grows by. Default 256. */
  readonly pageTokens?: number
}

export class Sequence {
  readonly #ops: Ops
  readonly #model: Model
  readonly #shared: readonly (readonly Segment[])[] // [layer]
  readonly #tail: Tail
  readonly #firstPosition: number
  readonly #options: Pick<SequenceStart, 'precision' | 'pageTokens'>
  #length = 0
  #watch: ((sight: Sight) => void) | undefined

  constructor(ops: Ops, model: Model, { block, nextPosition, ...options }: SequenceStart) {
    const { layerCount } = model.config
    this.#ops = ops
    this.#model = model
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
  watch(ids: Uint32Array, control: Control, see: (sight: Sight) => void): void {
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

  /** Forgets all but the first `length` tokens. Throws RangeError for more than there are. */
  truncate(length: number): void {
    this.#tail.truncate(length)
    this.#length = length
  }

  // What `forward` does with a sequence, in this order: room before `ops.scope`, positions, every layer, the count.

  /** Room for `count` more tokens; call outside `ops.scope`. */
  reserve(count: number): void {
    this.#tail.reserve(count)
  }

  positions(count: number): Uint32Array {
    return Uint32Array.from({ length: count }, (_, i) => this.#firstPosition + this.#length + i)
  }

  /** Takes in the keys and values of the next tokens at one layer; q [n, heads, headDim] → [n, heads, headDim] */
  attend(layer: number, { rotated, v }: Pick<Attention, 'rotated' | 'v'>): Tensor {
    this.#tail.append(layer, rotated.k, v)
    const { headDim, windows } = this.#model.config
    const firstIndex = this.#firstPosition + this.#length
    const own = this.#tail.segments(layer)
    const all = [...(this.#shared[layer] as readonly Segment[]), ...own]
    const window = windows?.[layer]
    const segments = window === undefined ? all : within(all, firstIndex, window)
    this.#watch?.({ layer, q: rotated.q, own, firstIndex })
    return this.#ops.attend(rotated.q, segments, { scale: 1 / Math.sqrt(headDim), firstIndex })
  }

  advance(count: number): void {
    this.#length += count
  }
}

/** What queries from `firstIndex` on see of causal segments through a window. */
const within = (segments: readonly Segment[], firstIndex: number, window: number): Segment[] =>
  segments
    .filter(({ causalFrom = 0, counts }) => causalFrom + (counts[0] ?? 0) > firstIndex - window + 1)
    .map((segment) => ({ ...segment, window }))

export interface Part {
  readonly sequence: Sequence // each once
  readonly ids: Uint32Array // at least one
}

/**
 * The next tokens of several sequences through all layers, the weights read once for all of them; room for the tokens was
 * reserved. Call inside `ops.scope`. → hidden states [all ids, dim], part after part
 */
export const forward = (ops: Ops, model: Model, parts: readonly Part[]): Tensor => {
  const { layerCount, headCount, headDim } = model.config
  const ids = joined(parts.map((part) => part.ids))
  const positions = joined(parts.map(({ sequence, ids: { length } }) => sequence.positions(length)))
  const attend: Attend = (layer, { rotated, v }) => {
    const [only] = parts
    if (parts.length === 1 && only) return only.sequence.attend(layer, { rotated, v })
    const out = ops.zeros([ids.length, headCount, headDim], 'f32')
    let start = 0
    for (const { sequence, ids: own } of parts) {
      const cut = (tensor: Tensor): Tensor => ops.slice(tensor, start, own.length)
      const part = { rotated: { q: cut(rotated.q), k: cut(rotated.k) }, v: cut(v) }
      ops.copy(cut(out), sequence.attend(layer, part))
      start += own.length
    }
    return out
  }
  const x = model.embed(ids)
  // A scope for each layer: its inner values are given back before the next.
  for (let layer = 0; layer < layerCount; layer++)
    ops.scope(() => ops.copy(x, model.layer(layer, x, positions, attend) as Tensor))
  for (const { sequence, ids: own } of parts) sequence.advance(own.length)
  return x
}

/** Rows of logits that the backend holds at once. */
const mostLogitRows = 64

/**
 * The next tokens of several sequences through the model → the logits after the last token of each part [vocabulary], or of
 * those that `of` names, in their order. Call outside `ops.scope`.
 */
export async function* logitsAfter<P extends Part>(
  ops: Ops,
  model: Model,
  {
    parts,
    control,
    of = () => true,
  }: { readonly parts: readonly P[]; readonly control: Control; readonly of?: (part: P) => boolean },
): AsyncGenerator<Float32Array> {
  control.check()
  for (const { sequence, ids } of parts) sequence.reserve(ids.length)
  let end = 0
  const rows = parts.flatMap((part) => {
    end += part.ids.length
    return of(part) ? [end - 1] : []
  })
  const reads = ops.scope(() => {
    const x = forward(ops, model, parts)
    return Array.from({ length: Math.ceil(rows.length / mostLogitRows) }, (_, i) => {
      const picks = Uint32Array.from(rows.slice(i * mostLogitRows, (i + 1) * mostLogitRows))
      return ops.read(model.logits(ops.gather(x, picks)))
    })
  })
  const { vocabularySize } = model.config
  for (const read of reads) {
    const logits = (await read) as Float32Array
    for (let start = 0; start < logits.length; start += vocabularySize)
      yield logits.subarray(start, start + vocabularySize)
  }
}

const joined = (arrays: readonly Uint32Array[]): Uint32Array => {
  const [only] = arrays
  if (arrays.length === 1 && only) return only
  const all = new Uint32Array(arrays.reduce((sum, { length }) => sum + length, 0))
  let start = 0
  for (const array of arrays) {
    all.set(array, start)
    start += array.length
  }
  return all
}
