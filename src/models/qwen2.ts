/** `qwen2`: Qwen2 and Qwen2.5 checkpoints: like llama, with biases on q, k and v and rotary pairs of halves. */
import type { Ops, RopeOptions, Tensor, Weight } from '../backends/ops.ts'
import type { Architecture, Attend, Metadata, Model, ModelConfig, Weights } from './model.ts'
import { readCount, readHeads, readLayerCount, readPositive, refuseOtherKeys, requireValue } from './read-config.ts'
import { readWeights } from './read-weights.ts'

export interface Qwen2Config extends ModelConfig {
  readonly feedForwardDim: number
  readonly epsilon: number
  readonly theta: number
}

const understood = [
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
  'rope.scaling.type',
  'expert_count',
  'expert_used_count',
]

const readConfig = (metadata: Metadata, weights: Weights): Qwen2Config => {
  refuseOtherKeys(metadata, 'qwen2', understood)
  const dim = readCount(metadata, 'qwen2.embedding_length')
  const heads = readHeads(metadata, 'qwen2', dim)
  const vocabularySize = weights.matrix('token_embd.weight').shape[0]
  requireValue(metadata, 'qwen2.attention.value_length', heads.headDim)
  requireValue(metadata, 'qwen2.attention.causal', true)
  requireValue(metadata, 'qwen2.rope.dimension_count', heads.headDim)
  requireValue(metadata, 'qwen2.rope.scaling.type', 'none')
  requireValue(metadata, 'qwen2.expert_count', 0)
  requireValue(metadata, 'qwen2.expert_used_count', 0)
  return {
    architecture: 'qwen2',
    layerCount: readLayerCount(metadata, 'qwen2'),
    dim,
    ...heads,
    vocabularySize,
    contextLength: readCount(metadata, 'qwen2.context_length'),
    feedForwardDim: readCount(metadata, 'qwen2.feed_forward_length'),
    epsilon: readPositive(metadata, 'qwen2.attention.layer_norm_rms_epsilon'),
    theta: readPositive(metadata, 'qwen2.rope.freq_base', 10_000),
  }
}

interface Layer {
  readonly attentionNorm: Tensor
  readonly q: Weight
  readonly k: Weight
  readonly v: Weight
  readonly qBias: Tensor
  readonly kBias: Tensor
  readonly vBias: Tensor
  readonly attentionOutput: Weight
  readonly feedForwardNorm: Tensor
  readonly gate: Weight
  readonly up: Weight
  readonly down: Weight
}

interface Qwen2Weights {
  readonly embedding: Weight
  readonly layers: readonly Layer[]
  readonly outputNorm: Tensor
  readonly output: Weight
}

const fetch = (config: Qwen2Config, weights: Weights): Qwen2Weights => {
  const { dim, headDim, feedForwardDim, vocabularySize } = config
  const [qRows, kvRows] = [config.headCount * headDim, config.kvHeadCount * headDim]
  const { has, matrix, vector, refuseRest } = readWeights(weights, 'qwen2')
  const embedding = matrix('token_embd.weight', vocabularySize, dim)
  const layers = Array.from({ length: config.layerCount }, (_, index): Layer => {
    const at = (name: string): string => `blk.${index}.${name}.weight`
    const bias = (name: string): string => `blk.${index}.${name}.bias`
    return {
      attentionNorm: vector(at('attn_norm'), dim),
      q: matrix(at('attn_q'), qRows, dim),
      k: matrix(at('attn_k'), kvRows, dim),
      v: matrix(at('attn_v'), kvRows, dim),
      qBias: vector(bias('attn_q'), qRows),
      kBias: vector(bias('attn_k'), kvRows),
      vBias: vector(bias('attn_v'), kvRows),
      attentionOutput: matrix(at('attn_output'), dim, qRows),
      feedForwardNorm: vector(at('ffn_norm'), dim),
      gate: matrix(at('ffn_gate'), feedForwardDim, dim),
      up: matrix(at('ffn_up'), feedForwardDim, dim),
      down: matrix(at('ffn_down'), dim, feedForwardDim),
    }
  })
  const outputNorm = vector('output_norm.weight', dim)
  const output = has('output.weight') ? matrix('output.weight', vocabularySize, dim) : embedding
  refuseRest()
  return { embedding, layers, outputNorm, output }
}

const create = (ops: Ops, config: Qwen2Config, weights: Weights): Model => {
  const { embedding, layers, outputNorm, output } = fetch(config, weights)
  const { headCount, kvHeadCount, headDim, epsilon, theta } = config
  const rope: RopeOptions = { theta, layout: 'halves' }

  const layer = (index: number, x: Tensor, positions: Uint32Array, attend: Attend): Tensor | undefined => {
    const w = layers[index]
    if (!w) throw new RangeError(`layer ${index} asked of a model of ${layers.length} layers`)
    const n = positions.length
    const hidden = ops.rmsNorm(x, w.attentionNorm, epsilon)
    const q = ops.reshape(ops.matmul(hidden, w.q, { bias: w.qBias }), [n, headCount, headDim])
    const k = ops.reshape(ops.matmul(hidden, w.k, { bias: w.kBias }), [n, kvHeadCount, headDim])
    const v = ops.reshape(ops.matmul(hidden, w.v, { bias: w.vBias }), [n, kvHeadCount, headDim])
    const rotated = { q: ops.rope(q, positions, rope), k: ops.rope(k, positions, rope) }
    const attended = attend(index, { raw: { q, k }, rotated, v })
    if (!attended) return undefined
    const mixed = ops.matmul(ops.reshape(attended, [n, headCount * headDim]), w.attentionOutput, { add: x })
    const normed = ops.rmsNorm(mixed, w.feedForwardNorm, epsilon)
    return ops.matmul(ops.swiglu(ops.matmul(normed, w.gate), ops.matmul(normed, w.up)), w.down, { add: mixed })
  }

  return {
    config,
    embed: (ids) => ops.embed(embedding, ids),
    rotate: (x, positions) => ops.rope(x, positions, rope),
    layer,
    logits: (x) => ops.matmul(ops.rmsNorm(x, outputNorm, epsilon), output),
  }
}

export const qwen2: Architecture = { name: 'qwen2', readConfig, create }
