/**
 * Attention mass alone, one half of Compactor (arXiv 2507.08143): what each key receives from the queries of its chunk,
 * without causal mask.
 */
import type { Method, MethodEntry } from './method.ts'
import { type OptionDescription, type OptionValue, readOptions } from './options.ts'
import { paddedPool } from './padded-pool.ts'

export const attentionMassOptions: Readonly<
  Record<'chunkTokens' | 'scaled' | 'valueNorm' | 'pool', OptionDescription>
> = {
  chunkTokens: { default: 256, min: 1, integer: true, about: 'C: tokens of a chunk in which attention is summed' },
  scaled: { default: false, about: 'divide the attention logits by √headDim' },
  valueNorm: { default: false, about: 'multiply the attention mass by the norm of the value' },
  pool: { default: 1, min: 1, integer: true, odd: true, about: 'average the attention mass over this many neighbours' },
}

/** As z-scores over all tokens and heads of the layer, by options that were read. */
export const attentionMassScore =
  ({ chunkTokens, scaled, valueNorm, pool }: Readonly<Record<string, OptionValue>>): Method['score'] =>
  (ops, { rotated, v, headDim }) => {
    const scale = scaled ? 1 / Math.sqrt(headDim) : 1
    const mass = ops.chunkAttentionMass(rotated.q, rotated.k, { chunkTokens: Number(chunkTokens), scale })
    const weighted = valueNorm ? ops.multiply(mass, ops.norms(v)) : mass
    return ops.zScore(paddedPool(ops, weighted, Number(pool)))
  }

const create = (given?: Readonly<Record<string, unknown>>): Method => ({
  name: 'attention-mass',
  nested: true,
  needs: { queries: true },
  selection: { protectFirst: 16, protectLast: 64, heads: 'across' },
  score: attentionMassScore(readOptions('attention-mass', attentionMassOptions, given)),
})

export const attentionMass: MethodEntry = {
  name: 'attention-mass',
  summary: 'Compactor’s non-causal attention mass alone (arXiv 2507.08143)',
  options: attentionMassOptions,
  create,
}
