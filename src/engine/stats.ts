/** How small a memory is, in exact numbers. */
import type { Precision } from '../backends/ops.ts'
import { type Block, wholeLayerCount } from '../cache/block.ts'

export interface ContextStats {
  readonly originalTokens: number
  /** Template and system text before the document: kept whole, not counted in `keep`. */
  readonly headTokens: number
  /** Mean over KV heads and the layers that see everything; heads may keep different counts. */
  readonly keptTokens: number
  /** Effective share of (token, KV head) pairs kept in those layers. */
  readonly keptShare: number
  /** Keys and values of what is kept, head and windows included. */
  readonly bytes: number
  /** The same for the whole document. */
  readonly fullBytes: number
  /** Part of both: layers that see a sliding window keep it, whatever `keep` is. */
  readonly windowBytes: number
  /** Positions, score codes and biases beside them. */
  readonly indexBytes: number
  readonly precision: Precision
  /** What was asked for. */
  readonly keep: string
  readonly method: string
  readonly model: string
  readonly perLayer: readonly { readonly keptShare: number; readonly heads: readonly number[] }[]
}

export const statsOf = (
  block: Block,
  names: { readonly method: string; readonly model: string; readonly keep: string },
): ContextStats => {
  const { shape, documentTokens, headTokens } = block
  const { bytesPerPair, pairBytes, headPartBytes, windowBytes, indexBytes, pairs, keptShare, layers } = block.stats()
  const heads = wholeLayerCount(shape) * shape.kvHeadCount
  return {
    originalTokens: documentTokens,
    headTokens,
    keptTokens: heads === 0 ? documentTokens : pairs / heads,
    keptShare,
    bytes: pairBytes + headPartBytes + windowBytes,
    fullBytes: bytesPerPair * heads * documentTokens + headPartBytes + windowBytes,
    windowBytes,
    indexBytes,
    precision: shape.precision,
    ...names,
    perLayer: layers.map((layer) => ({
      keptShare: layer.keptShare,
      heads: layer.counts.map((count) => count / documentTokens),
    })),
  }
}
