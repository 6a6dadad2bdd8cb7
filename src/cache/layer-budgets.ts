/**
 * How a budget for the whole model is shared among its layers: the best pairs of all layers together, as KVzip ranks
 * them. Works on score codes alone. Not here: how a layer's heads share theirs (selection.ts).
 */
import { type LayerShape, protectedTokens, type SelectionOptions } from './selection.ts'

/**
 * Pairs that each layer keeps of `total` (all layers together), protected tokens counted in; never fewer when `total`
 * grows. Ties go to earlier layers. codes [layer][kvHeads × tokens] → [layer]
 */
export const shareLayers = (
  codes: readonly Uint16Array[],
  { total, ...request }: LayerShape & SelectionOptions & { readonly total: number },
): number[] => {
  const { kvHeadCount, documentTokens } = request
  const reserved = protectedTokens(documentTokens, request) * kvHeadCount
  const whole = kvHeadCount * documentTokens
  if (!Number.isInteger(total) || total < reserved * codes.length || total > whole * codes.length)
    throw new RangeError(
      `expected a total of ${reserved * codes.length} (protected) to ${whole * codes.length} pairs, got ${total}`,
    )
  const histograms = codes.map((layer) => openHistogram(layer, request))
  const free = total - reserved * codes.length
  const { threshold, above } = cutOff(histograms, free)
  let ties = free - above
  return histograms.map((histogram) => {
    let better = 0
    for (let code = threshold + 1; code < 65536; code++) better += histogram[code] ?? 0
    const equal = Math.min(ties, histogram[threshold] ?? 0)
    ties -= equal
    return reserved + better + equal
  })
}

/** How often each code occurs among a layer's unprotected pairs. */
const openHistogram = (codes: Uint16Array, request: LayerShape & SelectionOptions): Uint32Array => {
  const { documentTokens, protectFirst, protectLast } = request
  const histogram = new Uint32Array(65536)
  const from = Math.min(protectFirst, documentTokens)
  const to = Math.max(from, documentTokens - protectLast)
  for (let start = 0; start < codes.length; start += documentTokens)
    for (let p = start + from; p < start + to; p++) {
      const code = codes[p] ?? 0
      histogram[code] = (histogram[code] ?? 0) + 1
    }
  return histogram
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
