/** `qwen2`: Qwen2 and Qwen2.5 checkpoints: like llama, with biases on q, k and v and rotary pairs of halves. */
import type { Ops, RopeOptions, Tensor } from '../backends/ops.ts'
import { type DecoderConfig, expertKeys, readDecoderConfig, refuseExperts } from './decoder-config.ts'
import { type DecoderWeights, readDecoderWeights } from './decoder-weights.ts'
import type { Architecture, Attend, Metadata, Model, Weights } from './model.ts'
import { readPositive, requireValue } from './read-config.ts'
import { readWeights } from './read-weights.ts'

export interface Qwen2Config extends DecoderConfig {
  readonly theta: number
}

const ownKeys = ['rope.scaling.type', ...expertKeys]

const readConfig = (metadata: Metadata, weights: Weights): Qwen2Config => {
  const common = readDecoderConfig('qwen2', { metadata, weights, ownKeys })
  requireValue(metadata, 'qwen2.rope.scaling.type', 'none')
  refuseExperts(metadata, 'qwen2')
  return { ...common, theta: readPositive(metadata, 'qwen2.rope.freq_base', 10_000) }
}

interface Biases {
  readonly biases: readonly [q: Tensor, k: Tensor, v: Tensor]
}

const fetch = (config: Qwen2Config, weights: Weights): DecoderWeights<Biases> => {
  const reader = readWeights(weights, 'qwen2')
  const [qRows, kvRows] = [config.headCount * config.headDim, config.kvHeadCount * config.headDim]
  const decoder = readDecoderWeights<Biases>(reader, config, 'swiglu', (blk) => ({
    biases: [
      reader.vector(`${blk}.attn_q.bias`, qRows),
      reader.vector(`${blk}.attn_k.bias`, kvRows),
      reader.vector(`${blk}.attn_v.bias`, kvRows),
    ],
  }))
  reader.refuseRest()
  return decoder
}

const create = (ops: Ops, config: Qwen2Config, weights: Weights): Model => {
  const { embedding, layers, outputNorm, output } = fetch(config, weights)
  const { headCount, kvHeadCount, headDim, theta } = config
  const rope: RopeOptions = { theta, layout: 'halves' }

  const layer = (index: number, x: Tensor, positions: Uint32Array, attend: Attend): Tensor | undefined => {
    const w = layers[index]
    if (!w) throw new RangeError(`layer ${index} asked of a model of ${layers.length} layers`)
    const n = positions.length
    const [queries, keys, values] = ops.matmulEach(x, [w.q, w.k, w.v], { biases: w.biases, norm: w.attentionNorm })
    const q = ops.reshape(queries, [n, headCount, headDim])
    const k = ops.reshape(keys, [n, kvHeadCount, headDim])
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

export const qwen2: Architecture = { name: 'qwen2', readConfig, create }
