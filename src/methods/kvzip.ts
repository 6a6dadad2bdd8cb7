/**
 * KVzip (arXiv 2505.23416): the document is said again behind itself, in pieces, and a token is worth the most attention
 * that any of those queries pays to it, among its own piece, the first tokens of all and the words of the request.
 */
import type { Ops, Segment, Tensor } from '../backends/ops.ts'
import type { Method, MethodEntry, Stream, View } from './method.ts'
import { type OptionDescription, readOptions } from './options.ts'
import { times } from './times.ts'
import { withUnjudged } from './unjudged.ts'

const options = {
  chunkTokens: { default: 2048, min: 16, integer: true, about: 'tokens of a piece that is said again' },
  sinks: { default: 4, min: 0, integer: true, about: 'first tokens of all, seen by every piece; they always stay' },
} satisfies Record<string, OptionDescription>

const texts = {
  first: 'Repeat the previous context exactly.',
  next: 'Repeat the part of the previous context exactly, starting with',
  tailTokens: 8,
} as const

// Brings the largest weight, 1, to 1024, so that halves keep 11 bits down to a weight of 6e-8.
const size = 1024

/** The first `sinks` tokens of all, as far as they stand before the piece. */
const sinkSegments = ({ stored }: View, sinks: number, { about }: Stream): Segment[] => {
  const { head, headTokens } = stored
  const inHead = { ...head, counts: head.counts.map((count) => Math.min(count, sinks)) }
  return [inHead, stored.document(0, Math.min(Math.max(0, sinks - headTokens), about.from))]
}

/** Columns `from` … of target [kvHeads, tokens] ← scores [kvHeads, count] */
const placeColumns = (ops: Ops, target: Tensor, scores: Tensor, from: number): void => {
  const [heads = 0, tokens = 0] = target.shape
  const [, count = 0] = scores.shape
  const [into, out] = [ops.reshape(target, [heads * tokens]), ops.reshape(scores, [heads * count])]
  for (let head = 0; head < heads; head++)
    ops.copy(ops.slice(into, head * tokens + from, count), ops.slice(out, head * count, count))
}

const create = (given?: Readonly<Record<string, unknown>>): Method => {
  const { chunkTokens, sinks } = readOptions('kvzip', options, given)
  return {
    name: 'kvzip',
    nested: true,
    needs: { repeat: { chunkTokens: Number(chunkTokens), ...texts } },
    selection: { protectFirst: Number(sinks), protectLast: 0, heads: 'model' },
    score: (ops, view) => {
      const { tokenCount, kvHeadCount, headDim, stored, streams } = view
      const most = ops.zeros([kvHeadCount, tokenCount], 'f32')
      for (const stream of streams) {
        const { from, count } = stream.about
        const segments = [stored.document(from, count), ...sinkSegments(view, Number(sinks), stream), stream.own]
        const scale = 1 / Math.sqrt(headDim)
        placeColumns(
          ops,
          most,
          ops.attentionReceived(stream.q, segments, { scale, firstIndex: 0, reduce: 'max' }),
          from,
        )
      }
      const first = Math.max(0, Math.min(Number(sinks) - stored.headTokens, tokenCount))
      return withUnjudged(ops, times(ops, most, size), 0, first)
    },
  }
}

export const kvzip: MethodEntry = {
  name: 'kvzip',
  summary: 'the most attention paid while the document is said again (arXiv 2505.23416)',
  options,
  create,
}
