/**
 * What the ops behind methods and comparisons ask of their arguments, as `checks.ts` has it for the others: sizes found,
 * or one sentence with what was expected and what came.
 */
import {
  checkAttend,
  expectBelow,
  expectHeadDim,
  expectIndex,
  expectMultiple,
  expectPositiveInteger,
  expectShape,
  type HeadSizes,
  shapeOf,
} from './checks.ts'
import {
  type ExpectedAttentionOptions,
  type LagOptions,
  mostReceivedKeys,
  mostReceivingHeads,
  mostRowValues,
  mostScoredTokens,
  type ReceivedOptions,
  type Segment,
  type Tensor,
} from './ops.ts'

/** `count` is the length of the first segment's runs. */
export const checkReceived = (
  q: Tensor,
  segments: readonly Segment[],
  options: ReceivedOptions,
): HeadSizes & { readonly kvHeads: number; readonly count: number } => {
  const sizes = checkAttend(q, segments, options, 'attentionReceived')
  if (options.reduce !== 'sum' && options.reduce !== 'max')
    throw new TypeError(`attentionReceived: reduce must be 'sum' or 'max', got '${options.reduce}'`)
  if (segments.some(({ firstQuery }) => firstQuery !== undefined))
    throw new RangeError('attentionReceived: takes segments that are for every query, got one with firstQuery')
  const [count = 0, ...others] = segments[0]?.counts ?? []
  const other = others.find((length) => length !== count)
  if (other !== undefined)
    throw new RangeError(
      `attentionReceived: runs of the first segment must have one length for all heads, got ${count} and ${other}`,
    )
  if (count * sizes.kvHeads > mostReceivedKeys)
    throw new RangeError(
      `attentionReceived: ${count} keys of ${sizes.kvHeads} KV heads are too many, at most ${mostReceivedKeys} over all KV heads; take the first segment in pieces`,
    )
  if (sizes.heads > mostReceivingHeads)
    throw new RangeError(`attentionReceived: query heads must be at most ${mostReceivingHeads}, got ${sizes.heads}`)
  return { ...sizes, count }
}

const expectLength = (op: string, tokens: number): void => {
  if (tokens > mostScoredTokens)
    throw new RangeError(`${op}: a document must have at most ${mostScoredTokens} tokens, got ${tokens}`)
}

export const checkCosine = (x: Tensor): HeadSizes => {
  const [n = 0, heads = 0, headDim = 0] = shapeOf('cosineToMean: x', x, ['tokens', 'kvHeads', 'headDim'])
  expectHeadDim('cosineToMean', headDim)
  return { n, heads, headDim }
}

/** `partitions` counts whole ones; all but the last get scores. */
export const checkLag = (x: Tensor, options: LagOptions): HeadSizes & { readonly partitions: number } => {
  const [n = 0, heads = 0, headDim = 0] = shapeOf('lagSpread: x', x, ['tokens', 'kvHeads', 'headDim'])
  expectHeadDim('lagSpread', headDim)
  return { n, heads, headDim, partitions: wholePartitions('lagSpread', n, options) }
}

export const checkLagRanks = (
  x: Tensor,
  options: LagOptions,
): { readonly n: number; readonly heads: number; readonly partitions: number } => {
  const [heads = 0, n = 0] = shapeOf('lagRanks: x', x, ['kvHeads', 'tokens'])
  return { n, heads, partitions: wholePartitions('lagRanks', n, options) }
}

const wholePartitions = (op: string, tokens: number, { first, partitionTokens }: LagOptions): number => {
  expectLength(op, tokens)
  expectIndex(`${op}: first`, first)
  expectPositiveInteger(`${op}: partitionTokens`, partitionTokens)
  return Math.floor(Math.max(tokens - first, 0) / partitionTokens)
}

export const checkExpected = (
  q: Tensor,
  k: Tensor,
  options: ExpectedAttentionOptions,
): HeadSizes & { readonly kvHeads: number } => {
  const [n = 0, heads = 0, headDim = 0] = shapeOf('expectedAttention: q', q, ['tokens', 'heads', 'headDim'])
  expectHeadDim('expectedAttention', headDim)
  expectLength('expectedAttention', n)
  const [, kvHeads = 0] = shapeOf('expectedAttention: k', k, ['tokens', 'kvHeads', 'headDim'])
  expectShape('expectedAttention: k', k, [n, kvHeads, headDim])
  expectMultiple('expectedAttention: query heads', heads, kvHeads)
  expectShape('expectedAttention: rotation', options.rotation, [headDim, headDim])
  expectIndex('expectedAttention: first', options.first)
  if (!Number.isFinite(options.scale))
    throw new RangeError(`expectedAttention: scale must be finite, got ${options.scale}`)
  return { n, heads, headDim, kvHeads }
}

export const checkMeanOverHeads = (x: Tensor): { heads: number; n: number } => {
  const [heads = 0, n = 0] = shapeOf('meanOverHeads: x', x, ['heads', 'tokens'])
  return { heads, n }
}

export interface RowSizes {
  readonly n: number
  readonly width: number
}

export const checkSoftmax = (x: Tensor): RowSizes => {
  const [n = 0, width = 0] = shapeOf('softmax: x', x, ['n', 'm'])
  return { n, width }
}

const checkWidth = (op: string, width: number): void => {
  if (width < 1 || width > mostRowValues)
    throw new RangeError(`${op}: rows must have from 1 to ${mostRowValues} values, got ${width}`)
}

export const checkArgmax = (x: Tensor): RowSizes => {
  const [n = 0, width = 0] = shapeOf('argmax: x', x, ['n', 'm'])
  checkWidth('argmax', width)
  return { n, width }
}

export const checkDescribeRows = (
  x: Tensor,
  weights: Tensor,
  picks: Uint32Array,
): RowSizes & { readonly period: number } => {
  const [n = 0, width = 0] = shapeOf('describeRows: x', x, ['n', 'm'])
  const [period = 0] = shapeOf('describeRows: weights', weights, ['r', 'm'])
  expectShape('describeRows: weights', weights, [period, width])
  checkWidth('describeRows', width)
  expectMultiple('describeRows: rows of x', n, Math.max(period, 1))
  if (n > 0) expectPositiveInteger('describeRows: rows of weights', period)
  if (picks.length !== period) throw new RangeError(`describeRows: expected ${period} picks, got ${picks.length}`)
  expectBelow('describeRows: a pick', picks, width)
  return { n, width, period }
}
