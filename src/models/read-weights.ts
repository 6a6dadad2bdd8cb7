/** Weights fetched with the shape that the config promises, and refusal of tensors that nobody fetched. Knows no architecture. */
import type { Tensor, Weight } from '../backends/ops.ts'
import { CompactorError } from '../error.ts'
import { shown } from '../shown.ts'
import type { Weights } from './model.ts'

export interface WeightReader {
  has(name: string): boolean
  matrix(name: string, rows: number, columns: number): Weight
  vector(name: string, length: number): Tensor
  /** A tensor that was never asked for would be left out of the arithmetic: refuse it by name. */
  refuseRest(): void
}

export const readWeights = (weights: Weights, architecture: string): WeightReader => {
  const fetched = new Set<string>()
  const check = <T extends { readonly shape: readonly number[] }>(
    name: string,
    tensor: T,
    shape: readonly number[],
  ): T => {
    fetched.add(name)
    if (tensor.shape.length === shape.length && tensor.shape.every((size, index) => size === shape[index]))
      return tensor
    throw new CompactorError(
      'model-corrupt',
      `tensor ${name} has shape [${tensor.shape}], the model's keys promise [${shape}]; get the file again`,
    )
  }
  return {
    has: (name) => weights.has(name),
    matrix: (name, rows, columns) => check(name, weights.matrix(name), [rows, columns]),
    vector: (name, length) => check(name, weights.vector(name), [length]),
    refuseRest: () => {
      for (const name of weights.names())
        if (!fetched.has(name))
          throw new CompactorError(
            'model-unsupported',
            `tensor ${shown(name)} is not part of a supported ${architecture} model and may change what it computes, so it is refused; take another file of the model`,
          )
    },
  }
}
