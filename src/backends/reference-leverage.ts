/**
 * Leverage of keys, as ALGORITHMS of the paper has it: how far each key lies from what the other keys span.
 *
 * Where the Gram matrix is not positive definite in f64 even with its ridge, the ridge is multiplied by 10, at most 20
 * times. Keys that hold NaN or infinity never succeed and give NaN for their head and chunk.
 */
import { checkLeverage } from './checks.ts'
import type { LeverageOptions, Ops } from './ops.ts'
import { reader, type Workplace } from './reference-values.ts'

type Matrix = readonly (readonly number[])[]

const ridgeTries = 20

export const referenceLeverage = ({ pool, pause }: Workplace): Pick<Ops, 'leverage'> => ({
  leverage(k, options) {
    const { n, heads, headDim, chunk } = checkLeverage(k, options)
    const out = pool.take([heads, n], 'f32')
    const at = reader(k)
    for (let head = 0; head < heads; head++)
      for (let first = 0; first < n; first += chunk) {
        pause()
        const count = Math.min(chunk, n - first)
        const keys = matrix(count, headDim, (token, d) => at(((first + token) * heads + head) * headDim + d))
        const x = sketched(centred(keys), options.sketch)
        out.data.set(rowLeverage(x, options.ridge), head * n + first)
      }
    return out
  },
})

const matrix = (rows: number, columns: number, value: (row: number, column: number) => number): number[][] =>
  Array.from({ length: rows }, (_, row) => Array.from({ length: columns }, (_, column) => value(row, column)))

const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, x, i) => sum + x * (b[i] ?? 0), 0)

const transposed = (m: Matrix): number[][] => (m[0] ?? []).map((_, column) => m.map((row) => row[column] ?? 0))

const centred = (keys: Matrix): Matrix => {
  const means = transposed(keys).map((column) => column.reduce((sum, x) => sum + x, 0) / column.length)
  return keys.map((row) => row.map((x, d) => x - (means[d] ?? 0)))
}

const sketched = (keys: Matrix, sketch: LeverageOptions['sketch']): Matrix => {
  if (!sketch) return keys
  const at = reader(sketch)
  const [headDim = 0, size = 0] = sketch.shape
  const columns = matrix(size, headDim, (column, d) => at(d * size + column))
  return keys.map((row) => columns.map((column) => dot(row, column)))
}

/** l_i = x_iᵀ (XᵀX + ridge·I)⁻¹ x_i = ‖L⁻¹ x_i‖² with L the Cholesky factor. */
const rowLeverage = (x: Matrix, ridge: number): number[] => {
  const columns = transposed(x)
  const gram = columns.map((a) => columns.map((b) => dot(a, b)))
  for (let attempt = 0, strength = ridge; attempt <= ridgeTries; attempt++, strength *= 10) {
    const factor = cholesky(gram.map((row, i) => row.map((value, j) => (i === j ? value + strength : value))))
    if (factor) return x.map((row) => solveLower(factor, row).reduce((sum, y) => sum + y * y, 0))
  }
  return x.map(() => Number.NaN)
}

/** The lower triangle L with L Lᵀ = m, or undefined if m is not positive definite. */
const cholesky = (m: Matrix): Matrix | undefined => {
  const lower: number[][] = []
  for (const [i, row] of m.entries()) {
    const current: number[] = []
    for (const [j, above] of lower.entries()) current.push(((row[j] ?? 0) - dot(current, above)) / (above[j] ?? 0))
    const rest = (row[i] ?? 0) - dot(current, current)
    if (!(rest > 0 && rest < Number.POSITIVE_INFINITY)) return undefined
    current.push(Math.sqrt(rest))
    lower.push(current)
  }
  return lower
}

/** y with L y = b. */
const solveLower = (lower: Matrix, b: readonly number[]): number[] => {
  const y: number[] = []
  for (const [i, row] of lower.entries()) y.push(((b[i] ?? 0) - dot(y, row)) / (row[i] ?? 0))
  return y
}
