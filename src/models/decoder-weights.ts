/** The tensors that every decoder here has, fetched once; each architecture adds its own. Knows no architecture. */
import type { Tensor, Weight } from '../backends/ops.ts'
import type { DecoderConfig } from './decoder-config.ts'
import type { WeightReader } from './read-weights.ts'

export interface DecoderLayer {
  readonly attentionNorm: Tensor
  readonly q: Weight
  readonly k: Weight
  readonly v: Weight
  readonly attentionOutput: Weight
  readonly feedForwardNorm: Tensor
  readonly gate: Weight
  readonly up: Weight
  readonly down: Weight
}

export interface DecoderWeights<Own> {
  readonly embedding: Weight
  readonly layers: readonly (DecoderLayer & Own)[]
  readonly outputNorm: Tensor
  readonly output: Weight // the embedding's, where the file has no other
}

/** `readOwn` fetches what else a layer has: `blk` is the name that its tensors begin with. */
export const readDecoderWeights = <Own>(
  { has, matrix, vector }: WeightReader,
  { dim, headDim, headCount, kvHeadCount, layerCount, feedForwardDim, vocabularySize }: DecoderConfig,
  readOwn: (blk: string) => Own,
): DecoderWeights<Own> => {
  const [qRows, kvRows] = [headCount * headDim, kvHeadCount * headDim]
  const embedding = matrix('token_embd.weight', vocabularySize, dim)
  const layers = Array.from({ length: layerCount }, (_, index): DecoderLayer & Own => {
    const blk = `blk.${index}`
    return {
      attentionNorm: vector(`${blk}.attn_norm.weight`, dim),
      q: matrix(`${blk}.attn_q.weight`, qRows, dim),
      k: matrix(`${blk}.attn_k.weight`, kvRows, dim),
      v: matrix(`${blk}.attn_v.weight`, kvRows, dim),
      attentionOutput: matrix(`${blk}.attn_output.weight`, dim, qRows),
      feedForwardNorm: vector(`${blk}.ffn_norm.weight`, dim),
      gate: matrix(`${blk}.ffn_gate.weight`, feedForwardDim, dim),
      up: matrix(`${blk}.ffn_up.weight`, feedForwardDim, dim),
      down: matrix(`${blk}.ffn_down.weight`, dim, feedForwardDim),
      ...readOwn(blk),
    }
  })
  const outputNorm = vector('output_norm.weight', dim)
  const output = has('output.weight') ? matrix('output.weight', vocabularySize, dim) : embedding
  return { embedding, layers, outputNorm, output }
}
