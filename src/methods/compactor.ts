/**
 * Compactor (arXiv 2507.08143): statistical leverage of the keys before RoPE (unusual keys) blended with the attention
 * they receive inside chunks without causal mask (useful keys). Knows no question. Where the paper, compactor-vllm and
 * kvpress differ there is an option; docs/methods.md says who does what.
 */
import type { Ops, Tensor } from '../backends/ops.ts'
import type { Method, MethodEntry, View } from './method.ts'
import { type OptionDescription, readOptions } from './options.ts'

const options = {
  chunkTokens: { default: 256, min: 1, integer: true, about: 'C: tokens of a chunk in which attention is summed' },
  scaled: { default: false, about: 'divide the attention logits by √headDim' },
  valueNorm: { default: false, about: 'multiply the attention mass by the norm of the value' },
  pool: { default: 1, min: 1, integer: true, about: 'average the attention mass over this many neighbours (odd)' },
  lambda: { default: 0.3, min: 0, words: ['removed'], about: 'weight of leverage; "removed" is the share removed' },
  sketch: {
    default: 48,
    min: 1,
    integer: true,
    words: ['exact'],
    about: 'k: columns of the random sketch of the keys',
  },
  ridge: { default: 0.005, min: 1e-12, about: 'added to the diagonal of the Gram matrix' },
  leverageChunkTokens: {
    default: 'document',
    min: 2,
    integer: true,
    words: ['document'],
    about: 'tokens over which leverage is computed',
  },
} satisfies Record<string, OptionDescription>

/** Φ [headDim, k] with entries N(0, 1/k), by Box–Muller. */
const gaussianSketch = (ops: Ops, view: View, k: number): Tensor => {
  const uniform = view.random()
  const phi = Float32Array.from({ length: view.headDim * k }, () => {
    const radius = Math.sqrt(-2 * Math.log(1 - uniform()))
    return (radius * Math.cos(2 * Math.PI * uniform())) / Math.sqrt(k)
  })
  return ops.from(phi, [view.headDim, k])
}

const create = (given?: Readonly<Record<string, unknown>>): Method => {
  const { chunkTokens, scaled, valueNorm, pool, lambda, sketch, ridge, leverageChunkTokens } = readOptions(
    'compactor',
    options,
    given,
  )
  if (Number(pool) % 2 === 0) throw new RangeError(`option pool of method compactor takes an odd number, got ${pool}`)

  const attentionMass = (ops: Ops, { rotated, v, headDim }: View): Tensor => {
    const scale = scaled ? 1 / Math.sqrt(headDim) : 1
    const mass = ops.chunkAttentionMass(rotated.q, rotated.k, { chunkTokens: Number(chunkTokens), scale })
    const weighted = valueNorm ? ops.multiply(mass, ops.norms(v)) : mass
    return Number(pool) > 1 ? ops.averagePool(weighted, Number(pool)) : weighted
  }

  const leverage = (ops: Ops, view: View): Tensor =>
    ops.leverage(view.raw.k, {
      ridge: Number(ridge),
      ...(sketch === 'exact' ? {} : { sketch: gaussianSketch(ops, view, Number(sketch)) }),
      ...(leverageChunkTokens === 'document' ? {} : { chunkTokens: Number(leverageChunkTokens) }),
    })

  return {
    name: 'compactor',
    nested: lambda !== 'removed',
    needs: { queries: true },
    selection: { protectFirst: 16, protectLast: 64, heads: 'across' },
    score: (ops, view) => {
      const factor = lambda === 'removed' ? 1 - (view.keep ?? 0) : Number(lambda)
      return ops.addScaled(ops.zScore(attentionMass(ops, view)), ops.zScore(leverage(ops, view)), factor)
    },
  }
}

export const compactor: MethodEntry = {
  name: 'compactor',
  summary: 'leverage of keys blended with non-causal attention mass (arXiv 2507.08143)',
  options,
  create,
}
