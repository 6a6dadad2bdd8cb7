/**
 * How far a backend may be from the reference, by family of op. Limits go down freely and up only with a reason in the
 * commit. The suite prints the largest error seen beside each limit.
 */

export interface Tolerance {
  /** What an error of 1 is. */
  readonly unit: string
  readonly limit: number
}

export type Family = 'exact' | 'elementwise' | 'reduction' | 'attention' | 'leverage' | 'rounded'

/**
 * Errors are measured against a magnitude that the case gives for each value: where nothing is said, the value itself;
 * for a sum, the sum of its terms' absolute values, since no order of adding can promise more.
 */
export const tolerances: Record<Family, Tolerance> = {
  /** Moving, converting, decoding, and sums made in f64 in the reference's order. */
  exact: { unit: 'differing values', limit: 0 },
  /** Functions of a few numbers, in units of the last place. */
  elementwise: { unit: 'ulp', limit: 4 },
  /** Sums of n products in f32: an error of √n · 2^-24 of the terms is a random walk of one rounding per term. */
  reduction: { unit: '√n · 2^-24 of the terms', limit: 1 },
  /** Softmax of f32 logits: a logit near 10 is off by 10 · 2^-24, and its weight by as much. */
  attention: { unit: 'of the terms', limit: 2e-6 },
  /** Gram matrix and Cholesky in f64; the rest is one rounding to f32 and the condition of the matrix. */
  leverage: { unit: 'of the value', limit: 2e-7 },
  /** Factors rounded to 8 bits or bfloat16: a bound computed from the case's own numbers, see `roundedBound`. */
  rounded: { unit: 'of the bound', limit: 1 },
}
