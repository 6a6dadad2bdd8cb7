/** How large a document's memory will be, from its tokens and the model's shape: exact for bytes of keys and values. */
import { wholeLayerCount, windowTokens } from '../cache/block.ts'
import { type LayoutShape, layoutOf } from '../cache/cctx-layout.ts'
import { planPrologue } from '../cache/cctx-prologue.ts'
import { planBudget } from '../cache/selection.ts'
import type { ModelConfig } from '../models/model.ts'
import { blockShapeOf } from './block-shape.ts'
import type { CompressRequest } from './protocol.ts'

export interface SizePlan {
  readonly documentTokens: number
  /** Template and system text before the document. */
  readonly headTokens: number
  /** Mean over layers and KV heads. */
  readonly keptTokens: number
  /** Keys and values of the whole document and of what will be kept, the head included. */
  readonly fullBytes: number
  readonly keptBytes: number
  /** Of the .cctx, within some kB: how heads share a layer's budget is known only when the document was read. */
  readonly fileBytes: number
}

interface Planned {
  readonly documentTokens: number
  readonly headTokens: number
  readonly pairs: number // to keep in each layer
}

// Names, template pieces and moments of a context's header; each count beside them is a number of some digits.
const headerBytes = 6000
const countBytes = 6
const tierShares = [1 / 16, 1 / 8, 1 / 4, 1 / 2, 1] // of the document, where tiers end

export const sizePlan = (
  config: ModelConfig,
  { selection, precision }: Pick<CompressRequest, 'selection' | 'precision'>,
  { documentTokens, headTokens, pairs: asked }: Planned,
): SizePlan => {
  const { pairs, keepsAll } = planBudget({
    ...selection,
    kvHeadCount: config.kvHeadCount,
    documentTokens,
    pairs: asked,
    nested: true,
  })
  const blockShape = blockShapeOf(config, precision)
  const { layerCount, kvHeadCount, headDim, windows } = blockShape
  const before = headTokens + documentTokens
  const inWindows = Array.from({ length: layerCount }, (_, layer) => windowTokens(blockShape, layer, before))
  const windowPairs = inWindows.reduce<number>((total, count) => total + (count ?? 0), 0) * kvHeadCount
  const wholeLayers = wholeLayerCount(blockShape)
  const heads = wholeLayers * kvHeadCount
  const pairBytes = 2 * headDim * (precision === 'f16' ? 2 : 4)
  const shape: LayoutShape = {
    ...{
      layerCount,
      kvHeadCount,
      headDim,
      precision,
      headTokens,
      biased: false,
      ...(windows && { windows: windows.map((window) => window ?? null) }),
    },
    originalTokens: documentTokens,
    order: keepsAll ? 'position' : 'importance',
    tiers: evenTiers(keepsAll ? [1] : tierShares, pairs / kvHeadCount, documentTokens).map((count) => ({
      counts: inWindows.map((window) => new Array<number>(kvHeadCount).fill(window === undefined ? count : 0)),
    })),
  }
  const layout = layoutOf(shape)
  return {
    documentTokens,
    headTokens,
    keptTokens: pairs / kvHeadCount,
    fullBytes: (heads * before + windowPairs) * pairBytes,
    keptBytes: (wholeLayers * pairs + heads * headTokens + windowPairs) * pairBytes,
    fileBytes: planPrologue(headerBytes + shape.tiers.length * heads * countBytes, layout.bytes).fileBytes,
  }
}

/** Tokens of each tier, as if every head kept the same. */
const evenTiers = (shares: readonly number[], keptTokens: number, documentTokens: number): number[] => {
  const ends = shares.map((share) => Math.round(Math.min(keptTokens, share * documentTokens)))
  return ends.map((end, tier) => end - (ends[tier - 1] ?? 0)).filter((count) => count > 0)
}
