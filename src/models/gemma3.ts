/**
 * `gemma3`: Gemma 3, text only. Most layers see a sliding window, each sixth all tokens, with other rotary angles; norms
 * stand before and after attention and feed-forward; q and k are normed by head. Norm gains are as in the GGUF, which has
 * the 1 added that the original checkpoints leave out. Not here: the vision part (another file, never asked for).
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

export interface Gemma3Config extends ModelConfig {
  readonly windows: readonly (number | undefined)[]
  readonly feedForwardDim: number
  readonly epsilon: number
  readonly theta: number // of layers that see everything
  readonly ropeFactor: number // rotary positions are divided by it, in those layers
  readonly windowTheta: number
  readonly queryScale: number // besides the 1/√headDim of all models
  readonly logitCap: number | undefined
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
  'attention.sliding_window',
  'attention.sliding_window_pattern',
  'final_logit_softcapping',
  'rope.freq_base',
  'rope.freq_base_swa',
  'rope.dimension_count',
  'rope.scaling.type',
  'rope.scaling.factor',
  'rope.scaling.original_context_length', // says what was scaled, changes nothing under linear scaling
]

/** Layers of the model whose queries are scaled by its width instead of a head's (27B). */
const layersScaledByWidth = 62

const readConfig = (metadata: Metadata, weights: Weights): Gemma3Config => {
  refuseOtherKeys(metadata, 'gemma3', understood)
  const dim = readCount(metadata, 'gemma3.embedding_length')
  const heads = readHeads(metadata, 'gemma3', dim)
  const layerCount = readLayerCount(metadata, 'gemma3')
  const window = readCount(metadata, 'gemma3.attention.sliding_window')
  const period = readCount(metadata, 'gemma3.attention.sliding_window_pattern', 6)
  const capped = metadata.get('gemma3.final_logit_softcapping') !== undefined
  requireValue(metadata, 'gemma3.attention.value_length', heads.headDim)
  requireValue(metadata, 'gemma3.attention.causal', true)
  requireValue(metadata, 'gemma3.rope.dimension_count', heads.headDim)
  return {
    architecture: 'gemma3',
    layerCount,
    dim,
    ...heads,
    vocabularySize: weights.matrix('token_embd.weight').shape[0],
    contextLength: readCount(metadata, 'gemma3.context_length'),
    windows: Array.from({ length: layerCount }, (_, layer) => ((layer + 1) % period === 0 ? undefined : window)),
    feedForwardDim: readCount(metadata, 'gemma3.feed_forward_length'),
    epsilon: readPositive(metadata, 'gemma3.attention.layer_norm_rms_epsilon'),
    theta: readPositive(metadata, 'gemma3.rope.freq_base', 1_000_000),
    ropeFactor: readRopeFactor(metadata, 'gemma3'),
    windowTheta: readPositive(metadata, 'gemma3.rope.freq_base_swa', 10_000),
    queryScale: layerCount === layersScaledByWidth ? Math.sqrt((heads.headDim * heads.headCount) / dim) : 1,
    logitCap: capped ? readPositive(metadata, 'gemma3.final_logit_softcapping') : undefined,
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
  readonly afterAttentionNorm: Tensor
  readonly feedForwardNorm: Tensor
  readonly gate: Weight
  readonly up: Weight
  readonly down: Weight
  readonly afterFeedForwardNorm: Tensor
}

interface Gemma3Weights {
  readonly embedding: Weight
  readonly layers: readonly Layer[]
  readonly outputNorm: Tensor
  readonly output: Weight
}

const fetch = (config: Gemma3Config, weights: Weights): Gemma3Weights => {
  const { dim, headDim, feedForwardDim, vocabularySize } = config
  const [qRows, kvRows] = [config.headCount * headDim, config.kvHeadCount * headDim]
  const { has, matrix, vector, refuseRest } = readWeights(weights, 'gemma3')
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
      afterAttentionNorm: vector(at('post_attention_norm'), dim),
      feedForwardNorm: vector(at('ffn_norm'), dim),
      gate: matrix(at('ffn_gate'), feedForwardDim, dim),
      up: matrix(at('ffn_up'), feedForwardDim, dim),
      down: matrix(at('ffn_down'), dim, feedForwardDim),
      afterFeedForwardNorm: vector(at('post_ffw_norm'), dim),
    }
  })
  const outputNorm = vector('output_norm.weight', dim)
  const output = has('output.weight') ? matrix('output.weight', vocabularySize, dim) : embedding
  refuseRest()
  return { embedding, layers, outputNorm, output }
}

const ropesOf = (ops: Ops, config: Gemma3Config): { readonly whole: RopeOptions; readonly windowed: RopeOptions } => {
  const { theta, windowTheta, ropeFactor, headDim } = config
  const factors = ops.from(new Float32Array(headDim / 2).fill(ropeFactor), [headDim / 2])
  return {
    whole: { theta, layout: 'halves', ...(ropeFactor !== 1 && { factors }) },
    windowed: { theta: windowTheta, layout: 'halves' },
  }
}

const create = (ops: Ops, config: Gemma3Config, weights: Weights): Model => {
  const { embedding, layers, outputNorm, output } = fetch(config, weights)
  const { headCount, kvHeadCount, headDim, epsilon, dim, windows, queryScale, logitCap } = config
  const ropes = ropesOf(ops, config)

  const scaled = (x: Tensor, factor: number): Tensor => ops.addScaled(ops.zeros(x.shape, 'f32'), x, factor)

  /** x [n, heads × headDim] → [n, heads, headDim], each head normed by itself */
  const normed = (x: Tensor, gain: Tensor, heads: number): Tensor => {
    const n = x.shape[0] ?? 0
    const rows = ops.rmsNorm(ops.reshape(x, [n * heads, headDim]), gain, epsilon)
    return ops.reshape(rows, [n, heads, headDim])
  }

  const feedForward = (w: Layer, x: Tensor): Tensor => {
    const before = ops.rmsNorm(x, w.feedForwardNorm, epsilon)
    const inner = ops.geglu(ops.matmul(before, w.gate), ops.matmul(before, w.up))
    return ops.rmsNorm(ops.matmul(inner, w.down), w.afterFeedForwardNorm, epsilon)
  }

  const layer = (index: number, x: Tensor, positions: Uint32Array, attend: Attend): Tensor | undefined => {
    const w = layers[index]
    if (!w) throw new RangeError(`layer ${index} asked of a model of ${layers.length} layers`)
    const n = positions.length
    const rope = windows[index] === undefined ? ropes.whole : ropes.windowed
    const hidden = ops.rmsNorm(x, w.attentionNorm, epsilon)
    const unscaled = normed(ops.matmul(hidden, w.q), w.qNorm, headCount)
    const q = queryScale === 1 ? unscaled : scaled(unscaled, queryScale)
    const k = normed(ops.matmul(hidden, w.k), w.kNorm, kvHeadCount)
    const v = ops.reshape(ops.matmul(hidden, w.v), [n, kvHeadCount, headDim])
    const rotated = { q: ops.rope(q, positions, rope), k: ops.rope(k, positions, rope) }
    const attended = attend(index, { raw: { q, k }, rotated, v })
    if (!attended) return undefined
    const out = ops.matmul(ops.reshape(attended, [n, headCount * headDim]), w.attentionOutput)
    const mixed = ops.addScaled(x, ops.rmsNorm(out, w.afterAttentionNorm, epsilon), 1)
    return ops.addScaled(mixed, feedForward(w, mixed), 1)
  }

  return {
    config,
    embed: (ids) => scaled(ops.embed(embedding, ids), Math.sqrt(dim)),
    rotate: (x, positions) => ops.rope(x, positions, ropes.whole),
    layer,
    logits: (x) => {
      const logits = ops.matmul(ops.rmsNorm(x, outputNorm, epsilon), output)
      return logitCap === undefined ? logits : ops.softCap(logits, logitCap)
    },
  }
}

export const gemma3: Architecture = { name: 'gemma3', readConfig, create }
