/**
 * Tokens that a method does not judge because it always keeps them, such as the window whose queries judge the others.
 * They stand above every score, so they stay also where the selection is told to protect none.
 */
import type { Ops, Tensor } from '../backends/ops.ts'

/** scores [kvHeads, tokens] → the same, with tokens `from` … `from + count` at infinity. Finite scores expected there. */
export const withUnjudged = (ops: Ops, scores: Tensor, from: number, count: number): Tensor => {
  if (count <= 0) return scores
  const [heads = 0, tokens = 0] = scores.shape
  const above = new Float32Array(heads * tokens)
  for (let head = 0; head < heads; head++) above.fill(Infinity, head * tokens + from, head * tokens + from + count)
  return ops.addScaled(scores, ops.from(above, [heads, tokens]), 1)
}
