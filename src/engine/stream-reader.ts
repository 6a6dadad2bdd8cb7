/**
 * One run of known tokens on its way through the layers: its residual stream, a panel at a time. A stream beside the
 * document also keeps its own keys, values and queries of the current layer. Not here: what the tokens attend to.
 */
import type { Ops, Precision, Segment, Tensor } from '../backends/ops.ts'
import type { Attention, Model } from '../models/model.ts'
import { LayerStore } from './layer-store.ts'

/** Tokens that read the document after it, and the document tokens they are to score. */
export interface StreamInput {
  readonly ids: Uint32Array
  readonly about: { readonly from: number; readonly count: number }
}

export interface Panel {
  readonly start: number
  readonly count: number
}

export interface ReaderInput {
  readonly ids: Uint32Array
  readonly firstPosition: number
  /** Keep queries, keys and values of the layer, the latter at this precision. */
  readonly keepsQueries?: Precision
}

export class Reader {
  readonly length: number
  readonly #ops: Ops
  readonly #model: Model
  readonly #x: Tensor // [tokens, dim]
  readonly #positions: Uint32Array
  readonly #own: { readonly store: LayerStore; readonly q: Tensor } | undefined

  constructor(ops: Ops, model: Model, { ids, firstPosition, keepsQueries }: ReaderInput) {
    const { dim, headCount, kvHeadCount, headDim } = model.config
    this.#ops = ops
    this.#model = model
    this.length = ids.length
    this.#positions = Uint32Array.from(ids, (_, i) => firstPosition + i)
    this.#x = ops.zeros([ids.length, dim], 'f32')
    ops.scope(() => ops.copy(this.#x, model.embed(ids)))
    if (!keepsQueries) return
    const shape = { kvHeadCount, headDim, tokens: ids.length, precision: keepsQueries }
    this.#own = { store: new LayerStore(ops, shape), q: ops.zeros([ids.length, headCount, headDim], 'f32') }
  }

  /** One panel through one layer; `see` takes its q, k, v and says what it attends to. */
  panel(
    layer: number,
    { start, count }: Panel,
    see: (attention: Attention) => { readonly segments: readonly Segment[]; readonly firstIndex: number },
  ): void {
    const ops = this.#ops
    const { layerCount, headDim } = this.#model.config
    ops.scope(() => {
      const x = ops.slice(this.#x, start, count)
      const next = this.#model.layer(layer, x, this.#positions.subarray(start, start + count), (_, attention) => {
        const { segments, firstIndex } = see(attention)
        // The last layer's keys, values and queries are the last thing a memory needs.
        if (layer === layerCount - 1) return undefined
        return ops.attend(attention.rotated.q, segments, { scale: 1 / Math.sqrt(headDim), firstIndex })
      })
      if (next) ops.copy(x, next)
    })
  }

  /** Takes in a panel's own q, k, v; what of the stream stands at or before it. */
  append(start: number, attention: Attention): Segment {
    const { store, q } = this.#kept()
    const count = attention.rotated.q.shape[0] as number
    store.store(start, attention)
    this.#ops.copy(this.#ops.slice(q, start, count), attention.rotated.q)
    return { ...store.segment(0, start + count), causalFrom: 0 }
  }

  /** The current layer of the whole stream. */
  reading(): { readonly q: Tensor; readonly own: Segment } {
    const { store, q } = this.#kept()
    return { q, own: { ...store.segment(0, this.length), causalFrom: 0 } }
  }

  #kept(): { readonly store: LayerStore; readonly q: Tensor } {
    if (!this.#own) throw new TypeError('a reader made without keepsQueries holds no queries')
    return this.#own
  }
}
