/**
 * KeyDiff (arXiv 2504.15364): keys, after rotary embedding, that point away from the mean direction of their head's keys.
 * The paper evicts block by block while it reads; here every key is compared with the whole document.
 */
import type { Method, MethodEntry } from './method.ts'
import { readOptions } from './options.ts'
import { times } from './times.ts'

const create = (given?: Readonly<Record<string, unknown>>): Method => {
  readOptions('keydiff', {}, given)
  return {
    name: 'keydiff',
    nested: true,
    needs: {},
    selection: { protectFirst: 0, protectLast: 0, heads: 'apart' },
    // Cosines lie close together; as z-scores halves tell them apart.
    score: (ops, { rotated }) => times(ops, ops.zScore(ops.cosineToMean(rotated.k)), -1),
  }
}

export const keydiff: MethodEntry = {
  name: 'keydiff',
  summary: 'keys that differ from the mean direction of their head (arXiv 2504.15364)',
  options: {},
  create,
}
