/** What the parts of the reference share: reading tensors as numbers, where results go, when to stop. */
import { f32FromF16 } from './half.ts'
import type { Tensor } from './ops.ts'
import { cpu, type TensorPool } from './tensor.ts'

/** What the parts of the reference share: where results go and when to stop. */
export interface Workplace {
  readonly pool: TensorPool
  /** Called between rows of long ops; throws once the abort word is set. */
  readonly pause: () => void
}

/** The values of a tensor; halves become the numbers they are. */
export const numbers = (tensor: Tensor): Float32Array => {
  const { data } = cpu(tensor)
  return data instanceof Float32Array ? data : Float32Array.from(data, f32FromF16)
}

/** Value `index` of a tensor. */
export const reader = (tensor: Tensor): ((index: number) => number) => {
  const values = numbers(tensor)
  return (index) => values[index] as number
}
