/** The tensors that every decoder here has, fetched once; each architecture adds its own. Knows no architecture. */
import type { FeedForward, Norm, Weight } from '../backends/ops.ts'
import type { DecoderConfig } from './decoder-config.ts'
import type { WeightReader } from './read-weights.ts'

export interface DecoderLayer {
  readonly attentionNorm: Norm
  readonly q: Weight
  readonly k: Weight
  readonly v: Weight
  readonly attentionOutput: Weight
  readonly feedForward: FeedForward
}

export interface DecoderWeights<Own> {
  readonly embedding: Weight
  readonly layers: readonly (DecoderLayer & Own)[]
  readonly outputNorm: Norm
  readonly output: Weight // the embedding's, where the file has no other
}

/** `readOwn` fetches what else a layer has: `blk` is the name that its tensors begin with. */
export const readDecoderWeights = <Own>(
  { has, matrix, vector }: WeightReader,
  config: DecoderConfig,
  activation: FeedForward['activation'],
  readOwn: (blk: string) => Own,
): DecoderWeights<Own> => {
  const { dim, headDim, headCount, kvHeadCount, layerCount, feedForwardDim, vocabularySize, epsilon } = config
  const [qRows, kvRows] = [headCount * headDim, kvHeadCount * headDim]
  const norm = (name: string): Norm => ({ gain: vector(name, dim), epsilon })
  const embedding = matrix('token_embd.weight', vocabularySize, dim)
  const layers = Array.from({ length: layerCount }, (_, index): DecoderLayer & Own => {
    const blk = `blk.${index}`
    return {
      attentionNorm: norm(`${blk}.attn_norm.weight`),
      q: matrix(`${blk}.attn_q.weight`, qRows, dim),
      k: matrix(`${blk}.attn_k.weight`, kvRows, dim),
      v: matrix(`${blk}.attn_v.weight`, kvRows, dim),
      attentionOutput: matrix(`${blk}.attn_output.weight`, dim, qRows),
      feedForward: {
        norm: norm(`${blk}.ffn_norm.weight`),
        gate: matrix(`${blk}.ffn_gate.weight`, feedForwardDim, dim),
        up: matrix(`${blk}.ffn_up.weight`, feedForwardDim, dim),
        down: matrix(`${blk}.ffn_down.weight`, dim, feedForwardDim),
        activation,
      },
      ...readOwn(blk),
    }
  })
  const outputNorm = norm('output_norm.weight')
  const output = has('output.weight') ? matrix('output.weight', vocabularySize, dim) : embedding
  return { embedding, layers, outputNorm, output }
}
