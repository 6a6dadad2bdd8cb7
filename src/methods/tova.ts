/**
 * TOVA (arXiv 2401.06104): the attention that the last token pays to each token, averaged over all query heads of the
 * layer, so that its KV heads keep the same tokens. The paper evicts one token a step; here the last step decides.
 */
import type { Method, MethodEntry } from './method.ts'
import { readOptions } from './options.ts'
import { times } from './times.ts'
import { withUnjudged } from './unjudged.ts'

const create = (given?: Readonly<Record<string, unknown>>): Method => {
  readOptions('tova', {}, given)
  return {
    name: 'tova',
    nested: true,
    needs: { queries: true },
    selection: { protectFirst: 0, protectLast: 1, heads: 'apart' },
    score: (ops, { tokenCount, headCount, kvHeadCount, headDim, rotated, stored }) => {
      const last = ops.slice(rotated.q, tokenCount - 1, 1)
      const mass = ops.attentionReceived(last, [stored.document(0, tokenCount), stored.head], {
        scale: 1 / Math.sqrt(headDim),
        firstIndex: 0,
        reduce: 'sum',
      })
      const mean = times(ops, ops.meanOverHeads(mass), (tokenCount * kvHeadCount) / headCount)
      return withUnjudged(ops, mean, tokenCount - 1, 1)
    },
  }
}

export const tova: MethodEntry = {
  name: 'tova',
  summary: 'attention of the last token, the same tokens for all heads (arXiv 2401.06104)',
  options: {},
  create,
}
