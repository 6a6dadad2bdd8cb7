/** Scores of the reference that need keys or values only, and how heads are brought together. */
import type { Ops } from './ops.ts'
import { reader, softmax, type Workplace } from './reference-values.ts'
import { checkCosine, checkLag, checkLagRanks, checkMeanOverHeads } from './scoring-checks.ts'

const leastNorm = { inMean: 1e-12, inCosine: 1e-8 } as const

export const referenceSpread = ({
  pool,
  pause,
}: Workplace): Pick<Ops, 'cosineToMean' | 'lagSpread' | 'lagRanks' | 'meanOverHeads'> => ({
  cosineToMean(x) {
    const { n, heads, headDim } = checkCosine(x)
    const out = pool.take([heads, n], 'f32')
    const at = reader(x)
    const vector = (token: number, head: number): number[] =>
      Array.from({ length: headDim }, (_, d) => at((token * heads + head) * headDim + d))
    for (let head = 0; head < heads; head++) {
      pause()
      const sums = new Array<number>(headDim).fill(0)
      for (let token = 0; token < n; token++) {
        const values = vector(token, head)
        const norm = Math.max(normOf(values), leastNorm.inMean)
        for (const [d, value] of values.entries()) sums[d] = (sums[d] as number) + value / norm
      }
      const anchor = sums.map((sum) => sum / n)
      const anchorNorm = Math.max(normOf(anchor), leastNorm.inCosine)
      for (let token = 0; token < n; token++) {
        const values = vector(token, head)
        let product = 0
        for (const [d, value] of values.entries()) product += value * (anchor[d] as number)
        out.data[head * n + token] = product / (Math.max(normOf(values), leastNorm.inCosine) * anchorNorm)
      }
    }
    return out
  },

  lagSpread(x, options) {
    const { n, heads, headDim, partitions } = checkLag(x, options)
    const out = pool.zeros([heads, n], 'f32')
    const at = reader(x)
    const length = options.partitionTokens
    for (let head = 0; head < heads; head++)
      for (let partition = 0; partition + 1 < partitions; partition++) {
        pause()
        const start = options.first + partition * length
        const channel = (d: number, from: number): number[] =>
          Array.from({ length }, (_, i) => at(((from + i) * heads + head) * headDim + d))
        const scaled: number[][] = []
        for (let d = 0; d < headDim; d++) {
          const next = channel(d, start + length)
          const least = next.reduce((a, b) => Math.min(a, b))
          const range = next.reduce((a, b) => Math.max(a, b)) - least
          scaled.push(channel(d, start).map((value) => (value - least) / (range === 0 ? 1 : range)))
        }
        const spreads = Array.from({ length }, (_, i) => deviationOf(scaled.map((values) => values[i] as number)))
        out.data.set(softmax(spreads), head * n + start)
      }
    return out
  },

  lagRanks(x, options) {
    const { n, heads, partitions } = checkLagRanks(x, options)
    const out = pool.zeros([heads, n], 'f32')
    const at = reader(x)
    const length = options.partitionTokens
    for (let head = 0; head < heads; head++)
      for (let partition = 0; partition + 1 < partitions; partition++) {
        pause()
        const start = head * n + options.first + partition * length
        const values = Array.from({ length }, (_, i) => at(start + i))
        const worstFirst = [...values.keys()].sort((a, b) => compare(values[a], values[b]) || b - a)
        for (const [rank, i] of worstFirst.entries()) out.data[start + i] = rank / length
      }
    return out
  },

  meanOverHeads(x) {
    const { heads, n } = checkMeanOverHeads(x)
    const out = pool.take([heads, n], 'f32')
    const at = reader(x)
    for (let token = 0; token < n; token++) {
      let sum = 0
      for (let head = 0; head < heads; head++) sum += at(head * n + token)
      for (let head = 0; head < heads; head++) out.data[head * n + token] = sum / heads
    }
    return out
  },
})

const normOf = (values: readonly number[]): number => {
  let squares = 0
  for (const value of values) squares += value * value
  return Math.sqrt(squares)
}

/** By size; NaN before every number. */
const compare = (a = Number.NaN, b = Number.NaN): number =>
  Number.isNaN(a) || Number.isNaN(b) ? Number(Number.isNaN(b)) - Number(Number.isNaN(a)) : Number(a > b) - Number(a < b)

const deviationOf = (values: readonly number[]): number => {
  let sum = 0
  for (const value of values) sum += value
  const mean = sum / values.length
  let squares = 0
  for (const value of values) squares += (value - mean) ** 2
  return Math.sqrt(squares / Math.max(values.length - 1, 1))
}
