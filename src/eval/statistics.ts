/**
 * Intervals for paired differences: contexts are drawn with replacement, because questions on one context are not
 * independent of each other. Seeded, so that a result file can be recomputed to the last digit.
 */

export interface Interval {
  readonly mean: number
  readonly low: number
  readonly high: number
}

/** 95 % percentile interval of the mean. One value per context: already the mean over its questions. */
export const bootstrap = (values: readonly number[], options: { resamples?: number; seed?: number } = {}): Interval => {
  const { resamples = 10_000, seed = 1 } = options
  if (values.length === 0) throw new RangeError('bootstrap needs at least one value, got none')
  const random = mulberry32(seed)
  const means = new Float64Array(resamples)
  for (let sample = 0; sample < resamples; sample++) {
    let sum = 0
    for (let draw = 0; draw < values.length; draw++) sum += values[Math.floor(random() * values.length)] ?? Number.NaN
    means[sample] = sum / values.length
  }
  means.sort()
  return { mean: mean(values), low: quantile(means, 0.025), high: quantile(means, 0.975) }
}

export const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length

/** Linear between neighbours of a sorted array. */
const quantile = (sorted: Float64Array, share: number): number => {
  const at = share * (sorted.length - 1)
  const [low = Number.NaN, high = low] = sorted.subarray(Math.floor(at), Math.floor(at) + 2)
  return low + (high - low) * (at - Math.floor(at))
}

/** A 32-bit generator (T. Ettinger's mulberry32): short, and good enough for drawing indices. */
const mulberry32 = (seed: number) => (): number => {
  seed = (seed + 0x6d2b79f5) | 0
  let t = Math.imul(seed ^ (seed >>> 15), seed | 1)
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
}
