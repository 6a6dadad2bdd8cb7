/**
 * Fills a block layer by layer: selects, gathers what stays, and holds nothing else, so that peak memory is what is kept
 * plus the one layer the caller holds. Not here: scores (methods) and the store that prefill writes to (engine).
 */
import type { Ops, Tensor } from '../backends/ops.ts'
import { Block, type BlockPlan, type BlockShape, type Piece, startsOf, type TierPiece, windowTokens } from './block.ts'
import { layerTiers } from './layer-budgets.ts'
import { type ScoreMoments, scoreCodes, scoreMoments } from './score-code.ts'
import { planBudget, type Selection, type SelectionOptions, type SelectionRequest, select } from './selection.ts'

export interface BlockRequest {
  readonly shape: BlockShape
  readonly documentTokens: number // at least 1
  readonly headTokens: number // what precedes it
  readonly pairs: number // to keep in the average layer, all KV heads together; see pairsOfShare
  readonly layerTiers?: readonly (readonly number[])[] // [whole layer][tier], where layers have budgets of their own; see layer-budgets.ts
  readonly selection: SelectionOptions
  readonly nested: boolean
  readonly order?: 'importance' // rank even when everything stays
}

export interface LayerContents {
  readonly k: Tensor // [kvHeads, capacity, headDim] at the block's precision: head part first, then the document
  readonly v: Tensor
  readonly scores?: Float32Array | undefined // [kvHeads, tokens], not looked at where `keepsAll` or in a layer with a window
  readonly bias?: Tensor // [kvHeads, tokens] f32
}

/**
 * A block whose layers share one budget (`heads: 'model'`), `pairs` being the average layer's: the best of all layers
 * stay, so every layer is held until the last is scored. Throws TypeError for a layer without scores, unless it has a window.
 */
export const blockOfModel = (ops: Ops, request: BlockRequest, layers: readonly LayerContents[]): Block => {
  const { windows } = request.shape
  const scored = layers.filter((_, layer) => windows?.[layer] === undefined)
  const codes = scored.map(({ scores }) => {
    if (!scores) throw new TypeError('a budget for the whole model needs scores of every layer')
    return scoreCodes(scores)
  })
  const average = selectionRequest(request, 0)
  const { pairs } = planBudget(average)
  const builder = new BlockBuilder(ops, { ...request, layerTiers: layerTiers(codes, { ...average, pairs }) })
  for (const layer of layers) builder.addLayer(layer)
  return builder.finish()
}

export class BlockBuilder {
  /** Everything stays in position order: no score is wanted. */
  readonly keepsAll: boolean
  /** The pairs asked for, where the protected tokens alone are more. */
  readonly raisedFrom: number | undefined
  readonly #ops: Ops
  readonly #request: BlockRequest
  readonly #moments: ScoreMoments[] = []
  readonly #headPart: Piece[] = []
  readonly #windowPart: (Piece | undefined)[] = []
  readonly #tiers: TierPiece[][] = [] // [tier][whole layer]
  #wholeLayers = 0

  constructor(ops: Ops, request: BlockRequest) {
    const { raisedFrom, keepsAll } = planBudget(selectionRequest(request, 0))
    this.#ops = ops
    this.#request = request
    this.raisedFrom = raisedFrom
    this.keepsAll = keepsAll
  }

  /** Layers come in order. Copies what stays; call outside `ops.scope`, whose end would take the copies back. */
  addLayer(contents: LayerContents): void {
    const layer = this.#headPart.length
    const { layerCount } = this.#request.shape
    if (layer >= layerCount) throw new RangeError(`a block of ${layerCount} layers is full`)
    this.#checkStore(contents)
    const { shape, documentTokens, headTokens } = this.#request
    const window = windowTokens(shape, layer, headTokens + documentTokens)
    if (window !== undefined) {
      this.#headPart.push(this.#gatherTokens(contents, 0, 0))
      this.#windowPart.push(this.#gatherTokens(contents, headTokens + documentTokens - window, window))
      return
    }
    const selection = select(this.#codes(contents.scores), selectionRequest(this.#request, this.#wholeLayers++))
    this.#headPart.push(this.#gatherTokens(contents, 0, headTokens))
    this.#windowPart.push(undefined)
    selection.boundaries.forEach((boundary, tier) => {
      const before = selection.boundaries[tier - 1] ?? new Uint32Array(boundary.length)
      const pieces = this.#tiers[tier] ?? []
      pieces.push(this.#gatherTier(contents, selection, { before, boundary }))
      this.#tiers[tier] = pieces
    })
  }

  finish(): Block {
    const { shape, documentTokens, headTokens, selection, nested } = this.#request
    if (this.#headPart.length !== shape.layerCount)
      throw new RangeError(`expected ${shape.layerCount} layers, got ${this.#headPart.length}`)
    const order = this.keepsAll ? 'position' : 'importance'
    const plan: BlockPlan = { shape, documentTokens, headTokens, selection, nested, order, scoreMoments: this.#moments }
    const tiers = this.#tiers.map((pieces) => this.#withWindows(pieces))
    return new Block(plan, { headPart: this.#headPart, tiers, windowPart: this.#windowPart })
  }

  /** [whole layer] → [layer]: those with a window have no rows in any tier. */
  #withWindows(pieces: readonly TierPiece[]): TierPiece[] {
    let next = 0
    return this.#windowPart.map((window) => (window ? this.#emptyPiece() : (pieces[next++] as TierPiece)))
  }

  #emptyPiece(): TierPiece {
    const { shape, documentTokens } = this.#request
    const { kvHeadCount, headDim, precision } = shape
    const none = (): Uint32Array => new Uint32Array(kvHeadCount)
    return {
      k: this.#ops.zeros([0, headDim], precision),
      v: this.#ops.zeros([0, headDim], precision),
      starts: none(),
      counts: none(),
      positions: documentTokens > 65535 ? new Uint32Array(0) : new Uint16Array(0),
      codes: this.keepsAll ? undefined : new Uint16Array(0),
      bias: undefined,
    }
  }

  #codes(scores: Float32Array | undefined): Uint16Array | undefined {
    if (this.keepsAll || scores === undefined) return undefined
    this.#moments.push(scoreMoments(scores))
    return scoreCodes(scores)
  }

  #checkStore({ k, v }: LayerContents): void {
    const { shape, documentTokens, headTokens } = this.#request
    for (const [name, { dtype, shape: got }] of Object.entries({ k, v })) {
      const [heads, capacity = 0, dim] = got
      const fits = heads === shape.kvHeadCount && dim === shape.headDim && capacity >= headTokens + documentTokens
      if (got.length !== 3 || !fits || dtype !== shape.precision)
        throw new RangeError(
          `expected ${name} as ${shape.precision} [${shape.kvHeadCount}, ${headTokens + documentTokens} or more, ${shape.headDim}], got ${dtype} [${got}]`,
        )
    }
  }

  /** Tokens `from` … `from + count` of head and document, for every KV head. */
  #gatherTokens({ k, v }: LayerContents, from: number, count: number): Piece {
    const { kvHeadCount } = this.#request.shape
    const counts = new Uint32Array(kvHeadCount).fill(count)
    const starts = startsOf(counts)
    const picks = Uint32Array.from({ length: kvHeadCount * count }, (_, row) => {
      const head = Math.floor(row / count)
      return head * (k.shape[1] ?? 0) + from + (row % count)
    })
    return { k: this.#rows(k, picks), v: this.#rows(v, picks), starts, counts }
  }

  #gatherTier(
    contents: LayerContents,
    { ranking }: Selection,
    { before, boundary }: { readonly before: Uint32Array; readonly boundary: Uint32Array },
  ): TierPiece {
    const { documentTokens, headTokens } = this.#request
    const ops = this.#ops
    const counts = boundary.map((end, head) => end - (before[head] ?? 0))
    const starts = startsOf(counts)
    const rows = counts.reduce((total, count) => total + count, 0)
    const positions = documentTokens > 65535 ? new Uint32Array(rows) : new Uint16Array(rows)
    const codes = ranking.codes && new Uint16Array(rows)
    const picks = new Uint32Array(rows)
    const biasPicks = new Uint32Array(rows)
    const capacity = contents.k.shape[1] ?? 0
    starts.forEach((start, head) => {
      const from = (ranking.starts[head] ?? 0) + (before[head] ?? 0)
      for (let i = 0; i < (counts[head] ?? 0); i++) {
        const position = ranking.positions[from + i] ?? 0
        positions[start + i] = position
        picks[start + i] = head * capacity + headTokens + position
        biasPicks[start + i] = head * documentTokens + position
        if (codes) codes[start + i] = ranking.codes?.[from + i] ?? 0
      }
    })
    const bias = contents.bias && ops.reshape(contents.bias, [counts.length * documentTokens, 1])
    return {
      k: this.#rows(contents.k, picks),
      v: this.#rows(contents.v, picks),
      starts,
      counts,
      positions,
      codes,
      bias: bias && ops.reshape(ops.gather(bias, biasPicks), [rows]),
    }
  }

  #rows(store: Tensor, picks: Uint32Array): Tensor {
    const [heads = 0, capacity = 0, dim = 0] = store.shape
    return this.#ops.gather(this.#ops.reshape(store, [heads * capacity, dim]), picks)
  }
}

const selectionRequest = (
  { shape, documentTokens, pairs, layerTiers, selection, nested, order }: BlockRequest,
  wholeLayer: number,
): SelectionRequest => {
  const tiers = layerTiers?.[wholeLayer]
  return {
    ...selection,
    kvHeadCount: shape.kvHeadCount,
    documentTokens,
    pairs: tiers?.at(-1) ?? pairs,
    nested,
    ...(tiers && { tiers }),
    // Layers with budgets of their own may keep everything in one and not in the next: all are ranked.
    ...((order || tiers) && { order: 'importance' }),
  }
}
