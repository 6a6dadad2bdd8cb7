/** `qwen3`: Qwen3 checkpoints: each head's q and k are normed before rotation (pairs of halves), and nothing has a bias. */
import type { Ops, RopeOptions, Tensor } from '../backends/ops.ts'
import { type DecoderConfig, expertKeys, readDecoderConfig, refuseExperts } from './decoder-config.ts'
import { type DecoderWeights, readDecoderWeights } from './decoder-weights.ts'
import type { Architecture, Attend, Metadata, Model, Weights } from './model.ts'
import { normHeads } from './norm-heads.ts'
import { readPositive, requireValue } from './read-config.ts'
import { readWeights } from './read-weights.ts'

export interface Qwen3Config extends DecoderConfig {
  readonly theta: number
}

const ownKeys = ['rope.scaling.type', ...expertKeys]

const readConfig = (metadata: Metadata, weights: Weights): Qwen3Config => {
  const common = readDecoderConfig('qwen3', { metadata, weights, ownKeys })
  requireValue(metadata, 'qwen3.rope.scaling.type', 'none')
  refuseExperts(metadata, 'qwen3')
  return { ...common, theta: readPositive(metadata, 'qwen3.rope.freq_base', 10_000) }
}

interface HeadNorms {
  readonly qNorm: Tensor // [headDim]
  readonly kNorm: Tensor
}

const fetch = (config: Qwen3Config, weights: Weights): DecoderWeights<HeadNorms> => {
  const reader = readWeights(weights, 'qwen3')
  const decoder = readDecoderWeights(reader, config, 'swiglu', (blk) => ({
    qNorm: reader.vector(`${blk}.attn_q_norm.weight`, config.headDim),
    kNorm: reader.vector(`${blk}.attn_k_norm.weight`, config.headDim),
  }))
  reader.refuseRest()
  return decoder
}

const create = (ops: Ops, config: Qwen3Config, weights: Weights): Model => {
  const { embedding, layers, outputNorm, output } = fetch(config, weights)
  const { headCount, kvHeadCount, headDim, epsilon, theta } = config
  const rope: RopeOptions = { theta, layout: 'halves' }

  const layer = (index: number, x: Tensor, positions: Uint32Array, attend: Attend): Tensor | undefined => {
    const w = layers[index]
    if (!w) throw new RangeError(`layer ${index} asked of a model of ${layers.length} layers`)
    const n = positions.length
    const [queries, keys, values] = ops.matmulEach(x, [w.q, w.k, w.v], { norm: w.attentionNorm })
    const q = normHeads(ops, queries, { gain: w.qNorm, epsilon })
    const k = normHeads(ops, keys, { gain: w.kNorm, epsilon })
    const v = ops.reshape(values, [n, kvHeadCount, headDim])
    const [rotatedQ, rotatedK] = ops.rope([q, k], positions, rope)
    const attended = attend(index, { raw: { q, k }, rotated: { q: rotatedQ, k: rotatedK }, v })
    if (!attended) return undefined
    return ops.finishLayer(x, ops.reshape(attended, [n, headCount * headDim]), w.attentionOutput, w.feedForward)
  }

  return {
    config,
    embed: (ids) => ops.embed(embedding, ids),
    rotate: (x, positions) => ops.rope([x], positions, rope)[0],
    layer,
    logits: (x) => ops.matmulEach(x, [output], { norm: outputNorm })[0],
  }
}

export const qwen3: Architecture = { name: 'qwen3', readConfig, create }
