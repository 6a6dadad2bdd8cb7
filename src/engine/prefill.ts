/**
 * Reads a document into a block, LAYER-MAJOR: all tokens through layer 0, its cache is scored and compressed and what
 * lost is dropped, then layer 1, and so on. Above the weights this needs what is kept, one layer's keys and values (and
 * queries, if the method asks), the residual stream and one panel of inner values. Not here: questions (`sequence.ts`).
 */
import type { Ops, Precision, Segment, Tensor } from '../backends/ops.ts'
import type { Block } from '../cache/block.ts'
import { BlockBuilder } from '../cache/block-builder.ts'
import type { Method, SelectionDefaults, View } from '../methods/method.ts'
import type { Attend, Attention, Model } from '../models/model.ts'
import type { Control } from './control.ts'
import { uniformNumbers } from './random.ts'

const panelTokens = 512

export interface PrefillInput {
  readonly head: Uint32Array // ids before the document: kept whole
  readonly document: Uint32Array // ids, at least one
  readonly method: Method
  readonly selection: SelectionDefaults
  readonly pairs: number // to keep in each layer, of document tokens × kvHeads
  readonly precision: Precision
  readonly seed: number
  readonly control: Control
  /** Rank even when everything stays; otherwise that is kept in position order. */
  readonly order?: 'importance'
}

export interface Prefilled {
  readonly block: Block
  /** The budget asked for, in pairs of a layer, where the protected tokens alone are more. */
  readonly raisedFrom: number | undefined
}

/** One layer of all tokens, reused from layer to layer. */
class LayerBuffers {
  readonly k: Tensor // [kvHeads, tokens, headDim] at cache precision
  readonly v: Tensor
  readonly view: { readonly raw: Tensor; readonly k: Tensor; readonly v: Tensor; readonly q: Tensor | undefined }
  readonly #ops: Ops
  readonly #model: Model
  readonly #headTokens: number

  constructor(ops: Ops, model: Model, { head, document, method, precision }: PrefillInput) {
    const { headCount, kvHeadCount, headDim } = model.config
    const tokens = head.length + document.length
    const perKvHead = [document.length, kvHeadCount, headDim]
    this.#ops = ops
    this.#model = model
    this.#headTokens = head.length
    this.k = ops.zeros([kvHeadCount, tokens, headDim], precision)
    this.v = ops.zeros([kvHeadCount, tokens, headDim], precision)
    this.view = {
      raw: ops.zeros(perKvHead, 'f32'),
      k: ops.zeros(perKvHead, 'f32'),
      v: ops.zeros(perKvHead, 'f32'),
      q: method.needs.queries ? ops.zeros([document.length, headCount, headDim], 'f32') : undefined,
    }
  }

  /** Takes in the panel that begins at token `start`. */
  append(start: number, { raw, rotated, v }: Attention): void {
    this.#ops.store(this.k, start, rotated.k)
    this.#ops.store(this.v, start, v)
    this.#keep(this.view.raw, start, raw.k)
    this.#keep(this.view.k, start, rotated.k)
    this.#keep(this.view.v, start, v)
    if (this.view.q) this.#keep(this.view.q, start, rotated.q)
  }

  /** Everything up to `end` tokens, each query seeing itself and what stands before it. */
  segment(end: number): Segment {
    const { kvHeadCount, headDim } = this.#model.config
    const tokens = this.k.shape[1] as number
    const rows = [kvHeadCount * tokens, headDim]
    return {
      k: this.#ops.reshape(this.k, rows),
      v: this.#ops.reshape(this.v, rows),
      starts: Uint32Array.from({ length: kvHeadCount }, (_, head) => head * tokens),
      counts: new Uint32Array(kvHeadCount).fill(end),
      causalFrom: 0,
    }
  }

  /** The part of a panel that belongs to the document, into its place. */
  #keep(target: Tensor, start: number, panel: Tensor): void {
    const skipped = Math.max(0, this.#headTokens - start)
    const count = (panel.shape[0] as number) - skipped
    if (count <= 0) return
    const from = start + skipped - this.#headTokens
    this.#ops.copy(this.#ops.slice(target, from, count), this.#ops.slice(panel, skipped, count))
  }
}

/** Throws CompactorError('aborted'). Progress is told in tokens × layers. */
export const prefill = async (ops: Ops, model: Model, input: PrefillInput): Promise<Prefilled> => {
  const { head, document, control } = input
  const { layerCount, kvHeadCount, headDim, dim } = model.config
  const ids = new Uint32Array([...head, ...document])
  const positions = Uint32Array.from(ids, (_, i) => i)
  const panels = Array.from({ length: Math.ceil(ids.length / panelTokens) }, (_, i) => {
    const start = i * panelTokens
    return { start, count: Math.min(panelTokens, ids.length - start) }
  })
  const x = ops.zeros([ids.length, dim], 'f32')
  for (const { start, count } of panels)
    ops.scope(() => ops.copy(ops.slice(x, start, count), model.embed(ids.subarray(start, start + count))))

  const buffers = new LayerBuffers(ops, model, input)
  const builder = new BlockBuilder(ops, {
    shape: { layerCount, kvHeadCount, headDim, precision: input.precision },
    headTokens: head.length,
    documentTokens: document.length,
    pairs: input.pairs,
    selection: input.selection,
    nested: input.method.nested,
    ...(input.order && { order: input.order }),
  })
  for (let layer = 0; layer < layerCount; layer++) {
    for (const { start, count } of panels) {
      control.check()
      ops.scope(() => {
        const panel = ops.slice(x, start, count)
        const attend = attendPanel(ops, model, buffers, { start, count })
        const next = model.layer(layer, panel, positions.subarray(start, start + count), attend)
        if (next) ops.copy(panel, next)
      })
      control.report(layer * ids.length + start + count, layerCount * ids.length)
    }
    const scores = builder.keepsAll ? undefined : await score(ops, model, { layer, buffers, input })
    builder.addLayer({ k: buffers.k, v: buffers.v, scores })
  }
  return { block: builder.finish(), raisedFrom: builder.raisedFrom }
}

const attendPanel = (
  ops: Ops,
  model: Model,
  buffers: LayerBuffers,
  panel: { start: number; count: number },
): Attend => {
  const { layerCount, headDim } = model.config
  return (layer, attention) => {
    buffers.append(panel.start, attention)
    // The last layer's keys and values are the last thing a memory needs.
    if (layer === layerCount - 1) return undefined
    return ops.attend(attention.rotated.q, [buffers.segment(panel.start + panel.count)], {
      scale: 1 / Math.sqrt(headDim),
      firstIndex: panel.start,
    })
  }
}

const score = (
  ops: Ops,
  { config }: Model,
  { layer, buffers, input }: { layer: number; buffers: LayerBuffers; input: PrefillInput },
): Promise<Float32Array> => {
  const { method, document, seed, pairs } = input
  const { raw, k, v, q } = buffers.view
  const view: View = {
    layer,
    tokenCount: document.length,
    headCount: config.headCount,
    kvHeadCount: config.kvHeadCount,
    headDim: config.headDim,
    raw: { k: raw },
    rotated: {
      k,
      get q() {
        if (!q) throw new TypeError(`method ${method.name} reads queries but does not declare needs.queries`)
        return q
      },
    },
    v,
    random: (stream = 0) => uniformNumbers(seed, layer, stream),
    keep: method.nested ? undefined : pairs / (document.length * config.kvHeadCount),
  }
  return ops.scope(() => ops.read(method.score(ops, view))) as Promise<Float32Array>
}
