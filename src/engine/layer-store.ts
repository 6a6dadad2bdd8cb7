/** Keys and values of one layer for every token so far, in position order. Not here: what stays of it (cache/). */
import type { Ops, Precision, Segment, Tensor } from '../backends/ops.ts'
import type { Attention } from '../models/model.ts'

export interface LayerStoreShape {
  readonly kvHeadCount: number
  readonly headDim: number
  readonly tokens: number // capacity
  readonly precision: Precision
}

export class LayerStore {
  readonly k: Tensor // [kvHeads, tokens, headDim]
  readonly v: Tensor
  readonly #ops: Ops
  readonly #rows: { readonly k: Tensor; readonly v: Tensor } // [kvHeads × tokens, headDim]
  readonly #shape: LayerStoreShape

  constructor(ops: Ops, shape: LayerStoreShape) {
    const { kvHeadCount, tokens, headDim, precision } = shape
    this.#ops = ops
    this.#shape = shape
    this.k = ops.zeros([kvHeadCount, tokens, headDim], precision)
    this.v = ops.zeros([kvHeadCount, tokens, headDim], precision)
    const rows = [kvHeadCount * tokens, headDim]
    this.#rows = { k: ops.reshape(this.k, rows), v: ops.reshape(this.v, rows) }
  }

  /** A panel's keys and values, from token `start` on. */
  store(start: number, { rotated, v }: Attention): void {
    this.#ops.store([this.k, this.v], start, [rotated.k, v])
  }

  /** What queries from `firstIndex` on see of the first `count` tokens, all or through a window. */
  causal(
    count: number,
    { firstIndex, window }: { readonly firstIndex: number; readonly window: number | undefined },
  ): Segment {
    if (window === undefined) return { ...this.segment(0, count), causalFrom: 0 }
    const from = Math.min(count, Math.max(0, firstIndex + 1 - window))
    return { ...this.segment(from, count - from), causalFrom: from, window }
  }

  /** Tokens `from` … `from + count`, visible to every query unless the caller adds `causalFrom`. */
  segment(from: number, count: number): Segment {
    const { kvHeadCount, tokens } = this.#shape
    return {
      ...this.#rows,
      starts: Uint32Array.from({ length: kvHeadCount }, (_, head) => head * tokens + from),
      counts: new Uint32Array(kvHeadCount).fill(count),
    }
  }
}
