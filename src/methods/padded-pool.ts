/** An average over neighbours in which those beyond the document's ends count as 0, as SnapKV and kvpress have it. */
import type { Ops, Tensor } from '../backends/ops.ts'

/** x [heads, tokens] → mean over a centred window of odd `width` tokens, always divided by `width`. */
export const paddedPool = (ops: Ops, x: Tensor, width: number): Tensor => {
  if (width === 1) return x
  const [heads = 0, tokens = 0] = x.shape
  const reach = (width - 1) / 2
  const inside = Float32Array.from({ length: heads * tokens }, (_, i) => {
    const token = i % tokens
    return (Math.min(token + reach, tokens - 1) - Math.max(token - reach, 0) + 1) / width
  })
  return ops.multiply(ops.averagePool(x, width), ops.from(inside, [heads, tokens]))
}
