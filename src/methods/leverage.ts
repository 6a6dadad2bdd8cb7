/**
 * Leverage alone, one half of Compactor (arXiv 2507.08143): keys before rotary embedding that stand out from the others
 * of their head.
 */
import type { Ops, Tensor } from '../backends/ops.ts'
import type { Method, MethodEntry, View } from './method.ts'
import { type OptionDescription, type OptionValue, readOptions } from './options.ts'

export const leverageOptions: Readonly<Record<'sketch' | 'ridge' | 'leverageChunkTokens', OptionDescription>> = {
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
}

/** Φ [headDim, k] with entries N(0, 1/k), by Box–Muller. */
const gaussianSketch = (ops: Ops, view: View, k: number): Tensor => {
  const uniform = view.random()
  const root = Math.sqrt(k)
  const phi = new Float32Array(view.headDim * k)
  // A loop: Float32Array.from with a function takes twice as long, and this runs for every layer.
  for (let i = 0; i < phi.length; i++) {
    const radius = Math.sqrt(-2 * Math.log(1 - uniform()))
    phi[i] = (radius * Math.cos(2 * Math.PI * uniform())) / root
  }
  return ops.from(phi, [view.headDim, k])
}

/** As z-scores over all tokens and heads of the layer, by options that were read. */
export const leverageScore =
  ({ sketch, ridge, leverageChunkTokens }: Readonly<Record<string, OptionValue>>): Method['score'] =>
  (ops, view) =>
    ops.zScore(
      ops.leverage(view.raw.k, {
        ridge: Number(ridge),
        ...(sketch === 'exact' ? {} : { sketch: gaussianSketch(ops, view, Number(sketch)) }),
        ...(leverageChunkTokens === 'document' ? {} : { chunkTokens: Number(leverageChunkTokens) }),
      }),
    )

const create = (given?: Readonly<Record<string, unknown>>): Method => ({
  name: 'leverage',
  nested: true,
  needs: {},
  selection: { protectFirst: 16, protectLast: 64, heads: 'across' },
  score: leverageScore(readOptions('leverage', leverageOptions, given)),
})

export const leverage: MethodEntry = {
  name: 'leverage',
  summary: 'Compactor’s leverage of keys alone (arXiv 2507.08143)',
  options: leverageOptions,
  create,
}
