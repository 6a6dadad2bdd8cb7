/**
 * A document read once for many methods and budgets: the whole cache and every method's scores are held, and any block
 * can be cut from them. For measuring; `prefill.ts` is what a user pays for. Memory: the full cache and the scores.
 */
import type { Ops, Precision, Tensor } from '../backends/ops.ts'
import type { Block, BlockShape } from '../cache/block.ts'
import { BlockBuilder, blockOfModel } from '../cache/block-builder.ts'
import { pairsOfShare, type SelectionOptions } from '../cache/selection.ts'
import type { Method } from '../methods/method.ts'
import type { Model } from '../models/model.ts'
import { blockShapeOf } from './block-shape.ts'
import type { Control } from './control.ts'
import { walkLayers } from './layer-walk.ts'
import type { StreamInput } from './stream-reader.ts'

/** One method with what it reads; several budgets are cut from its one ranking, unless it ranks for `keep` alone. */
export interface Scorer {
  readonly method: Method
  readonly streams: readonly number[] // of the survey's
  readonly keep?: number // for methods with nested: false
}

export interface SurveyInput {
  readonly head: Uint32Array
  readonly document: Uint32Array
  readonly streams: readonly StreamInput[]
  readonly scorers: readonly Scorer[]
  readonly precision: Precision
  readonly seed: number
  readonly control: Control
}

/** [layer] of [kvHeads, tokens]; none for a layer with a window */
type LayerScores = readonly (Float32Array | undefined)[]

export class Survey {
  readonly documentTokens: number
  readonly headTokens: number
  readonly #ops: Ops
  readonly #shape: BlockShape
  readonly #layers: readonly { readonly k: Tensor; readonly v: Tensor }[]
  readonly #scores: readonly LayerScores[] // [scorer]

  constructor(
    ops: Ops,
    shape: BlockShape & { readonly documentTokens: number; readonly headTokens: number },
    read: { readonly layers: Survey['layers']; readonly scores: readonly LayerScores[] },
  ) {
    const { documentTokens, headTokens, ...rest } = shape
    this.#ops = ops
    this.#shape = rest
    this.documentTokens = documentTokens
    this.headTokens = headTokens
    this.#layers = read.layers
    this.#scores = read.scores
  }

  /** [layer], [kvHeads, head + document tokens, headDim] each */
  get layers(): readonly { readonly k: Tensor; readonly v: Tensor }[] {
    return this.#layers
  }

  /** Everything, in position order. */
  whole(): Block {
    return this.#build(undefined, { keep: 1, selection: { protectFirst: 0, protectLast: 0, heads: 'across' } })
  }

  /** What one scorer keeps of a share; protected tokens count inside it and raise it where they are more. */
  cut(scorer: number, request: { readonly keep: number; readonly selection: SelectionOptions }): Block {
    return this.#build(this.#scores[scorer], request)
  }

  #build(
    scores: LayerScores | undefined,
    { keep, selection }: { readonly keep: number; readonly selection: SelectionOptions },
  ): Block {
    const { documentTokens, headTokens } = this
    const pairs = pairsOfShare(keep, { documentTokens, kvHeadCount: this.#shape.kvHeadCount })
    const request = { shape: this.#shape, documentTokens, headTokens, pairs, selection, nested: false }
    const layers = this.#layers.map(({ k, v }, layer) => ({ k, v, scores: scores?.[layer] }))
    if (selection.heads === 'model' && keep < 1) return blockOfModel(this.#ops, request, layers)
    const builder = new BlockBuilder(this.#ops, request)
    for (const layer of layers) builder.addLayer(layer)
    return builder.finish()
  }
}

/** Throws CompactorError('aborted'). Progress is told in tokens × layers, streams counted. */
export const survey = async (ops: Ops, model: Model, input: SurveyInput): Promise<Survey> => {
  const { scorers, seed, precision } = input
  const some = (need: 'queries' | 'rawQueries'): boolean => scorers.some(({ method }) => method.needs[need])
  const needs = { queries: some('queries'), rawQueries: some('rawQueries') }
  const layers: { readonly k: Tensor; readonly v: Tensor }[] = []
  const scores: (Float32Array | undefined)[][] = scorers.map(() => [])
  await walkLayers(ops, model, { ...input, needs, keepsStores: true }, async ({ k, v, view, window }) => {
    layers.push({ k, v })
    for (const [index, { method, streams, keep = 1 }] of scorers.entries()) {
      input.control.check()
      if (window !== undefined) {
        scores[index]?.push(undefined)
        continue
      }
      const scored = ops.scope(() => ops.read(method.score(ops, view(method, { seed, keep, streams }))))
      scores[index]?.push((await scored) as Float32Array)
    }
  })
  const documentTokens = input.document.length
  const shape = { ...blockShapeOf(model.config, precision), documentTokens, headTokens: input.head.length }
  return new Survey(ops, shape, { layers, scores })
}
