/**
 * Reads a document into a block by one method: after each layer its cache is scored and compressed and what lost is
 * dropped. Above the weights this needs what is kept, one layer's keys and values (and queries, if the method asks), the
 * residual stream and one panel of inner values. Not here: the pass itself (layer-walk.ts), questions (sequence.ts).
 */
import type { Ops, Precision } from '../backends/ops.ts'
import type { Block } from '../cache/block.ts'
import { BlockBuilder, blockOfModel, type LayerContents } from '../cache/block-builder.ts'
import type { Method, SelectionDefaults } from '../methods/method.ts'
import type { Model } from '../models/model.ts'
import { blockShapeOf } from './block-shape.ts'
import type { Control } from './control.ts'
import { type LayerReading, walkLayers } from './layer-walk.ts'
import type { StreamInput } from './stream-reader.ts'

export interface PrefillInput {
  readonly head: Uint32Array // ids before the document: kept whole
  readonly document: Uint32Array // ids, at least one
  readonly method: Method
  readonly selection: SelectionDefaults
  readonly pairs: number // to keep in each layer that sees everything, of document tokens × kvHeads
  readonly precision: Precision
  readonly seed: number
  readonly control: Control
  /** What the method's needs.repeat or needs.question stand for; see streams.ts. */
  readonly streams?: readonly StreamInput[]
  /** Rank even when everything stays; otherwise that is kept in position order. */
  readonly order?: 'importance'
}

export interface Prefilled {
  readonly block: Block
  /** The budget asked for, in pairs of a layer, where the protected tokens alone are more. */
  readonly raisedFrom: number | undefined
}

/** Throws CompactorError('aborted'). Progress is told in tokens × layers. */
export const prefill = async (ops: Ops, model: Model, input: PrefillInput): Promise<Prefilled> => {
  const { document, method, pairs, precision, seed } = input
  const { kvHeadCount } = model.config
  const request = {
    shape: blockShapeOf(model.config, precision),
    headTokens: input.head.length,
    documentTokens: document.length,
    pairs,
    selection: input.selection,
    nested: method.nested,
    ...(input.order && { order: input.order }),
  }
  const builder = new BlockBuilder(ops, request)
  // Where everything stays nobody is asked.
  const needs = builder.keepsAll ? {} : method.needs
  const streams = builder.keepsAll ? [] : (input.streams ?? [])
  const options = { seed, keep: pairs / (document.length * kvHeadCount), streams: [...streams.keys()] }
  const scoresOf = async ({ view, window }: LayerReading): Promise<Float32Array | undefined> => {
    if (builder.keepsAll || window !== undefined) return undefined
    return (await ops.scope(() => ops.read(method.score(ops, view(method, options))))) as Float32Array
  }
  if (input.selection.heads === 'model' && !builder.keepsAll) {
    // Who stays in the first layer is known after the last: the whole cache is held until then.
    const layers: LayerContents[] = []
    await walkLayers(ops, model, { ...input, needs, streams, keepsStores: true }, async (reading) => {
      layers.push({ k: reading.k, v: reading.v, scores: await scoresOf(reading) })
    })
    return { block: blockOfModel(ops, request, layers), raisedFrom: builder.raisedFrom }
  }
  await walkLayers(ops, model, { ...input, needs, streams }, async (reading) =>
    builder.addLayer({ k: reading.k, v: reading.v, scores: await scoresOf(reading) }),
  )
  return { block: builder.finish(), raisedFrom: builder.raisedFrom }
}
