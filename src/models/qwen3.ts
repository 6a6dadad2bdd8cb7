/** `qwen3`: Qwen3 checkpoints: each head's q and k are normed before rotation (pairs of halves), and nothing has a bias. */
import type { Ops, RopeOptions, Tensor, Weight } from '../backends/ops.ts'
import type { Architecture, Attend, Metadata, Model, ModelConfig, Weights } from './model.ts'
import { readCount, readHeads, readLayerCount, readPositive, refuseOtherKeys, requireValue } from './read-config.ts'
import { readWeights } from './read-weights.ts'

export interface Qwen3Config extends ModelConfig {
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

const readConfig = (metadata: Metadata, weights: Weights): Qwen3Config => {
  refuseOtherKeys(metadata, 'qwen3', understood)
  const dim = readCount(metadata, 'qwen3.embedding_length')
  const heads = readHeads(metadata, 'qwen3', dim)
  const vocabularySize = weights.matrix('token_embd.weight').shape[0]
  requireValue(metadata, 'qwen3.attention.value_length', heads.headDim)
  requireValue(metadata, 'qwen3.attention.causal', true)
  requireValue(metadata, 'qwen3.rope.dimension_count', heads.headDim)
  requireValue(metadata, 'qwen3.rope.scaling.type', 'none')
  requireValue(metadata, 'qwen3.expert_count', 0)
  requireValue(metadata, 'qwen3.expert_used_count', 0)
  return {
    architecture: 'qwen3',
    layerCount: readLayerCount(metadata, 'qwen3'),
    dim,
    ...heads,
    vocabularySize,
    contextLength: readCount(metadata, 'qwen3.context_length'),
    feedForwardDim: readCount(metadata, 'qwen3.feed_forward_length'),
    epsilon: readPositive(metadata, 'qwen3.attention.layer_norm_rms_epsilon'),
    theta: readPositive(metadata, 'qwen3.rope.freq_base', 10_000),
  }
}

interface Layer {
  readonly attentionNorm: Tensor
  readonly q: Weight
  readonly k: Weight
  readonly v: Weight
  readonly qNorm: Tensor // [headDim]
  readonly kNorm: Tensor
  readonly attentionOutput: Weight
  readonly feedForwardNorm: Tensor
  readonly gate: Weight
  readonly up: Weight
  readonly down: Weight
}

interface Qwen3Weights {
  readonly embedding: Weight
  readonly layers: readonly Layer[]
  readonly outputNorm: Tensor
  readonly output: Weight
}

const fetch = (config: Qwen3Config, weights: Weights): Qwen3Weights => {
  const { dim, headDim, feedForwardDim, vocabularySize } = config
  const [qRows, kvRows] = [config.headCount * headDim, config.kvHeadCount * headDim]
  const { has, matrix, vector, refuseRest } = readWeights(weights, 'qwen3')
  const embedding = matrix('token_embd.weight', vocabularySize, dim)
  const layers = Array.from({ length: config.layerCount }, (_, index): Layer => {
    const at = (name: string): string => `blk.${index}.${name}.weight`
    return {
      attentionNorm: vector(at('attn_norm'), dim),
      q: matrix(at('attn_q'), qRows, dim),
      k: matrix(at('attn_k'), kvRows, dim),
      v: matrix(at('attn_v'), kvRows, dim),
      qNorm: vector(at('attn_q_norm'), headDim),
      kNorm: vector(at('attn_k_norm'), headDim),
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

const create = (ops: Ops, config: Qwen3Config, weights: Weights): Model => {
  const { embedding, layers, outputNorm, output } = fetch(config, weights)
  const { headCount, kvHeadCount, headDim, epsilon, theta } = config
  const rope: RopeOptions = { theta, layout: 'halves' }

  /** x [n, heads × headDim] → [n, heads, headDim], each head normed by itself */
  const normed = (x: Tensor, gain: Tensor, heads: number): Tensor => {
    const n = x.shape[0] ?? 0
    const rows = ops.rmsNorm(ops.reshape(x, [n * heads, headDim]), gain, epsilon)
    return ops.reshape(rows, [n, heads, headDim])
  }

  const layer = (index: number, x: Tensor, positions: Uint32Array, attend: Attend): Tensor | undefined => {
    const w = layers[index]
    if (!w) throw new RangeError(`layer ${index} asked of a model of ${layers.length} layers`)
    const n = positions.length
    const hidden = ops.rmsNorm(x, w.attentionNorm, epsilon)
    const q = normed(ops.matmul(hidden, w.q), w.qNorm, headCount)
    const k = normed(ops.matmul(hidden, w.k), w.kNorm, kvHeadCount)
    const v = ops.reshape(ops.matmul(hidden, w.v), [n, kvHeadCount, headDim])
    const rotated = { q: ops.rope(q, positions, rope), k: ops.rope(k, positions, rope) }
    const attended = attend(index, { raw: { q, k }, rotated, v })
    if (!attended) return undefined
    const mixed = ops.matmul(ops.reshape(attended, [n, headCount * headDim]), w.attentionOutput, { add: x })
    const beforeFeedForward = ops.rmsNorm(mixed, w.feedForwardNorm, epsilon)
    const inner = ops.swiglu(ops.matmul(beforeFeedForward, w.gate), ops.matmul(beforeFeedForward, w.up))
    return ops.matmul(inner, w.down, { add: mixed })
  }

  return {
    config,
    embed: (ids) => ops.embed(embedding, ids),
    rotate: (x, positions) => ops.rope(x, positions, rope),
    layer,
    logits: (x) => ops.matmul(ops.rmsNorm(x, outputNorm, epsilon), output),
  }
}

export const qwen3: Architecture = { name: 'qwen3', readConfig, create }
