/**
 * `gemma3`: Gemma 3, text only. Most layers see a sliding window, each sixth all tokens, with other rotary angles; norms
 * stand before and after attention and feed-forward; q and k are normed by head. Norm gains are as in the GGUF, which has
 * the 1 added that the original checkpoints leave out. Not here: the vision part (another file, never asked for).
 */
import type { Ops, RopeOptions, Tensor } from '../backends/ops.ts'
import { type DecoderConfig, readDecoderConfig } from './decoder-config.ts'
import { type DecoderWeights, readDecoderWeights } from './decoder-weights.ts'
import type { Architecture, Attend, Metadata, Model, Weights } from './model.ts'
import { normHeads } from './norm-heads.ts'
import { readCount, readPositive, readRopeFactor } from './read-config.ts'
import { readWeights } from './read-weights.ts'

export interface Gemma3Config extends DecoderConfig {
  readonly windows: readonly (number | undefined)[]
  readonly theta: number // of layers that see everything
  readonly ropeFactor: number // rotary positions are divided by it, in those layers
  readonly windowTheta: number
  readonly queryScale: number // besides the 1/√headDim of all models
  readonly logitCap: number | undefined
}

const ownKeys = [
  'attention.sliding_window',
  'attention.sliding_window_pattern',
  'final_logit_softcapping',
  'rope.freq_base_swa',
  'rope.scaling.type',
  'rope.scaling.factor',
  'rope.scaling.original_context_length', // says what was scaled, changes nothing under linear scaling
]

/** Layers of the model whose queries are scaled by its width instead of a head's (27B). */
const layersScaledByWidth = 62

const readConfig = (metadata: Metadata, weights: Weights): Gemma3Config => {
  const common = readDecoderConfig('gemma3', { metadata, weights, ownKeys })
  const { layerCount, headCount, headDim, dim } = common
  const window = readCount(metadata, 'gemma3.attention.sliding_window')
  const period = readCount(metadata, 'gemma3.attention.sliding_window_pattern', 6)
  const capped = metadata.get('gemma3.final_logit_softcapping') !== undefined
  return {
    ...common,
    windows: Array.from({ length: layerCount }, (_, layer) => ((layer + 1) % period === 0 ? undefined : window)),
    theta: readPositive(metadata, 'gemma3.rope.freq_base', 1_000_000),
    ropeFactor: readRopeFactor(metadata, 'gemma3'),
    windowTheta: readPositive(metadata, 'gemma3.rope.freq_base_swa', 10_000),
    queryScale: layerCount === layersScaledByWidth ? Math.sqrt((headDim * headCount) / dim) : 1,
    logitCap: capped ? readPositive(metadata, 'gemma3.final_logit_softcapping') : undefined,
  }
}

interface Norms {
  readonly qNorm: Tensor // [headDim]
  readonly kNorm: Tensor
  readonly afterAttentionNorm: Tensor
  readonly afterFeedForwardNorm: Tensor
}

const fetch = (config: Gemma3Config, weights: Weights): DecoderWeights<Norms> => {
  const { dim, headDim } = config
  const reader = readWeights(weights, 'gemma3')
  const decoder = readDecoderWeights(reader, config, 'geglu', (blk) => ({
    qNorm: reader.vector(`${blk}.attn_q_norm.weight`, headDim),
    kNorm: reader.vector(`${blk}.attn_k_norm.weight`, headDim),
    afterAttentionNorm: reader.vector(`${blk}.post_attention_norm.weight`, dim),
    afterFeedForwardNorm: reader.vector(`${blk}.post_ffw_norm.weight`, dim),
  }))
  reader.refuseRest()
  return decoder
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

  const layer = (index: number, x: Tensor, positions: Uint32Array, attend: Attend): Tensor | undefined => {
    const w = layers[index]
    if (!w) throw new RangeError(`layer ${index} asked of a model of ${layers.length} layers`)
    const n = positions.length
    const rope = windows[index] === undefined ? ropes.whole : ropes.windowed
    const [queries, keys, values] = ops.matmulEach(x, [w.q, w.k, w.v], { norm: w.attentionNorm })
    const unscaled = normHeads(ops, queries, { gain: w.qNorm, epsilon })
    const q = queryScale === 1 ? unscaled : scaled(unscaled, queryScale)
    const k = normHeads(ops, keys, { gain: w.kNorm, epsilon })
    const v = ops.reshape(values, [n, kvHeadCount, headDim])
    const [rotatedQ, rotatedK] = ops.rope([q, k], positions, rope)
    const attended = attend(index, { raw: { q, k }, rotated: { q: rotatedQ, k: rotatedK }, v })
    if (!attended) return undefined
    const out = ops.matmul(ops.reshape(attended, [n, headCount * headDim]), w.attentionOutput)
    const mixed = ops.addScaled(x, ops.rmsNorm(out, w.afterAttentionNorm, epsilon), 1)
    const fed = ops.rmsNorm(ops.feedForward(mixed, w.feedForward), w.afterFeedForwardNorm, epsilon)
    return ops.addScaled(mixed, fed, 1)
  }

  return {
    config,
    embed: (ids) => scaled(ops.embed(embedding, ids), Math.sqrt(dim)),
    rotate: (x, positions) => ops.rope([x], positions, ropes.whole)[0],
    layer,
    logits: (x) => {
      const logits = ops.matmulEach(x, [output], { norm: outputNorm })[0]
      return logitCap === undefined ? logits : ops.softCap(logits, logitCap)
    },
  }
}

export const gemma3: Architecture = { name: 'gemma3', readConfig, create }
