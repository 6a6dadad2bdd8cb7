/**
 * Scores as 16-bit codes: the bits of the nearest IEEE half, turned so that codes order as the scores do. One map for all
 * layers and heads, no scale, so codes compare across them. Coded *before* selection: what is stored is what decided.
 * Not here: who stays (selection.ts).
 */

/** NaN, and anything that carries no score. Below every real score. */
export const leastCode = 0

const largestHalf = 0x7bff // 65504; ±Inf and what rounds beyond saturate here
const roundsBeyondLargest = 0x477ff000 // f32 bits of 65520
const smallestNormalHalf = 0x38800000 // f32 bits of 2^-14
const roundToInteger = 2 ** 52 // adding and subtracting it rounds a f64 to the nearest integer, ties to even

/** scores (any shape) → codes, larger for larger; −0 and +0 are one score. */
export const scoreCodes = (scores: Float32Array): Uint16Array => {
  const bits = new Uint32Array(scores.buffer, scores.byteOffset, scores.length)
  const codes = new Uint16Array(scores.length)
  for (let i = 0; i < scores.length; i++) codes[i] = codeOf(bits[i] ?? 0, scores[i] ?? 0)
  return codes
}

/** The score a code stands for; NaN for `leastCode`. */
export const scoreOf = (code: number): number => {
  const negative = code < 0x8000
  const half = negative ? 0x7fff - code : code - 0x8000
  if (half > largestHalf) return Number.NaN
  const exponent = half >>> 10
  const fraction = half & 0x3ff
  const magnitude = exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25)
  return negative ? -magnitude : magnitude
}

/** Mean and deviation of one layer's scores, so that text appended later can be put on the same scale. */
export interface ScoreMoments {
  readonly mean: number
  readonly deviation: number
}

/** Over the finite scores; both 0 if there are none. */
export const scoreMoments = (scores: Float32Array): ScoreMoments => {
  let count = 0
  let sum = 0
  for (const score of scores) {
    if (!Number.isFinite(score)) continue
    count++
    sum += score
  }
  if (count === 0) return { mean: 0, deviation: 0 }
  const mean = sum / count
  let squares = 0
  for (const score of scores) if (Number.isFinite(score)) squares += (score - mean) ** 2
  return { mean, deviation: Math.sqrt(squares / count) }
}

const codeOf = (bits: number, score: number): number => {
  if (Number.isNaN(score)) return leastCode
  const half = halfMagnitude(bits & 0x7fffffff, score)
  return bits > 0x7fffffff && half > 0 ? 0x7fff - half : 0x8000 + half
}

const halfMagnitude = (bits: number, score: number): number => {
  if (bits >= roundsBeyondLargest) return largestHalf
  if (bits < smallestNormalHalf) return Math.abs(score) * 2 ** 24 + roundToInteger - roundToInteger
  return (bits - 0x38000000 + 0xfff + ((bits >>> 13) & 1)) >>> 13
}
