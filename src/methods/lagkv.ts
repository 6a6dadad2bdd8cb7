/**
 * LagKV (arXiv 2504.04704): keys and values that stand out against the range of those that follow. The document is cut
 * into partitions; a token is judged by how much its channels spread once scaled by the next partition's extremes, and
 * competes only inside its own partition.
 */
import type { Method, MethodEntry } from './method.ts'
import { type OptionDescription, readOptions } from './options.ts'
import { withUnjudged } from './unjudged.ts'

const options = {
  partitionTokens: { default: 128, min: 2, integer: true, about: 'L: tokens of a partition' },
  sinks: { default: 4, min: 0, integer: true, about: 'S: first tokens of all, which always stay' },
} satisfies Record<string, OptionDescription>

const create = (given?: Readonly<Record<string, unknown>>): Method => {
  const read = readOptions('lagkv', options, given)
  const [partitionTokens, sinks] = [Number(read.partitionTokens), Number(read.sinks)]
  return {
    name: 'lagkv',
    nested: true,
    needs: {},
    selection: { protectFirst: sinks, protectLast: 0, heads: 'apart' },
    score: (ops, { tokenCount, kvHeadCount, rotated, v, stored }) => {
      const first = Math.min(Math.max(0, sinks - stored.headTokens), tokenCount)
      const lag = { first, partitionTokens }
      const spread = ops.addScaled(ops.lagSpread(rotated.k, lag), ops.lagSpread(v, lag), 1)
      // Who has no next partition ranks above the others' [0, 1), the later the better.
      const judged = Math.max(0, Math.floor((tokenCount - first) / partitionTokens) - 1) * partitionTokens
      const from = first + judged
      const recent = Float32Array.from({ length: kvHeadCount * tokenCount }, (_, i) => {
        const token = i % tokenCount
        return token < from ? 0 : 1 + (token - from) / (tokenCount - from)
      })
      const ranks = ops.addScaled(ops.lagRanks(spread, lag), ops.from(recent, [kvHeadCount, tokenCount]), 1)
      return withUnjudged(ops, ranks, 0, first)
    },
  }
}

export const lagkv: MethodEntry = {
  name: 'lagkv',
  summary: 'keys and values that spread against the tokens that follow (arXiv 2504.04704)',
  options,
  create,
}
