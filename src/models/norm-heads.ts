/** Norm of each head's part of q or k by itself, with one gain for all heads, as Qwen3 and Gemma 3 have it. */
import type { Ops, Tensor } from '../backends/ops.ts'

/** x [n, heads × headDim], gain [headDim] → [n, heads, headDim] */
export const normHeads = (ops: Ops, x: Tensor, { gain, epsilon }: { gain: Tensor; epsilon: number }): Tensor => {
  const [n = 0, width = 0] = x.shape
  const [headDim = 1] = gain.shape
  const heads = width / headDim
  return ops.reshape(ops.rmsNorm(ops.reshape(x, [n * heads, headDim]), gain, epsilon), [n, heads, headDim])
}
