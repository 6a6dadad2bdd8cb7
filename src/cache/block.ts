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
}

/** What every layer of a block has in common, and what later cuts of it must know. */
export interface BlockPlan {
  readonly shape: BlockShape
  readonly documentTokens: number
  readonly headTokens: number // what precedes the document: kept whole, not counted in any budget
  readonly selection: SelectionOptions
  readonly nested: boolean // a smaller budget is a prefix of every run
  readonly order: 'importance' | 'position' // position: nothing was scored, everything stays
  readonly scoreMoments: readonly ScoreMoments[] // [layer]; empty in position order
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

/** Exact, from what is held; nothing estimated. A pair is one key and one value of one KV head. */
export interface BlockStats {
  readonly pairBytes: number // kept K and V of the document
  readonly headPartBytes: number // K and V of what precedes it
  readonly indexBytes: number // positions, score codes, biases
  readonly pairs: number
  readonly keptShare: number // pairs / (layers × KV heads × document tokens)
  readonly layers: readonly { readonly counts: readonly number[]; readonly keptShare: number }[] // counts [kvHeads]
}

export class Block implements BlockPlan {
  readonly shape: BlockShape
  readonly documentTokens: number
  readonly headTokens: number
  readonly selection: SelectionOptions
  readonly nested: boolean
  readonly order: 'importance' | 'position'
  readonly scoreMoments: readonly ScoreMoments[] // [layer]
  readonly headPart: readonly Piece[] // [layer]
  readonly tiers: readonly (readonly TierPiece[])[] // [tier][layer]
  readonly #segments: readonly (readonly Segment[])[]

  constructor(plan: BlockPlan, headPart: readonly Piece[], tiers: readonly (readonly TierPiece[])[]) {
    this.shape = plan.shape
    this.documentTokens = plan.documentTokens
    this.headTokens = plan.headTokens
    this.selection = plan.selection
    this.nested = plan.nested
    this.order = plan.order
    this.scoreMoments = plan.scoreMoments
    this.headPart = headPart
    this.tiers = tiers
    this.#segments = headPart.map((piece, layer) =>
      [piece, ...tiers.map((tier) => pieceOf(tier, layer))].filter(({ counts }) => sum(counts) > 0).map(segmentOf),
    )
  }

  /** Head part, then tiers from most important: the same order whether filled in memory or opened from a file. */
  segments(layer: number): readonly Segment[] {
    const segments = this.#segments[layer]
    if (segments === undefined) throw new RangeError(`expected a layer below ${this.shape.layerCount}, got ${layer}`)
    return segments
  }

  /** Pairs of one layer's document that are kept, for each head. [kvHeads] */
  keptPairs(layer: number): number[] {
    return Array.from({ length: this.shape.kvHeadCount }, (_, head) =>
      this.tiers.reduce((total, tier) => total + (pieceOf(tier, layer).counts[head] ?? 0), 0),
    )
  }

  stats(): BlockStats {
    const { shape, documentTokens, headTokens } = this
    const bytesOfPair = 2 * shape.headDim * elementBytes[shape.precision]
    const wholeLayer = shape.kvHeadCount * documentTokens
    const layers = this.headPart.map((_, layer) => {
      const counts = this.keptPairs(layer)
      return { counts, keptShare: sum(counts) / wholeLayer }
    })
    const pairs = layers.reduce((total, { counts }) => total + sum(counts), 0)
    return {
      pairBytes: pairs * bytesOfPair,
      headPartBytes: shape.layerCount * shape.kvHeadCount * headTokens * bytesOfPair,
      indexBytes: this.tiers.flat().reduce((total, piece) => total + indexBytes(piece), 0),
      pairs,
      keptShare: pairs / (shape.layerCount * wholeLayer),
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
