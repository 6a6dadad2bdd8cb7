/**
 * How a budget for the whole model is shared among its layers: the best pairs of all layers together, as KVzip ranks
 * them. Works on score codes alone. Not here: how a layer's heads share theirs (selection.ts).
 */
import {
  type LayerShape,
  protectedTokens,
  type Ranking,
  type SelectionOptions,
  type SelectionRequest,
  tierTotals,
} from './selection.ts'

/** One layer's pairs beyond the protected ones, as a histogram of their codes. */
interface OpenLayer {
  readonly reserved: number // protected pairs
  readonly histogram: Uint32Array // [65536]
}

/**
 * Pairs that each layer keeps of `total` (all layers together), protected tokens counted in; never fewer when `total`
 * grows. Ties go to earlier layers. codes [layer][kvHeads × tokens] → [layer]
 */
export const shareLayers = (
  codes: readonly Uint16Array[],
  { total, ...request }: LayerShape & SelectionOptions & { readonly total: number },
): number[] =>
  shareOpen(
    codes.map((layer) => openLayer(layer, request)),
    total,
  )

/** The same up to the end of each tier; `pairs` are the average layer's, protected tokens counted in. → [layer][tier] */
export const layerTiers = (
  codes: readonly Uint16Array[],
  { pairs, nested, ...request }: SelectionRequest,
): number[][] => {
  const open = codes.map((layer) => openLayer(layer, request))
  const averages = nested ? tierTotals(request, pairs) : [pairs]
  const tiers = averages.map((average) => shareOpen(open, average * codes.length))
  return codes.map((_, layer) => tiers.map((tier) => tier[layer] ?? 0))
}

/** The same of what layers have kept before. */
export const shareRankedLayers = (layers: readonly Ranking[], total: number): number[] =>
  shareOpen(layers.map(rankedLayer), total)

const shareOpen = (layers: readonly OpenLayer[], total: number): number[] => {
  const reserved = layers.reduce((sum, layer) => sum + layer.reserved, 0)
  const whole = layers.reduce((sum, { histogram }) => sum + histogram.reduce((a, b) => a + b, 0), reserved)
  if (!Number.isInteger(total) || total < reserved || total > whole)
    throw new RangeError(`expected a total of ${reserved} (protected) to ${whole} pairs, got ${total}`)
  const { threshold, above } = cutOff(
    layers.map(({ histogram }) => histogram),
    total - reserved,
  )
  let ties = total - reserved - above
  return layers.map((layer) => {
    let better = 0
    for (let code = threshold + 1; code < 65536; code++) better += layer.histogram[code] ?? 0
    const equal = Math.min(ties, layer.histogram[threshold] ?? 0)
    ties -= equal
    return layer.reserved + better + equal
  })
}

const openLayer = (codes: Uint16Array, request: LayerShape & SelectionOptions): OpenLayer => {
  const { kvHeadCount, documentTokens, protectFirst, protectLast } = request
  const histogram = new Uint32Array(65536)
  const from = Math.min(protectFirst, documentTokens)
  const to = Math.max(from, documentTokens - protectLast)
  for (let start = 0; start < codes.length; start += documentTokens)
    for (const code of codes.subarray(start + from, start + to)) histogram[code] = (histogram[code] ?? 0) + 1
  return { reserved: protectedTokens(documentTokens, request) * kvHeadCount, histogram }
}

const rankedLayer = ({ starts, counts, codes, protectedCount }: Ranking): OpenLayer => {
  if (codes === undefined) throw new TypeError('a layer in position order was not scored and has no budget of its own')
  const histogram = new Uint32Array(65536)
  for (const [head, start] of starts.entries())
    for (const code of codes.subarray(start + protectedCount, start + (counts[head] ?? 0)))
      histogram[code] = (histogram[code] ?? 0) + 1
  return { reserved: protectedCount * starts.length, histogram }
}

/** The code of the last pair that stays, and how many pairs are better than it. */
const cutOff = (histograms: readonly Uint32Array[], free: number): { threshold: number; above: number } => {
  let above = 0
  for (let threshold = 65535; threshold > 0; threshold--) {
    const here = histograms.reduce((sum, histogram) => sum + (histogram[threshold] ?? 0), 0)
    if (above + here >= free) return { threshold, above }
    above += here
  }
  return { threshold: 0, above }
}
