/**
 * The immutable keys and values of one compressed document, ordered by importance and shared by any number of sequences.
 * Not here: how it is filled (block-builder.ts), who stays (selection.ts), its bytes on disk (cctx-*.ts), the tokens that
 * belong to one sequence (tail.ts).
 */
import type { Ops, Precision, Segment, Tensor } from '../backends/ops.ts'
import { protectedTokens, type Ranking, type SelectionOptions, share, tierTotals } from './selection.ts'

export interface BlockShape {
  readonly layerCount: number
  readonly kvHeadCount: number
  readonly headDim: number
  readonly precision: Precision
}

/** What every layer of a block has in common, and what later cuts of it must know. */
export interface BlockPlan {
  readonly shape: BlockShape
  readonly tokenCount: number // of the document
  readonly headTokens: number // what precedes the document: kept whole, not counted in any budget
  readonly selection: SelectionOptions
  readonly nested: boolean // a smaller budget is a prefix of every run
  readonly order: 'importance' | 'position'
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
  readonly keptShare: number // pairs / (layers × KV heads × tokens)
  readonly layers: readonly { readonly counts: Uint32Array; readonly keptShare: number }[] // counts [kvHeads]
}

export class Block {
  readonly plan: BlockPlan
  readonly headPart: readonly Piece[] // [layer]
  readonly tiers: readonly (readonly TierPiece[])[] // [tier][layer]
  readonly #segments: readonly (readonly Segment[])[]

  constructor(plan: BlockPlan, headPart: readonly Piece[], tiers: readonly (readonly TierPiece[])[]) {
    this.plan = plan
    this.headPart = headPart
    this.tiers = tiers
    this.#segments = headPart.map((piece, layer) =>
      [piece, ...tiers.map((tier) => pieceOf(tier, layer))].filter(({ counts }) => sum(counts) > 0).map(segmentOf),
    )
  }

  /** Head part, then tiers from most important: the same order whether filled in memory or opened from a file. */
  segments(layer: number): readonly Segment[] {
    const segments = this.#segments[layer]
    if (segments === undefined)
      throw new RangeError(`expected a layer below ${this.plan.shape.layerCount}, got ${layer}`)
    return segments
  }

  /** Pairs of one layer's document that are kept, for each head. [kvHeads] */
  counts(layer: number): Uint32Array {
    const counts = new Uint32Array(this.plan.shape.kvHeadCount)
    for (const tier of this.tiers)
      pieceOf(tier, layer).counts.forEach((count, head) => {
        counts[head] = (counts[head] ?? 0) + count
      })
    return counts
  }

  stats(): BlockStats {
    const { shape, tokenCount, headTokens } = this.plan
    const bytesOfPair = 2 * shape.headDim * elementBytes[shape.precision]
    const wholeLayer = shape.kvHeadCount * tokenCount
    const layers = this.headPart.map((_, layer) => {
      const counts = this.counts(layer)
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
    const { tokenCount, selection, order } = this.plan
    const counts = this.counts(layer)
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
    return { starts, counts, positions, codes, protectedCount: protectedTokens(tokenCount, selection) }
  }
}

export const elementBytes: Readonly<Record<Precision, number>> = { f32: 4, f16: 2 }

/** Runs laid one after another. counts → starts */
export const startsOf = (counts: Uint32Array): Uint32Array => {
  const starts = new Uint32Array(counts.length)
  for (let i = 1; i < counts.length; i++) starts[i] = (starts[i - 1] ?? 0) + (counts[i - 1] ?? 0)
  return starts
}

/**
 * The same block cut to `budget` pairs for each layer, sharing the tiers that stay whole. Equals compressing to that budget,
 * entry for entry. A budget below the protected tokens is raised to them. Call outside `ops.scope`.
 */
export const shrink = (ops: Ops, block: Block, budget: number): Block => {
  const { plan } = block
  if (!plan.nested || plan.order !== 'importance')
    throw new RangeError(
      plan.nested
        ? 'this context keeps every token in document order and was not scored: compress the document again with a smaller keep'
        : "this context's method ranks for one budget only: compress the document again with a smaller keep",
    )
  const { tokenCount, selection, shape } = plan
  const layers = block.headPart.map((_, layer) => block.ranking(layer))
  const least = protectedTokens(tokenCount, selection) * shape.kvHeadCount
  const kept = layers.map(({ positions }) => positions.length)
  if (!Number.isInteger(budget) || budget < 1 || budget > Math.min(...kept))
    throw new RangeError(`expected a budget of 1 to ${Math.min(...kept)} pairs for each layer, got ${budget}`)
  const total = Math.max(budget, least)
  const targets = layers.map((ranking) => share(ranking, total, selection.heads)) // [layer][kvHeads]
  const tierCount = tierTotals({ ...selection, ...shape, tokenCount }, total).length
  const taken = targets.map((target) => new Uint32Array(target.length))
  const tiers = block.tiers.slice(0, tierCount).map((tier) =>
    tier.map((piece, layer) => {
      const done = taken[layer]
      const target = targets[layer]
      const counts = piece.counts.map((count, head) => Math.min(count, (target?.[head] ?? 0) - (done?.[head] ?? 0)))
      counts.forEach((count, head) => {
        if (done) done[head] = (done[head] ?? 0) + count
      })
      return cutPiece(ops, piece, counts)
    }),
  )
  return new Block(plan, block.headPart, tiers)
}

/** The first `counts` rows of each run of a piece; the piece itself if that is all of it. */
const cutPiece = (ops: Ops, piece: TierPiece, counts: Uint32Array): TierPiece => {
  if (counts.every((count, head) => count === piece.counts[head])) return piece
  const starts = startsOf(counts)
  const picks = new Uint32Array(sum(counts))
  starts.forEach((start, head) => {
    for (let i = 0; i < (counts[head] ?? 0); i++) picks[start + i] = (piece.starts[head] ?? 0) + i
  })
  const { bias } = piece
  return {
    k: ops.gather(piece.k, picks),
    v: ops.gather(piece.v, picks),
    starts,
    counts,
    positions: pick(piece.positions, picks),
    codes: piece.codes && pick(piece.codes, picks),
    bias: bias && ops.reshape(ops.gather(ops.reshape(bias, [bias.shape[0] ?? 0, 1]), picks), [picks.length]),
  }
}

const pick = <T extends Uint16Array | Uint32Array>(values: T, picks: Uint32Array): T => {
  const picked = values.slice(0, picks.length) as T
  picks.forEach((from, i) => {
    picked[i] = values[from] ?? 0
  })
  return picked
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

const sum = (counts: Uint32Array): number => counts.reduce((total, count) => total + count, 0)
