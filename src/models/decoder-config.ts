/** The keys that every decoder here has, read once; each architecture adds its own. Knows no architecture. */
import type { Metadata, ModelConfig, Weights } from './model.ts'
import { readCount, readHeads, readLayerCount, readPositive, refuseOtherKeys, requireValue } from './read-config.ts'

export interface DecoderConfig extends ModelConfig {
  readonly feedForwardDim: number
  readonly epsilon: number
}

const commonKeys = [
  'block_count',
  'context_length',
  'embedding_length',
  'feed_forward_length',
  'vocab_size',
  'attention.head_count',
  'attention.head_count_kv',
  'attention.key_length',
  'attention.value_length',
  'attention.layer_norm_rms_epsilon',
  'attention.causal',
  'rope.freq_base',
  'rope.dimension_count',
]

/** Keys that converters also write for models without experts; their values are what `refuseExperts` looks at. */
export const expertKeys: readonly string[] = ['expert_count', 'expert_used_count']

/**
 * `ownKeys` are those that the architecture reads besides the common ones, without its prefix. Throws CompactorError:
 * 'model-unsupported' for any other key or a value that changes the mathematics, 'model-corrupt' for one that makes no sense.
 */
export const readDecoderConfig = (
  architecture: string,
  { metadata, weights, ownKeys }: { metadata: Metadata; weights: Weights; ownKeys: readonly string[] },
): DecoderConfig => {
  const at = (key: string): string => `${architecture}.${key}`
  refuseOtherKeys(metadata, architecture, [...commonKeys, ...ownKeys])
  const dim = readCount(metadata, at('embedding_length'))
  const heads = readHeads(metadata, architecture, dim)
  const vocabularySize = weights.matrix('token_embd.weight').shape[0]
  requireValue(metadata, at('attention.value_length'), heads.headDim)
  requireValue(metadata, at('attention.causal'), true)
  requireValue(metadata, at('rope.dimension_count'), heads.headDim)
  return {
    architecture,
    layerCount: readLayerCount(metadata, architecture),
    dim,
    ...heads,
    vocabularySize,
    contextLength: readCount(metadata, at('context_length')),
    feedForwardDim: readCount(metadata, at('feed_forward_length')),
    epsilon: readPositive(metadata, at('attention.layer_norm_rms_epsilon')),
  }
}

export const refuseExperts = (metadata: Metadata, architecture: string): void => {
  for (const key of expertKeys) requireValue(metadata, `${architecture}.${key}`, 0)
}
