/** How far a distribution over the next token is from another one. Natural logarithms, f64. */

/** logits [n] → log-probabilities [n] */
export const logSoftmax = (logits: ArrayLike<number>): Float64Array => {
  let largest = Number.NEGATIVE_INFINITY
  for (let i = 0; i < logits.length; i++) largest = Math.max(largest, logits[i] ?? 0)
  let sum = 0
  for (let i = 0; i < logits.length; i++) sum += Math.exp((logits[i] ?? 0) - largest)
  const shift = largest + Math.log(sum)
  return Float64Array.from(logits, (logit) => logit - shift)
}

/** KL(p ‖ q) in nats of two arrays of log-probabilities; rounding below zero is cut off. */
export const klDivergence = (p: Float64Array, q: Float64Array): number => {
  let sum = 0
  for (let i = 0; i < p.length; i++) {
    const logP = p[i] ?? 0
    if (logP > -60) sum += Math.exp(logP) * (logP - (q[i] ?? 0)) // what is left out is below 1e-26 each
  }
  return Math.max(0, sum)
}

/** Index of the largest value; the first of equals. */
export const argMax = (values: ArrayLike<number>): number => {
  let best = 0
  for (let i = 1; i < values.length; i++) if ((values[i] ?? 0) > (values[best] ?? 0)) best = i
  return best
}
