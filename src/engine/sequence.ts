/**
 * Tokens after a document: a shared block that never changes and a private tail that grows. TOKEN-MAJOR: a panel of
 * tokens goes through all layers. Positions continue from the document's original length, whatever was kept of it.
 */
import type { Ops, Precision, Segment, Tensor } from '../backends/ops.ts'
import type { Block } from '../cache/block.ts'
import { Tail } from '../cache/tail.ts'
import type { Attend, Model } from '../models/model.ts'
import type { Control } from './control.ts'

const panelTokens = 256

export interface SequenceStart {
  /** Absent: nothing stands before the sequence. */
  readonly block?: Block
  readonly nextPosition: number
  readonly precision: Precision
}

export class Sequence {
  readonly #ops: Ops
  readonly #model: Model
  readonly #shared: readonly (readonly Segment[])[] // [layer]
  readonly #tail: Tail
  readonly #firstPosition: number
  #length = 0

  constructor(ops: Ops, model: Model, { block, nextPosition, precision }: SequenceStart) {
    const { layerCount, kvHeadCount, headDim } = model.config
    this.#ops = ops
    this.#model = model
    this.#shared = Array.from({ length: layerCount }, (_, layer) => block?.segments(layer) ?? [])
    this.#tail = new Tail(ops, { layerCount, kvHeadCount, headDim, precision })
    this.#firstPosition = nextPosition
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
      this.#tail.reserve(panel.length)
      logits = this.#ops.scope(() => {
        const x = this.#forward(panel)
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
      this.#tail.reserve(panel.length)
      const logits = (await this.#ops.scope(() =>
        this.#ops.read(this.#model.logits(this.#forward(panel))),
      )) as Float32Array
      for (let row = 0; row < panel.length; row++)
        yield logits.subarray(row * vocabularySize, (row + 1) * vocabularySize)
    }
  }

  #forward(ids: Uint32Array): Tensor {
    const firstIndex = this.#length
    const positions = Uint32Array.from(ids, (_, i) => this.#firstPosition + firstIndex + i)
    const scale = 1 / Math.sqrt(this.#model.config.headDim)
    const attend: Attend = (layer, { rotated, v }) => {
      this.#tail.append(layer, rotated.k, v)
      const segments = [...(this.#shared[layer] as readonly Segment[]), ...this.#tail.segments(layer)]
      return this.#ops.attend(rotated.q, segments, { scale, firstIndex })
    }
    let x = this.#model.embed(ids)
    for (let layer = 0; layer < this.#shared.length; layer++)
      x = this.#model.layer(layer, x, positions, attend) as Tensor
    this.#length += ids.length
    return x
  }
}
