/** Keys with a small norm are kept: they tend to receive much attention (arXiv 2406.11430). */
import type { Method, MethodEntry } from './method.ts'
import { readOptions } from './options.ts'
import { times } from './times.ts'

const create = (given?: Readonly<Record<string, unknown>>): Method => {
  readOptions('key-norm', {}, given)
  return {
    name: 'key-norm',
    nested: true,
    needs: {},
    selection: { protectFirst: 0, protectLast: 0, heads: 'apart' },
    // Rotary embedding does not change a norm. Norms lie close together; as z-scores halves tell them apart.
    score: (ops, { rotated }) => times(ops, ops.zScore(ops.norms(rotated.k)), -1),
  }
}

export const keyNorm: MethodEntry = {
  name: 'key-norm',
  summary: 'keys with a small norm (arXiv 2406.11430)',
  options: {},
  create,
}
