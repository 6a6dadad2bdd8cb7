/**
 * A document through the model, LAYER-MAJOR: all tokens through layer 0, then all through layer 1, …, and after each layer
 * a visit, which sees that layer whole. Streams (tokens that read the document after it) walk beside it, so that scoring
 * by them needs one layer of full cache and no second pass. Not here: who stays (prefill.ts, survey.ts).
 */
import type { Ops, Precision, Segment, Tensor } from '../backends/ops.ts'
import type { Method, Needs, View } from '../methods/method.ts'
import type { Attention, Model } from '../models/model.ts'
import type { Control } from './control.ts'
import { LayerStore } from './layer-store.ts'
import { uniformNumbers } from './random.ts'
import { Reader, type StreamInput } from './stream-reader.ts'

const panelTokens = 512

export interface WalkInput {
  readonly head: Uint32Array // ids before the document
  readonly document: Uint32Array // ids, at least one
  readonly precision: Precision
  readonly needs: Needs // of all methods that will score; repeat and question are in `streams`
  readonly streams: readonly StreamInput[]
  readonly control: Control
  /** Leave each layer's keys and values to the visitor; otherwise the next layer overwrites them. */
  readonly keepsStores?: boolean
}

/** One layer of all tokens. */
export interface LayerReading {
  readonly layer: number
  /** Tokens that the layer sees; undefined: all of them. A layer with a window is not scored and has no view. */
  readonly window: number | undefined
  readonly k: Tensor // [kvHeads, head + document tokens, headDim] at cache precision
  readonly v: Tensor
  /** What a method sees of it. `streams`: indices into the walk's streams. `keep`: share, for methods that rank by budget. */
  view(method: Method, options: ViewOptions): View
}

export interface ViewOptions {
  readonly seed: number
  readonly keep: number
  readonly streams: readonly number[]
}

/** Document tokens only, reused from layer to layer. */
interface Copies {
  readonly rawK: Tensor
  readonly k: Tensor
  readonly v: Tensor
  readonly q: Tensor | undefined
  readonly rawQ: Tensor | undefined
}

/** Throws CompactorError('aborted'). Progress is told in tokens × layers, streams counted. */
export const walkLayers = async (
  ops: Ops,
  model: Model,
  input: WalkInput,
  visit: (reading: LayerReading) => Promise<void>,
): Promise<void> => {
  const { head, document, control, precision } = input
  const { layerCount, kvHeadCount, headDim, windows } = model.config
  const ids = Uint32Array.from([...head, ...document])
  const copies = makeCopies(ops, model, input)
  const newStore = (): LayerStore => new LayerStore(ops, { kvHeadCount, headDim, precision, tokens: ids.length })
  const main = new Reader(ops, model, { ids, firstPosition: 0 })
  const readers = input.streams.map(
    ({ ids: own }) => new Reader(ops, model, { ids: own, firstPosition: ids.length, keepsQueries: precision }),
  )
  const tokens = readers.reduce((sum, { length }) => sum + length, ids.length)
  let done = 0
  const advance = (count: number): void => {
    done += count
    control.report(done, layerCount * tokens)
  }
  let store = newStore()
  for (let layer = 0; layer < layerCount; layer++) {
    if (layer > 0 && input.keepsStores) store = newStore()
    const own = store
    const window = windows?.[layer]
    for (const { start, count } of panelsOf(ids.length)) {
      control.check()
      main.panel(layer, { start, count }, (attention) => {
        own.store(start, attention)
        if (window === undefined) copyDocument(ops, copies, { start: start - head.length, attention })
        return { segments: [own.causal(start + count, { firstIndex: start, window })], firstIndex: start }
      })
      advance(count)
    }
    for (const reader of readers)
      for (const { start, count } of panelsOf(reader.length)) {
        control.check()
        reader.panel(layer, { start, count }, (attention) => {
          const firstIndex = ids.length + start
          const stream = { ...reader.append(start, attention), causalFrom: ids.length, ...(window && { window }) }
          return { segments: [own.causal(ids.length, { firstIndex, window }), stream], firstIndex }
        })
        advance(count)
      }
    const view = viewOf(model, { layer, input, copies, store: own, readers })
    await visit({ layer, window, k: own.k, v: own.v, view })
  }
}

const panelsOf = (length: number): { start: number; count: number }[] =>
  Array.from({ length: Math.ceil(length / panelTokens) }, (_, i) => {
    const start = i * panelTokens
    return { start, count: Math.min(panelTokens, length - start) }
  })

const makeCopies = (ops: Ops, { config }: Model, { document, needs }: WalkInput): Copies => {
  const perKvHead = [document.length, config.kvHeadCount, config.headDim]
  const perHead = [document.length, config.headCount, config.headDim]
  return {
    rawK: ops.zeros(perKvHead, 'f32'),
    k: ops.zeros(perKvHead, 'f32'),
    v: ops.zeros(perKvHead, 'f32'),
    q: needs.queries ? ops.zeros(perHead, 'f32') : undefined,
    rawQ: needs.rawQueries ? ops.zeros(perHead, 'f32') : undefined,
  }
}

/** The part of a panel that belongs to the document, into its place; `start` may be negative, inside the head. */
const copyDocument = (
  ops: Ops,
  copies: Copies,
  { start, attention }: { readonly start: number; readonly attention: Attention },
): void => {
  const { raw, rotated, v } = attention
  const put = (target: Tensor | undefined, panel: Tensor): void => {
    const skipped = Math.max(0, -start)
    const count = (panel.shape[0] as number) - skipped
    if (target && count > 0) ops.copy(ops.slice(target, start + skipped, count), ops.slice(panel, skipped, count))
  }
  put(copies.rawK, raw.k)
  put(copies.k, rotated.k)
  put(copies.v, v)
  put(copies.q, rotated.q)
  put(copies.rawQ, raw.q)
}

interface Layer {
  readonly layer: number
  readonly input: WalkInput
  readonly copies: Copies
  readonly store: LayerStore
  readonly readers: readonly Reader[]
}

const viewOf =
  ({ config, rotate }: Model, { layer, input, copies, store, readers }: Layer) =>
  (method: Method, { seed, keep, streams }: ViewOptions): View => {
    const { head, document } = input
    const declared = (tensor: Tensor | undefined, need: keyof Needs): Tensor => {
      if (!tensor || !method.needs[need])
        throw new TypeError(`method ${method.name} reads queries but does not declare needs.${need}`)
      return tensor
    }
    const segment = (from: number, count: number): Segment => store.segment(head.length + from, count)
    return {
      layer,
      tokenCount: document.length,
      headCount: config.headCount,
      kvHeadCount: config.kvHeadCount,
      headDim: config.headDim,
      raw: {
        k: copies.rawK,
        get q() {
          return declared(copies.rawQ, 'rawQueries')
        },
      },
      rotated: {
        k: copies.k,
        get q() {
          return declared(copies.q, 'queries')
        },
      },
      v: copies.v,
      stored: { head: store.segment(0, head.length), headTokens: head.length, document: segment },
      streams: streams.map((index) => {
        const { about } = input.streams[index] as StreamInput
        return { about, ...(readers[index] as Reader).reading() }
      }),
      rotate,
      random: (stream = 0) => uniformNumbers(seed, layer, stream),
      keep: method.nested ? undefined : keep,
    }
  }
