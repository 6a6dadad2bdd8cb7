/**
 * Which (token, KV head) pairs of one layer stay, and in which order they are stored. Works on score codes alone: touches
 * no tensor. The order of a head's run is the whole truth: any smaller budget is a prefix of every head's run.
 */

/** Tokens at the document's ends that always stay, and how a layer's heads share its budget. */
export interface SelectionOptions {
  readonly protectFirst: number
  readonly protectLast: number
  /** Best pairs of the layer together, the same count for each head, or best pairs of all layers together. */
  readonly heads: 'across' | 'apart' | 'model'
}

export interface LayerShape {
  readonly kvHeadCount: number
  readonly documentTokens: number
}

/**
 * One layer's pairs, a run for each head: protected tokens by position, then from most to least important, ties by
 * position. Positions count from the document's first token. `codes` undefined: nothing was scored, position order.
 */
export interface Ranking {
  readonly starts: Uint32Array // [kvHeads], first pair of each head's run
  readonly counts: Uint32Array // [kvHeads]
  readonly positions: Uint32Array
  readonly codes: Uint16Array | undefined
  readonly protectedCount: number // first ones of each run
}

export interface SelectionRequest extends SelectionOptions, LayerShape {
  readonly pairs: number // to keep in this layer, all KV heads together
  readonly nested: boolean // a smaller budget may be cut from this one: store it in tiers
  readonly tiers?: readonly number[] // pairs up to the end of each tier, where the layer has a budget of its own
  readonly order?: 'importance' // rank even when everything stays
}

export interface Selection {
  readonly ranking: Ranking
  /** [tier][kvHeads]: pairs of each head up to the end of each tier; the last one is what stays. */
  readonly boundaries: readonly Uint32Array[]
  readonly pairs: number // that stay
  readonly raisedFrom: number | undefined // the pairs asked for, where protected tokens alone are more
}

/** Budgets that a stored block can be cut at without moving bytes, as shares of the document. */
export const tierShares: readonly number[] = [1 / 16, 1 / 8, 1 / 4, 1 / 2, 1]

/** Pairs of one layer that a share of the document stands for, at least one. */
export const pairsOfShare = (share: number, { kvHeadCount, documentTokens }: LayerShape): number =>
  Math.max(1, Math.round(share * documentTokens * kvHeadCount))

/** Tokens that always stay. */
export const protectedTokens = (documentTokens: number, options: SelectionOptions): number =>
  Math.min(documentTokens, options.protectFirst + options.protectLast)

/** What a budget becomes once protected tokens are counted in. Everything kept needs no scores, unless ranked on purpose. */
export const planBudget = (
  request: SelectionRequest,
): { readonly pairs: number; readonly raisedFrom: number | undefined; readonly keepsAll: boolean } => {
  const { kvHeadCount, documentTokens } = request
  requireCount('kvHeadCount', kvHeadCount, 1)
  requireCount('documentTokens', documentTokens, 1)
  requireCount('protectFirst', request.protectFirst, 0)
  requireCount('protectLast', request.protectLast, 0)
  requireCount('pairs', request.pairs, 1)
  const whole = kvHeadCount * documentTokens
  if (request.pairs > whole)
    throw new RangeError(
      `a layer of ${documentTokens} tokens and ${kvHeadCount} KV heads has ${whole} pairs, got a budget of ${request.pairs}`,
    )
  const least = protectedTokens(documentTokens, request) * kvHeadCount
  const pairs = Math.max(request.pairs, least)
  const raisedFrom = pairs > request.pairs ? request.pairs : undefined
  return { pairs, raisedFrom, keepsAll: pairs === whole && request.order !== 'importance' }
}

/** codes [kvHeads, tokens]; not looked at when everything stays in position order. */
export const select = (codes: Uint16Array | undefined, request: SelectionRequest): Selection => {
  const { pairs, raisedFrom, keepsAll } = planBudget(request)
  if (keepsAll) {
    const ranking = inPositionOrder(request)
    return { ranking, boundaries: [ranking.counts], pairs, raisedFrom }
  }
  if (codes === undefined) throw new TypeError('expected score codes for a budget below the whole document, got none')
  const ranking = rank(codes, request, request)
  const totals = request.tiers ?? (request.nested ? tierTotals(request, pairs) : [pairs])
  return { ranking, boundaries: totals.map((total) => share(ranking, total, request.heads)), pairs, raisedFrom }
}

/** Pairs of one layer up to the end of each tier, for a budget that protected tokens are already counted in. */
export const tierTotals = (request: SelectionOptions & LayerShape, pairs: number): number[] => {
  const least = protectedTokens(request.documentTokens, request) * request.kvHeadCount
  const totals = tierShares.map((part) => Math.max(least, pairsOfShare(part, request))).filter((total) => total < pairs)
  return [...new Set(totals), pairs]
}

/** Every pair of a layer in storage order. Counting sort: 65,536 codes are fewer than the comparisons of a sort. */
export const rank = (codes: Uint16Array, shape: LayerShape, options: SelectionOptions): Ranking => {
  const { kvHeadCount, documentTokens } = shape
  if (codes.length !== kvHeadCount * documentTokens)
    throw new RangeError(`expected ${kvHeadCount} × ${documentTokens} score codes, got ${codes.length}`)
  const positions = new Uint32Array(codes.length)
  const ordered = new Uint16Array(codes.length)
  const slots = new Uint32Array(65536)
  const first = Math.min(options.protectFirst, documentTokens)
  const open = { from: first, to: Math.max(first, documentTokens - options.protectLast) }
  for (let head = 0; head < kvHeadCount; head++) {
    const run = [head * documentTokens, (head + 1) * documentTokens] as const
    rankHead(codes.subarray(...run), open, slots, positions.subarray(...run))
    for (let i = run[0]; i < run[1]; i++) ordered[i] = codes[run[0] + (positions[i] ?? 0)] ?? 0
  }
  return {
    starts: Uint32Array.from({ length: kvHeadCount }, (_, head) => head * documentTokens),
    counts: new Uint32Array(kvHeadCount).fill(documentTokens),
    positions,
    codes: ordered,
    protectedCount: protectedTokens(documentTokens, options),
  }
}

/**
 * How many pairs each head gets of `total`: never fewer when `total` grows. `across` takes the best of the layer, ties by
 * position then head; `apart` the same for each, the remainder to the first heads.
 */
export const share = (ranking: Ranking, total: number, heads: SelectionOptions['heads']): Uint32Array => {
  const { counts, protectedCount } = ranking
  const kvHeadCount = counts.length
  const available = counts.reduce((sum, count) => sum + count, 0)
  if (!Number.isInteger(total) || total < protectedCount * kvHeadCount || total > available)
    throw new RangeError(
      `expected a total of ${protectedCount * kvHeadCount} (protected) to ${available} pairs, got ${total}`,
    )
  if (total === available) return counts.slice()
  if (heads !== 'apart') return shareAcross(ranking, total)
  const even = Math.floor(total / kvHeadCount)
  return counts.map((_, head) => even + (head < total % kvHeadCount ? 1 : 0))
}

const inPositionOrder = ({ kvHeadCount, documentTokens, ...options }: SelectionOptions & LayerShape): Ranking => ({
  starts: Uint32Array.from({ length: kvHeadCount }, (_, head) => head * documentTokens),
  counts: new Uint32Array(kvHeadCount).fill(documentTokens),
  positions: Uint32Array.from({ length: kvHeadCount * documentTokens }, (_, i) => i % documentTokens),
  codes: undefined,
  protectedCount: protectedTokens(documentTokens, options),
})

// One head: tokens outside `open` by position, then those inside by falling code; stable, so ties keep their position order.
const rankHead = (
  codes: Uint16Array,
  open: { readonly from: number; readonly to: number },
  slots: Uint32Array,
  positions: Uint32Array,
): void => {
  let next = 0
  for (let p = 0; p < open.from; p++) positions[next++] = p
  for (let p = open.to; p < codes.length; p++) positions[next++] = p
  slots.fill(0)
  for (let p = open.from; p < open.to; p++) {
    const code = codes[p] ?? 0
    slots[code] = (slots[code] ?? 0) + 1
  }
  for (let code = 65535; code >= 0; code--) {
    const count = slots[code] ?? 0
    slots[code] = next
    next += count
  }
  for (let p = open.from; p < open.to; p++) {
    const slot = slots[codes[p] ?? 0] ?? 0
    positions[slot] = p
    slots[codes[p] ?? 0] = slot + 1
  }
}

const shareAcross = (ranking: Ranking, total: number): Uint32Array => {
  const { codes, protectedCount, counts } = ranking
  if (codes === undefined)
    throw new TypeError('a layer in position order was not scored and cannot be shared among heads')
  const free = total - protectedCount * counts.length
  if (free === 0) return counts.map(() => protectedCount)
  // The code of the last pair that stays: the largest with at least `free` pairs at or above it.
  let threshold = 0
  for (let bit = 0x8000; bit > 0; bit >>>= 1) if (pairsFrom(ranking, threshold + bit) >= free) threshold += bit
  const given = counts.map((_, head) => countFrom(ranking, head, threshold + 1))
  const ties = total - given.reduce((sum, count) => sum + count, 0)
  for (let taken = 0; taken < ties; taken++) {
    const head = earliestTie(ranking, given, threshold)
    given[head] = (given[head] ?? 0) + 1
  }
  return given
}

const pairsFrom = (ranking: Ranking, code: number): number => {
  let pairs = 0
  for (let head = 0; head < ranking.counts.length; head++)
    pairs += countFrom(ranking, head, code) - ranking.protectedCount
  return pairs
}

// Length of the prefix of a head's run that is protected or has at least this code.
const countFrom = ({ starts, counts, codes, protectedCount }: Ranking, head: number, code: number): number => {
  const start = starts[head] ?? 0
  let low = protectedCount
  let high = counts[head] ?? 0
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((codes?.[start + middle] ?? 0) >= code) low = middle + 1
    else high = middle
  }
  return low
}

const earliestTie = ({ starts, counts, codes, positions }: Ranking, given: Uint32Array, code: number): number => {
  let best = 0
  let bestPosition = Number.POSITIVE_INFINITY
  for (let head = 0; head < given.length; head++) {
    const at = given[head] ?? 0
    const pair = (starts[head] ?? 0) + at
    const position = positions[pair] ?? 0
    if (at >= (counts[head] ?? 0) || codes?.[pair] !== code || position >= bestPosition) continue
    best = head
    bestPosition = position
  }
  return best
}

const requireCount = (name: string, value: number, least: number): void => {
  if (!Number.isInteger(value) || value < least)
    throw new RangeError(`expected ${name} to be a whole number from ${least}, got ${value}`)
}
