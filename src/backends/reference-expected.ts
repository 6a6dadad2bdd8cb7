/**
 * Expected attention (arXiv 2510.00636) in the reference: queries are taken as normally distributed, so the mean of
 * e^(scale·q·k) over them has the logarithm scale·kᵀμ + scale²/2·kᵀΣk. Instead of turning μ and Σ into each later
 * position's frame, the key is turned back: kᵀRμ = (Rᵀk)·μ.
 */
import type { Ops } from './ops.ts'
import { reader, softmax, type Workplace } from './reference-values.ts'
import { checkExpected } from './scoring-checks.ts'

type Vector = readonly number[]
type Matrix = readonly Vector[]

export const referenceExpected = ({ pool, pause }: Workplace): Pick<Ops, 'expectedAttention'> => ({
  expectedAttention(q, k, options) {
    const { n, heads, headDim, kvHeads } = checkExpected(q, k, options)
    const { scale, first } = options
    const out = pool.take([kvHeads, n], 'f32')
    const sums = new Float64Array(kvHeads * n)
    const [queryAt, keyAt, rotationAt] = [reader(q), reader(k), reader(options.rotation)]
    const rotation = matrix(headDim, headDim, (i, j) => rotationAt(i * headDim + j))
    const count = Math.max(n - first, 0)
    const group = heads / kvHeads
    for (let head = 0; head < heads; head++) {
      const kvHead = Math.floor(head / group)
      const queries = matrix(count, headDim, (i, d) => queryAt(((first + i) * heads + head) * headDim + d))
      const keys = matrix(count, headDim, (i, d) => keyAt(((first + i) * kvHeads + kvHead) * headDim + d))
      const { mean, covariance } = momentsOf(queries, headDim)
      const logits = keys.map((key) => {
        pause()
        const turned = rotation.map((row) => dot(row, key)) // Rᵀk
        const form = dot(
          turned,
          covariance.map((row) => dot(row, turned)),
        )
        return scale * dot(turned, mean) + (scale ** 2 / 2) * form
      })
      for (const [i, weight] of softmax(logits).entries()) {
        const at = kvHead * n + first + i
        sums[at] = (sums[at] as number) + weight
      }
    }
    for (const [at, sum] of sums.entries()) out.data[at] = sum / group
    return out
  },
})

const momentsOf = (rows: Matrix, width: number): { readonly mean: Vector; readonly covariance: Matrix } => {
  const columns = matrix(width, rows.length, (d, i) => rows[i]?.[d] as number)
  const mean = columns.map((column) => column.reduce((sum, value) => sum + value, 0) / rows.length)
  const centred = columns.map((column, d) => column.map((value) => value - (mean[d] as number)))
  return { mean, covariance: centred.map((a) => centred.map((b) => dot(a, b) / rows.length)) }
}

const matrix = (rows: number, columns: number, value: (row: number, column: number) => number): number[][] =>
  Array.from({ length: rows }, (_, row) => Array.from({ length: columns }, (_, column) => value(row, column)))

const dot = (a: Vector, b: Vector): number => a.reduce((sum, x, i) => sum + x * (b[i] as number), 0)
