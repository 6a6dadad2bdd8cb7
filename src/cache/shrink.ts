/**
 * A smaller block from a larger one, by prefix of every head's run. Not here: what a prefix is worth (selection.ts).
 */
import type { Ops } from '../backends/ops.ts'
import { CompactorError } from '../error.ts'
import { Block, startsOf, sum, type TierPiece } from './block.ts'
import { shareRankedLayers } from './layer-budgets.ts'
import { protectedTokens, share, tierTotals } from './selection.ts'

/**
 * The same block cut to `pairs` for each layer (the average one, if the budget is the whole model's), sharing the tiers that stay whole. Equals compressing to that budget,
 * entry for entry. A budget below the protected tokens is raised to them. Call outside `ops.scope`.
 */
export const shrink = (ops: Ops, block: Block, pairs: number): Block => {
  const { shape, documentTokens, selection } = block
  if (!block.nested || block.order !== 'importance')
    throw new CompactorError(
      'budget-invalid',
      block.nested
        ? 'this context keeps every token in document order and was not scored: compress the document again with a smaller keep'
        : "this context's method ranks for one budget only: compress the document again with a smaller keep",
    )
  const whole = [...block.headPart.keys()].filter((layer) => shape.windows?.[layer] === undefined)
  const layers = whole.map((layer) => block.ranking(layer)) // [whole layer]
  const least = protectedTokens(documentTokens, selection) * shape.kvHeadCount
  const kept = Math.floor(layers.reduce((all, { positions }) => all + positions.length, 0) / layers.length)
  if (!Number.isInteger(pairs) || pairs < 1 || pairs > kept)
    throw new RangeError(`expected 1 to ${kept} pairs for each layer, got ${pairs}`)
  const total = Math.max(pairs, least)
  const totals =
    selection.heads === 'model' ? shareRankedLayers(layers, total * layers.length) : layers.map(() => total)
  const shares = layers.map((ranking, index) => share(ranking, totals[index] ?? 0, selection.heads))
  const targets = block.headPart.map(
    (_, layer) => shares[whole.indexOf(layer)] ?? new Uint32Array(shape.kvHeadCount), // nothing by rank in a window
  ) // [layer][kvHeads]
  const tierCount = tierTotals({ ...selection, ...shape, documentTokens }, total).length
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
  return new Block(block, { headPart: block.headPart, tiers, windowPart: block.windowPart })
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
