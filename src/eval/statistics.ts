/**
 * Means with 95 % bootstrap intervals. Contexts are drawn with replacement, not questions, because questions about one
 * context are not independent. Seeded, so that a result can be recomputed to the last digit. Data sets are pooled by
 * putting their contexts together: every context counts the same, and the spread between data sets is in the interval.
 */

export interface Interval {
  readonly mean: number
  readonly low: number // NaN for a single context: one value says nothing about its spread
  readonly high: number
  readonly n: number // contexts
}

export interface BootstrapOptions {
  readonly resamples?: number // default 10,000
  readonly seed?: number // default 1
}

/**
 * The mean of one value a context (already the mean over its questions). With weights it is Σ values / Σ weights: a ratio
 * of sums, for quotients whose denominators may be near 0. Throws RangeError for no value or for unequal lengths.
 */
export type Bootstrap = (values: readonly number[], weights?: readonly number[]) => Interval

/** For many means over the same contexts: draws are made once for each n, and all intervals use the same ones. */
export const createBootstrap = ({ resamples = 10_000, seed = 1 }: BootstrapOptions = {}): Bootstrap => {
  const drawsOf = new Map<number, Uint32Array>() // by n: resamples × n indices
  return (values, weights) => {
    const n = values.length
    if (n === 0) throw new RangeError('bootstrap needs at least one value, got none')
    if (weights) checkLengths(values, weights)
    const whole = weights ? sum(values) / sum(weights) : mean(values)
    if (n === 1) return { mean: whole, low: Number.NaN, high: Number.NaN, n }
    const draws = drawsOf.get(n) ?? drawIndices(n * resamples, n, seed)
    drawsOf.set(n, draws)
    const means = resampledMeans(draws, { resamples, values: Float64Array.from(values), weights })
    return { mean: whole, low: quantile(means, 0.025), high: quantile(means, 0.975), n }
  }
}

/** One interval; see createBootstrap for several. */
export const bootstrap = (values: readonly number[], options?: BootstrapOptions): Interval =>
  createBootstrap(options)(values)

/** Of a − b, context by context: both lists in the same order. Throws RangeError for unequal lengths or none. */
export const pairedDifference = (a: readonly number[], b: readonly number[], options?: BootstrapOptions): Interval => {
  checkLengths(a, b)
  return bootstrap(
    a.map((value, i) => value - (b[i] ?? Number.NaN)),
    options,
  )
}

export const mean = (values: readonly number[]): number => sum(values) / values.length

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)

const checkLengths = (a: readonly number[], b: readonly number[]): void => {
  if (a.length !== b.length)
    throw new RangeError(`paired values must be of the same contexts, got ${a.length} and ${b.length}`)
}

const drawIndices = (count: number, n: number, seed: number): Uint32Array => {
  const random = mulberry32(seed)
  const indices = new Uint32Array(count)
  for (let i = 0; i < count; i++) indices[i] = Math.floor(random() * n)
  return indices
}

/** Sorted. */
const resampledMeans = (
  draws: Uint32Array,
  sample: {
    readonly resamples: number
    readonly values: Float64Array
    readonly weights: readonly number[] | undefined
  },
): Float64Array => {
  const { resamples, values, weights } = sample
  const n = values.length
  const means = new Float64Array(resamples)
  for (let i = 0; i < resamples; i++) {
    let total = 0
    let weight = weights ? 0 : n
    for (let draw = i * n; draw < (i + 1) * n; draw++) {
      const at = draws[draw] ?? 0
      total += values[at] ?? Number.NaN
      if (weights) weight += weights[at] ?? Number.NaN
    }
    means[i] = total / weight
  }
  return means.sort()
}

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
