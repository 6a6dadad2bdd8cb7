/** StreamingLLM (arXiv 2309.17453): attention sinks at the start and a window of the latest tokens, the same for all heads. */
import type { Method, MethodEntry } from './method.ts'
import { type OptionDescription, readOptions } from './options.ts'
import { spread } from './spread.ts'

const options = {
  sinks: { default: 4, min: 0, integer: true, about: 'first tokens that always stay' },
} satisfies Record<string, OptionDescription>

const create = (given?: Readonly<Record<string, unknown>>): Method => {
  const { sinks } = readOptions('streaming', options, given)
  return {
    name: 'streaming',
    nested: true,
    needs: {},
    selection: { protectFirst: Number(sinks), protectLast: 0, heads: 'apart' },
    // Later is better.
    score: (ops, { kvHeadCount, tokenCount }) => {
      const recency = (_: unknown, i: number): number => spread((i % tokenCount) / tokenCount)
      const scores = Float32Array.from({ length: kvHeadCount * tokenCount }, recency)
      return ops.from(scores, [kvHeadCount, tokenCount])
    },
  }
}

export const streaming: MethodEntry = {
  name: 'streaming',
  summary: 'attention sinks and the latest tokens (arXiv 2309.17453)',
  options,
  create,
}
