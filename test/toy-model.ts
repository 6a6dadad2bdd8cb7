/** A tiny llama with seeded weights, for whatever needs a whole model but not a real one. */
import type { Ops, Tensor, Weight } from '../src/backends/ops.ts'
import { uniformNumbers } from '../src/engine/random.ts'
import { llama } from '../src/models/llama.ts'
import type { Metadata, MetadataValue, Model, Weights } from '../src/models/model.ts'

export interface ToyShape {
  readonly layers: number
  readonly heads: number
  readonly kvHeads: number
  readonly headDim: number
  readonly vocabulary: number
}

export const toyModel = (ops: Ops, { layers, heads, kvHeads, headDim, vocabulary }: ToyShape): Model => {
  const dim = heads * headDim
  const feedForward = 2 * dim
  const at = (layer: number): Record<string, readonly [number, number] | readonly [number]> => ({
    [`blk.${layer}.attn_norm.weight`]: [dim],
    [`blk.${layer}.attn_q.weight`]: [dim, dim],
    [`blk.${layer}.attn_k.weight`]: [kvHeads * headDim, dim],
    [`blk.${layer}.attn_v.weight`]: [kvHeads * headDim, dim],
    [`blk.${layer}.attn_output.weight`]: [dim, dim],
    [`blk.${layer}.ffn_norm.weight`]: [dim],
    [`blk.${layer}.ffn_gate.weight`]: [feedForward, dim],
    [`blk.${layer}.ffn_up.weight`]: [feedForward, dim],
    [`blk.${layer}.ffn_down.weight`]: [dim, feedForward],
  })
  const shapes: Record<string, readonly [number, number] | readonly [number]> = Object.assign(
    { 'token_embd.weight': [vocabulary, dim], 'output_norm.weight': [dim] },
    ...Array.from({ length: layers }, (_, layer) => at(layer)),
  )
  const metadata = new Map<string, MetadataValue>([
    ['llama.block_count', layers],
    ['llama.context_length', 4096],
    ['llama.embedding_length', dim],
    ['llama.feed_forward_length', feedForward],
    ['llama.attention.head_count', heads],
    ['llama.attention.head_count_kv', kvHeads],
    ['llama.attention.layer_norm_rms_epsilon', 1e-5],
    ['llama.rope.freq_base', 10_000],
  ])
  const weights = seededWeights(ops, shapes)
  return llama.create(ops, llama.readConfig(metadata satisfies Metadata, weights), weights)
}

const seededWeights = (ops: Ops, shapes: Readonly<Record<string, readonly number[]>>): Weights => {
  const values = (name: string): Float32Array => {
    const shape = shapes[name]
    if (!shape) throw new RangeError(`the toy model has no ${name}`)
    const uniform = uniformNumbers(1, ...Buffer.from(name))
    const columns = shape.at(-1) as number
    const isNorm = shape.length === 1
    return Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () =>
      isNorm ? 0.5 + uniform() : (uniform() - 0.5) * Math.sqrt(24 / columns),
    )
  }
  return {
    has: (name) => name in shapes,
    names: () => Object.keys(shapes),
    matrix: (name): Weight => {
      const [rows = 0, columns = 0] = shapes[name] ?? []
      return ops.weight('F32', [rows, columns], new Uint8Array(values(name).buffer))
    },
    vector: (name): Tensor => ops.from(values(name), shapes[name] ?? []),
  } as Weights
}
