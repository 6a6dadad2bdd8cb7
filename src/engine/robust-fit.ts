/**
 * Weights, none of them negative, with which columns add up to what was measured. Errors count in proportion to the value,
 * and what lies far off counts little, so that one run beside other work does not spoil the rest. For a few columns.
 */

export interface Measured {
  readonly columns: readonly number[] // as many for each
  readonly value: number // above 0
}

const rounds = 8
const trust = 0.02 // relative error that is taken for noise at least
const worthwhile = 1e-4 // relative error that another column has to take away to be believed

/** → a weight for each column; fewer columns that say as much are preferred, and earlier ones among as many. */
export const robustFit = (points: readonly Measured[]): number[] => {
  const width = points[0]?.columns.length ?? 0
  let shares = points.map(() => 1)
  let fitted = new Array<number>(width).fill(0)
  for (let round = 0; round < rounds; round++) {
    fitted = leastOf(points, shares, width)
    const sums = points.map((point) => weightedSum(point, fitted))
    const errors = points.map(({ value }, index) => Math.abs(value / (sums[index] || value) - 1))
    const usual = [...errors].sort((a, b) => a - b)[Math.floor(errors.length / 2)] ?? 0
    const most = Math.max(trust, 1.5 * usual)
    // In proportion to the sum: in proportion to the values themselves, small values would count more than large ones.
    shares = points.map(({ value }, index) => {
      const error = errors[index] ?? 0
      return Math.min(1, most / error) ** 2 * (value / (sums[index] || value)) ** 2
    })
  }
  return fitted
}

const weightedSum = ({ columns }: Measured, weights: readonly number[]): number =>
  columns.reduce((sum, column, index) => sum + column * (weights[index] ?? 0), 0)

const relativeError = (point: Measured, weights: readonly number[]): number =>
  weightedSum(point, weights) / point.value - 1

/** Every choice of columns is tried: the best without a negative weight is what non-negative least squares would find. */
const leastOf = (points: readonly Measured[], shares: readonly number[], width: number): number[] => {
  let best = { weights: new Array<number>(width).fill(0), error: Number.POSITIVE_INFINITY }
  for (const chosen of choicesOf(width)) {
    const solved = solve(normalEquations(points, shares, chosen))
    if (solved === undefined || solved.some((weight) => weight < 0)) continue
    const weights = new Array<number>(width).fill(0)
    for (const [place, column] of chosen.entries()) weights[column] = solved[place] ?? 0
    const error = points.reduce((sum, point, i) => sum + (shares[i] ?? 0) * relativeError(point, weights) ** 2, 0)
    if (error < best.error - worthwhile ** 2) best = { weights, error }
  }
  return best.weights
}

/** [0], [1], …, [0, 1], …: fewer before more. */
const choicesOf = (width: number): number[][] =>
  Array.from({ length: 2 ** width - 1 }, (_, bits) =>
    Array.from({ length: width }, (_, column) => column).filter((column) => ((bits + 1) >> column) & 1),
  ).sort((a, b) => a.length - b.length)

/** Rows of [AᵀA | Aᵀb], where A holds columns over value and b is 1. */
const normalEquations = (
  points: readonly Measured[],
  shares: readonly number[],
  chosen: readonly number[],
): number[][] => {
  const at = ({ columns, value }: Measured, column: number | undefined): number =>
    column === undefined ? 1 : (columns[column] ?? 0) / value
  const product = (a: number, b: number | undefined): number =>
    points.reduce((sum, point, i) => sum + (shares[i] ?? 0) * at(point, a) * at(point, b), 0)
  return chosen.map((row) => [...chosen.map((column) => product(row, column)), product(row, undefined)])
}

/** Gaussian elimination with pivots; undefined where columns say the same. */
const solve = (rows: number[][]): number[] | undefined => {
  const scales = rows.map((row, i) => Math.sqrt(row[i] ?? 0))
  if (scales.some((scale) => scale === 0)) return undefined
  const scaled = rows.map((row, i) => row.map((x, j) => x / ((scales[i] ?? 1) * (scales[j] ?? 1))))
  for (let pivot = 0; pivot < scaled.length; pivot++) {
    const row = scaled[pivot] ?? []
    const head = row[pivot] ?? 0
    if (head < 1e-9) return undefined
    for (const other of scaled) {
      if (other === row) continue
      const factor = (other[pivot] ?? 0) / head
      for (let column = pivot; column < row.length; column++)
        other[column] = (other[column] ?? 0) - factor * (row[column] ?? 0)
    }
  }
  return scaled.map((row, i) => (row.at(-1) ?? 0) / (row[i] ?? 1) / (scales[i] ?? 1))
}
