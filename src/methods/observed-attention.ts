/**
 * Observed attention: what each token received while the document was read, as in H2O (arXiv 2306.14048) but without its
 * eviction on the way and its local window, and divided by the number of queries that could see the token.
 */
import type { Method, MethodEntry } from './method.ts'
import { readOptions } from './options.ts'

const create = (given?: Readonly<Record<string, unknown>>): Method => {
  readOptions('observed-attention', {}, given)
  return {
    name: 'observed-attention',
    nested: true,
    needs: { queries: true },
    selection: { protectFirst: 0, protectLast: 0, heads: 'apart' },
    score: (ops, { tokenCount, headCount, kvHeadCount, headDim, rotated, stored }) => {
      const { headTokens } = stored
      const document = { ...stored.document(0, tokenCount), causalFrom: headTokens }
      const mass = ops.attentionReceived(rotated.q, [document, stored.head], {
        scale: 1 / Math.sqrt(headDim),
        firstIndex: headTokens,
        reduce: 'sum',
      })
      // Times the number of tokens: halves have few bits for numbers as small as one weight.
      const size = (tokenCount * kvHeadCount) / headCount
      const perQuery = Float32Array.from(
        { length: kvHeadCount * tokenCount },
        (_, i) => size / (tokenCount - (i % tokenCount)),
      )
      return ops.multiply(mass, ops.from(perQuery, [kvHeadCount, tokenCount]))
    },
  }
}

export const observedAttention: MethodEntry = {
  name: 'observed-attention',
  summary: 'mean attention received from the document’s own later tokens (after arXiv 2306.14048)',
  options: {},
  create,
}
