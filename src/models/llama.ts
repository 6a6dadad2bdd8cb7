/**
 * `llama`: Llama, SmolLM2, Mistral and their kin as converted to GGUF: interleaved rotary pairs, whose angles may be divided
 * by a factor (linear scaling) and by the tensor `rope_freqs` (Llama 3.1 and later).
 */
import type { Ops, RopeOptions, Tensor, Weight } from '../backends/ops.ts'
import type { Architecture, Attend, Metadata, Model, ModelConfig, Weights } from './model.ts'
import {
  readCount,
  readHeads,
  readLayerCount,
  readPositive,
  readRopeFactor,
  refuseOtherKeys,
  requireValue,
} from './read-config.ts'
import { readWeights } from './read-weights.ts'

export interface LlamaConfig extends ModelConfig {
  readonly feedForwardDim: number
  readonly epsilon: number
  readonly theta: number
  readonly ropeFactor: number // rotary positions are divided by it
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
  'rope.scaling.factor',
  'rope.scaling.original_context_length', // says what was scaled, changes nothing under linear scaling
  'expert_count',
  'expert_used_count',
]

const readConfig = (metadata: Metadata, weights: Weights): LlamaConfig => {
  refuseOtherKeys(metadata, 'llama', understood)
  const dim = readCount(metadata, 'llama.embedding_length')
  const heads = readHeads(metadata, 'llama', dim)
  const vocabularySize = weights.matrix('token_embd.weight').shape[0]
  requireValue(metadata, 'llama.attention.value_length', heads.headDim)
  requireValue(metadata, 'llama.attention.causal', true)
  requireValue(metadata, 'llama.rope.dimension_count', heads.headDim)
  requireValue(metadata, 'llama.expert_count', 0)
  requireValue(metadata, 'llama.expert_used_count', 0)
  return {
    architecture: 'llama',
    layerCount: readLayerCount(metadata, 'llama'),
    dim,
    ...heads,
    vocabularySize,
    contextLength: readCount(metadata, 'llama.context_length'),
    feedForwardDim: readCount(metadata, 'llama.feed_forward_length'),
    epsilon: readPositive(metadata, 'llama.attention.layer_norm_rms_epsilon'),
    theta: readPositive(metadata, 'llama.rope.freq_base', 10_000),
    ropeFactor: readRopeFactor(metadata, 'llama'),
  }
}

interface Layer {
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

interface LlamaWeights {
  readonly embedding: Weight
  readonly layers: readonly Layer[]
  readonly outputNorm: Tensor
  readonly output: Weight
  readonly ropeFrequencies: Tensor | undefined // [headDim / 2], what each pair's angle is divided by
}

const fetch = (config: LlamaConfig, weights: Weights): LlamaWeights => {
  const { dim, headDim, feedForwardDim, vocabularySize } = config
  const [qRows, kvRows] = [config.headCount * headDim, config.kvHeadCount * headDim]
  const { has, matrix, vector, refuseRest } = readWeights(weights, 'llama')
  const embedding = matrix('token_embd.weight', vocabularySize, dim)
  const layers = Array.from({ length: config.layerCount }, (_, index): Layer => {
    const at = (name: string): string => `blk.${index}.${name}.weight`
    return {
      attentionNorm: vector(at('attn_norm'), dim),
      q: matrix(at('attn_q'), qRows, dim),
      k: matrix(at('attn_k'), kvRows, dim),
      v: matrix(at('attn_v'), kvRows, dim),
      attentionOutput: matrix(at('attn_output'), dim, qRows),
      feedForwardNorm: vector(at('ffn_norm'), dim),
      gate: matrix(at('ffn_gate'), feedForwardDim, dim),
      up: matrix(at('ffn_up'), feedForwardDim, dim),
      down: matrix(at('ffn_down'), dim, feedForwardDim),
    }
  })
  const outputNorm = vector('output_norm.weight', dim)
  const output = has('output.weight') ? matrix('output.weight', vocabularySize, dim) : embedding
  const ropeFrequencies = has('rope_freqs.weight') ? vector('rope_freqs.weight', headDim / 2) : undefined
  refuseRest()
  return { embedding, layers, outputNorm, output, ropeFrequencies }
}

const ropeOf = (ops: Ops, config: LlamaConfig, frequencies: Tensor | undefined): RopeOptions => {
  const { theta, ropeFactor, headDim } = config
  const plain: RopeOptions = { theta, layout: 'interleaved' }
  if (ropeFactor === 1) return frequencies ? { ...plain, factors: frequencies } : plain
  const linear = ops.from(new Float32Array(headDim / 2).fill(ropeFactor), [headDim / 2])
  return { ...plain, factors: frequencies ? ops.multiply(frequencies, linear) : linear }
}

const create = (ops: Ops, config: LlamaConfig, weights: Weights): Model => {
  const { embedding, layers, outputNorm, output, ropeFrequencies } = fetch(config, weights)
  const { headCount, kvHeadCount, headDim, epsilon } = config
  const rope = ropeOf(ops, config, ropeFrequencies)

  const layer = (index: number, x: Tensor, positions: Uint32Array, attend: Attend): Tensor | undefined => {
    const w = layers[index]
    if (!w) throw new RangeError(`layer ${index} asked of a model of ${layers.length} layers`)
    const n = positions.length
    const hidden = ops.rmsNorm(x, w.attentionNorm, epsilon)
    const q = ops.reshape(ops.matmul(hidden, w.q), [n, headCount, headDim])
    const k = ops.reshape(ops.matmul(hidden, w.k), [n, kvHeadCount, headDim])
    const v = ops.reshape(ops.matmul(hidden, w.v), [n, kvHeadCount, headDim])
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

export const llama: Architecture = { name: 'llama', readConfig, create }
