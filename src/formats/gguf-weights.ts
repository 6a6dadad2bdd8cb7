/** The tensors of a GGUF file as a backend's weights, made when asked for and not copied. What a model does with them is its own. */
import type { Ops, Tensor, Weight } from '../backends/ops.ts'
import { CompactorError } from '../error.ts'
import type { Gguf, GgufTensor } from './gguf.ts'

/** Fits `Weights` of models/model.ts. */
export interface GgufWeights {
  has(name: string): boolean
  names(): Iterable<string>
  matrix(name: string): Weight
  vector(name: string): Tensor
}

export const ggufWeights = (ops: Ops, gguf: Gguf): GgufWeights => {
  const find = (name: string, rank: number): GgufTensor => {
    const tensor = gguf.tensors.get(name)
    const expected = rank === 1 ? 'a vector' : 'a matrix'
    if (!tensor)
      throw new CompactorError(
        'model-corrupt',
        `${gguf.name} has no tensor ${name}, expected ${expected}; get the file again`,
      )
    if (tensor.shape.length !== rank)
      throw new CompactorError(
        'model-corrupt',
        `tensor ${name} of ${gguf.name} has shape [${tensor.shape}], expected ${expected}; get the file again`,
      )
    return tensor
  }
  return {
    has: (name) => gguf.tensors.has(name),
    names: () => gguf.tensors.keys(),
    matrix: (name) => {
      const { type, shape, bytes } = find(name, 2)
      const [rows = 0, columns = 0] = shape
      return ops.weight(type, [rows, columns], bytes)
    },
    vector: (name) => {
      const { type, shape, bytes } = find(name, 1)
      if (type !== 'F32')
        throw new CompactorError(
          'model-unsupported',
          `vector ${name} of ${gguf.name} is of type ${type}; only F32 vectors are supported; take another file of the model`,
        )
      return ops.from(new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4), shape)
    },
  }
}
