/**
 * `llama`: Llama, SmolLM2, Mistral and their kin as converted to GGUF: interleaved rotary pairs, whose angles may be divided
 * by a factor (linear scaling) and by the tensor `rope_freqs` (Llama 3.1 and later).
 */
import type { Ops, RopeOptions, Tensor } from '../backends/ops.ts'
import { type DecoderConfig, expertKeys, readDecoderConfig, refuseExperts } from './decoder-config.ts'
import { type DecoderWeights, readDecoderWeights } from './decoder-weights.ts'
import type { Architecture, Attend, Metadata, Model, Weights } from './model.ts'
import { readPositive, readRopeFactor } from './read-config.ts'
import { readWeights } from './read-weights.ts'

export interface LlamaConfig extends DecoderConfig {
  readonly theta: number
  readonly ropeFactor: number // rotary positions are divided by it
}

const ownKeys = [
  'rope.scaling.type',
  'rope.scaling.factor',
  'rope.scaling.original_context_length', // says what was scaled, changes nothing under linear scaling
  ...expertKeys,
]

const readConfig = (metadata: Metadata, weights: Weights): LlamaConfig => {
  const common = readDecoderConfig('llama', { metadata, weights, ownKeys })
  refuseExperts(metadata, 'llama')
  return {
    ...common,
    theta: readPositive(metadata, 'llama.rope.freq_base', 10_000),
    ropeFactor: readRopeFactor(metadata, 'llama'),
  }
}

interface LlamaWeights extends DecoderWeights<object> {
  readonly ropeFrequencies: Tensor | undefined // [headDim / 2], what each pair's angle is divided by
}

const fetch = (config: LlamaConfig, weights: Weights): LlamaWeights => {
  const reader = readWeights(weights, 'llama')
  const decoder = readDecoderWeights(reader, config, 'swiglu', () => ({}))
  const ropeFrequencies = reader.has('rope_freqs.weight')
    ? reader.vector('rope_freqs.weight', config.headDim / 2)
    : undefined
  reader.refuseRest()
  return { ...decoder, ropeFrequencies }
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
  const { headCount, kvHeadCount, headDim } = config
  const rope = ropeOf(ops, config, ropeFrequencies)

  const layer = (index: number, x: Tensor, positions: Uint32Array, attend: Attend): Tensor | undefined => {
    const w = layers[index]
    if (!w) throw new RangeError(`layer ${index} asked of a model of ${layers.length} layers`)
    const n = positions.length
    const [queries, keys, values] = ops.matmulEach(x, [w.q, w.k, w.v], { norm: w.attentionNorm })
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

export const llama: Architecture = { name: 'llama', readConfig, create }
