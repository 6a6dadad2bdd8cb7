/** What the parts of the reference share: reading tensors as numbers, softmax, where results go, when to stop. */
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

/** All logits of −∞ give weights of 0; NaN or +∞ anywhere gives NaN. */
export const softmax = (logits: readonly number[]): number[] => {
  let largest = Number.NEGATIVE_INFINITY
  for (const logit of logits) largest = Math.max(largest, logit)
  const weights = logits.map((logit) => (logit === Number.NEGATIVE_INFINITY ? 0 : Math.exp(logit - largest)))
  let sum = 0
  for (const weight of weights) sum += weight
  return weights.map((weight) => (sum === 0 ? 0 : weight / sum))
}
