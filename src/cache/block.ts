/**
 * The immutable keys and values of one compressed document, ordered by importance and shared by any number of sequences.
 * Not here: how it is filled (block-builder.ts), who stays (selection.ts), its bytes on disk (cctx-*.ts), the tokens that
 * belong to one sequence (tail.ts).
 */
import type { Precision, Segment, Tensor } from '../backends/ops.ts'
import type { ScoreMoments } from './score-code.ts'
import { protectedTokens, type Ranking, type SelectionOptions } from './selection.ts'

export interface BlockShape {
  readonly layerCount: number
  readonly kvHeadCount: number
  readonly headDim: number
  readonly precision: Precision
  /**
   * [layer] tokens that a query of the layer sees, its own among them; undefined: all. Absent: all in every layer. A layer
   * with a window keeps the last tokens before the sequence, as many as its window has, whatever the budget is.
   */
  readonly windows?: readonly (number | undefined)[]
}

/** Tokens that a layer's window holds after `tokens`; undefined for a layer that sees everything. */
export const windowTokens = ({ windows }: BlockShape, layer: number, tokens: number): number | undefined => {
  const window = windows?.[layer]
  return window === undefined ? undefined : Math.min(window, tokens)
}

/** Layers that see everything: those whose memory is compressed. */
export const wholeLayerCount = ({ layerCount, windows }: Pick<BlockShape, 'layerCount' | 'windows'>): number =>
  layerCount - (windows ?? []).filter((window) => window !== undefined).length

/** What every layer of a block has in common, and what later cuts of it must know. */
export interface BlockPlan {
  readonly shape: BlockShape
  readonly documentTokens: number
  readonly headTokens: number // what precedes the document: kept whole, not counted in any budget
  readonly selection: SelectionOptions
  readonly nested: boolean // a smaller budget is a prefix of every run
  readonly order: 'importance' | 'position' // position: nothing was scored, everything stays
  readonly scoreMoments: readonly ScoreMoments[] // [whole layer]; empty in position order
}

/** One layer's rows of the head part or of one tier, a run for each head. Rows of all arrays belong together. */
export interface Piece {
  readonly k: Tensor // [rows, headDim]
  readonly v: Tensor // [rows, headDim]
  readonly starts: Uint32Array // [kvHeads], first row of each run; rows between runs mean nothing
  readonly counts: Uint32Array // [kvHeads]
}

export interface TierPiece extends Piece {
  readonly positions: Uint16Array | Uint32Array // [rows], from the document's first token
  readonly codes: Uint16Array | undefined // [rows] score codes; undefined in position order
  readonly bias: Tensor | undefined // [rows] f32
}

export interface BlockParts {
  readonly headPart: readonly Piece[]
  readonly tiers: readonly (readonly TierPiece[])[]
  readonly windowPart?: readonly (Piece | undefined)[]
}

/** Exact, from what is held; nothing estimated. A pair is one key and one value of one KV head. */
export interface BlockStats {
  readonly bytesPerPair: number
  readonly pairBytes: number // kept K and V of the document, in layers that see all of it
  readonly headPartBytes: number // K and V of what precedes it, in the same layers
  readonly windowBytes: number // K and V of layers that see a window only
  readonly indexBytes: number // positions, score codes, biases
  readonly pairs: number // in layers that see the whole document
  readonly keptShare: number // pairs / (these layers × KV heads × document tokens)
  readonly layers: readonly { readonly counts: readonly number[]; readonly keptShare: number }[] // counts [kvHeads]
}

export class Block implements BlockPlan {
  readonly shape: BlockShape
  readonly documentTokens: number
  readonly headTokens: number
  readonly selection: SelectionOptions
  readonly nested: boolean
  readonly order: 'importance' | 'position'
  readonly scoreMoments: readonly ScoreMoments[] // [whole layer]
  readonly headPart: readonly Piece[] // [layer], without rows in a layer with a window
  readonly tiers: readonly (readonly TierPiece[])[] // [tier][layer], without rows in a layer with a window
  readonly windowPart: readonly (Piece | undefined)[] // [layer], the last tokens of head and document in order
  readonly #segments: readonly (readonly Segment[])[]

  constructor(plan: BlockPlan, { headPart, tiers, windowPart = [] }: BlockParts) {
    this.shape = plan.shape
    this.documentTokens = plan.documentTokens
    this.headTokens = plan.headTokens
    this.selection = plan.selection
    this.nested = plan.nested
    this.order = plan.order
    this.scoreMoments = plan.scoreMoments
    this.headPart = headPart
    this.tiers = tiers
    this.windowPart = windowPart
    this.#segments = headPart.map((piece, layer) => [
      ...[piece, ...tiers.map((tier) => pieceOf(tier, layer))].filter(({ counts }) => sum(counts) > 0).map(segmentOf),
      ...this.#windowSegments(layer),
    ])
  }

  /**
   * Head part, then tiers from most important: the same order whether filled in memory or opened from a file. Or a window,
   * whose indices count from the first token of all.
   */
  segments(layer: number): readonly Segment[] {
    const segments = this.#segments[layer]
    if (segments === undefined) throw new RangeError(`expected a layer below ${this.shape.layerCount}, got ${layer}`)
    return segments
  }

  #windowSegments(layer: number): Segment[] {
    const piece = this.windowPart[layer]
    const window = this.shape.windows?.[layer]
    if (!piece || window === undefined) return []
    return [{ ...segmentOf(piece), causalFrom: this.headTokens + this.documentTokens - (piece.counts[0] ?? 0), window }]
  }

  /** Pairs of one layer's document that are kept by rank, for each head; 0 in a layer with a window. [kvHeads] */
  keptPairs(layer: number): number[] {
    return Array.from({ length: this.shape.kvHeadCount }, (_, head) =>
      this.tiers.reduce((total, tier) => total + (pieceOf(tier, layer).counts[head] ?? 0), 0),
    )
  }

  stats(): BlockStats {
    const { shape, documentTokens, headTokens } = this
    const bytesPerPair = 2 * shape.headDim * elementBytes[shape.precision]
    const wholeLayer = shape.kvHeadCount * documentTokens
    const layers = this.headPart.map((_, layer) => {
      const window = windowTokens(shape, layer, documentTokens)
      const counts = window === undefined ? this.keptPairs(layer) : new Array<number>(shape.kvHeadCount).fill(window)
      return { counts, keptShare: sum(counts) / wholeLayer }
    })
    const pairs = this.headPart.reduce((total, _, layer) => total + sum(this.keptPairs(layer)), 0)
    const wholeLayers = wholeLayerCount(shape)
    return {
      bytesPerPair,
      pairBytes: pairs * bytesPerPair,
      headPartBytes: wholeLayers * shape.kvHeadCount * headTokens * bytesPerPair,
      windowBytes: this.windowPart.reduce((total, piece) => total + sum(piece?.counts ?? []), 0) * bytesPerPair,
      indexBytes: this.tiers.flat().reduce((total, piece) => total + indexBytes(piece), 0),
      pairs,
      keptShare: wholeLayers === 0 ? 1 : pairs / (wholeLayers * wholeLayer),
      layers,
    }
  }

  /** One layer's kept pairs in storage order, tiers joined; rows of `ranking` count through the joined runs. */
  ranking(layer: number): Ranking {
    const { documentTokens, selection, order } = this
    const counts = Uint32Array.from(this.keptPairs(layer))
    const starts = startsOf(counts)
    const positions = new Uint32Array(sum(counts))
    const codes = order === 'importance' ? new Uint16Array(positions.length) : undefined
    starts.forEach((start, head) => {
      let next = start
      for (const tier of this.tiers) {
        const piece = pieceOf(tier, layer)
        const from = piece.starts[head] ?? 0
        const to = from + (piece.counts[head] ?? 0)
        positions.set(piece.positions.subarray(from, to), next)
        if (codes && piece.codes) codes.set(piece.codes.subarray(from, to), next)
        next += to - from
      }
    })
    return { starts, counts, positions, codes, protectedCount: protectedTokens(documentTokens, selection) }
  }
}

export const elementBytes: Readonly<Record<Precision, number>> = { f32: 4, f16: 2 }

/** Runs laid one after another. counts → starts */
export const startsOf = (counts: Uint32Array): Uint32Array => {
  const starts = new Uint32Array(counts.length)
  for (let i = 1; i < counts.length; i++) starts[i] = (starts[i - 1] ?? 0) + (counts[i - 1] ?? 0)
  return starts
}

const pieceOf = (tier: readonly TierPiece[], layer: number): TierPiece => {
  const piece = tier[layer]
  if (piece === undefined) throw new RangeError(`expected a layer below ${tier.length}, got ${layer}`)
  return piece
}

const segmentOf = ({ k, v, starts, counts, ...rest }: Piece | TierPiece): Segment => {
  const bias = 'bias' in rest ? rest.bias : undefined
  return bias === undefined ? { k, v, starts, counts } : { k, v, starts, counts, bias }
}

const indexBytes = ({ counts, positions, codes, bias }: TierPiece): number =>
  sum(counts) * (positions.BYTES_PER_ELEMENT + (codes ? 2 : 0) + (bias ? 4 : 0))

export const sum = (counts: Iterable<number>): number => {
  let total = 0
  for (const count of counts) total += count
  return total
}
