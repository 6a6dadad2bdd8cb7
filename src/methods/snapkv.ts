/**
 * SnapKV (arXiv 2404.14469): the attention that a window of late queries pays to each token, pooled over neighbours. The
 * window is the document's last tokens, or, in the paper's own setting, a question that stands behind it. The paper has
 * a window of 16 or 32 and a pool of 7; the default is that of kvpress.
 */
import type { Ops, Tensor } from '../backends/ops.ts'
import type { Method, MethodEntry, View } from './method.ts'
import { type OptionDescription, readOptions } from './options.ts'
import { paddedPool } from './padded-pool.ts'
import { times } from './times.ts'
import { withUnjudged } from './unjudged.ts'

const options = {
  window: {
    default: 64,
    min: 1,
    integer: true,
    words: ['question'],
    about: 'last tokens whose queries judge, at most half of the document; "question" lets the question judge',
  },
  pool: { default: 5, min: 1, integer: true, odd: true, about: 'average the attention over this many neighbours' },
} satisfies Record<string, OptionDescription>

/** Each weight times the number of tokens, so that its mean is about 1. */
const received = (ops: Ops, view: View, window: number): Tensor => {
  const { tokenCount, headCount, kvHeadCount, headDim, stored, rotated } = view
  const q = ops.slice(rotated.q, tokenCount - window, window)
  const document = { ...stored.document(0, tokenCount), causalFrom: stored.headTokens }
  const mass = ops.attentionReceived(q, [document, stored.head], {
    scale: 1 / Math.sqrt(headDim),
    firstIndex: stored.headTokens + tokenCount - window,
    reduce: 'sum',
  })
  // What lies in the window counts as nothing for its neighbours outside.
  const factor = (tokenCount * kvHeadCount) / (window * headCount)
  const outside = Float32Array.from({ length: kvHeadCount * tokenCount }, (_, i) =>
    i % tokenCount < tokenCount - window ? factor : 0,
  )
  return ops.multiply(mass, ops.from(outside, [kvHeadCount, tokenCount]))
}

const receivedFromQuestion = (ops: Ops, view: View): Tensor => {
  const { tokenCount, headCount, kvHeadCount, headDim, stored, streams } = view
  const [stream] = streams
  if (!stream) throw new TypeError('snapkv with window=question was given no question')
  const mass = ops.attentionReceived(stream.q, [stored.document(0, tokenCount), stored.head, stream.own], {
    scale: 1 / Math.sqrt(headDim),
    firstIndex: 0,
    reduce: 'sum',
  })
  return times(ops, mass, (tokenCount * kvHeadCount) / ((stream.q.shape[0] as number) * headCount))
}

const create = (given?: Readonly<Record<string, unknown>>): Method => {
  const { window, pool } = readOptions('snapkv', options, given)
  const asked = window === 'question'
  return {
    name: 'snapkv',
    nested: true,
    needs: asked ? { question: true } : { queries: true },
    selection: { protectFirst: 0, protectLast: asked ? 0 : Number(window), heads: 'apart' },
    score: (ops, view) => {
      if (asked) return paddedPool(ops, receivedFromQuestion(ops, view), Number(pool))
      const judges = Math.min(Number(window), Math.ceil(view.tokenCount / 2))
      const pooled = paddedPool(ops, received(ops, view, judges), Number(pool))
      return withUnjudged(ops, pooled, view.tokenCount - judges, judges)
    },
  }
}

export const snapkv: MethodEntry = {
  name: 'snapkv',
  summary: 'attention of the last tokens, or of a question, pooled (arXiv 2404.14469)',
  options,
  create,
}
