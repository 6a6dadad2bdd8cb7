/**
 * Compactor (arXiv 2507.08143): statistical leverage of the keys before RoPE (unusual keys) blended with the attention
 * they receive inside chunks without causal mask (useful keys), and, beyond the paper, with KeyDiff's dissimilarity. Knows
 * no question. Where the paper, compactor-vllm and kvpress differ there is an option; docs/methods.md says who does what,
 * docs/evaluation.md why the defaults are not the paper's.
 */
import { attentionMassOptions, attentionMassScore } from './attention-mass.ts'
import { leverageOptions, leverageScore } from './leverage.ts'
import type { Method, MethodEntry } from './method.ts'
import { type OptionDescription, readOptions } from './options.ts'

const options = {
  ...attentionMassOptions,
  lambda: { default: 1, min: 0, words: ['removed'], about: 'weight of leverage; "removed" is the share removed' },
  ...leverageOptions,
  difference: {
    default: 2,
    min: 0,
    about: 'weight of KeyDiff’s dissimilarity of a key, after RoPE, from the mean key',
  },
} satisfies Record<string, OptionDescription>

const create = (given?: Readonly<Record<string, unknown>>): Method => {
  const read = readOptions('compactor', options, given)
  const { lambda, difference } = read
  const useful = attentionMassScore(read)
  const unusual = leverageScore(read)
  return {
    name: 'compactor',
    nested: lambda !== 'removed',
    needs: { queries: true },
    selection: { protectFirst: 4, protectLast: 16, heads: 'across' },
    score: (ops, view) => {
      const factor = lambda === 'removed' ? 1 - (view.keep ?? 0) : Number(lambda)
      const blend = ops.addScaled(useful(ops, view), unusual(ops, view), factor)
      if (difference === 0) return blend
      return ops.addScaled(blend, ops.zScore(ops.cosineToMean(view.rotated.k)), -Number(difference))
    },
  }
}

export const compactor: MethodEntry = {
  name: 'compactor',
  summary: 'leverage of keys blended with non-causal attention mass (arXiv 2507.08143)',
  options,
  create,
}
