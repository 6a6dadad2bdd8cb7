/**
 * A multiple of every score. Signs, and size: scores are coded as IEEE halves before selection, in which weights that sum to 1
 * over a long document would be subnormal; brought to a mean of about 1 they keep 11 bits.
 */
import type { Ops, Tensor } from '../backends/ops.ts'

/** x [kvHeads, tokens] → factor · x */
export const times = (ops: Ops, x: Tensor, factor: number): Tensor =>
  ops.addScaled(ops.zeros(x.shape, 'f32'), x, factor)
