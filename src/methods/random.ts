/** Random eviction, independent for every layer and KV head: the floor that a method must beat at the same bytes. */
import type { Method, MethodEntry } from './method.ts'
import { readOptions } from './options.ts'
import { spread } from './spread.ts'

const create = (given?: Readonly<Record<string, unknown>>): Method => {
  readOptions('random', {}, given)
  return {
    name: 'random',
    nested: true,
    needs: {},
    selection: { protectFirst: 16, protectLast: 64, heads: 'apart' },
    score: (ops, { kvHeadCount, tokenCount, random }) => {
      const uniform = random()
      const scores = Float32Array.from({ length: kvHeadCount * tokenCount }, () => spread(uniform()))
      return ops.from(scores, [kvHeadCount, tokenCount])
    },
  }
}

export const random: MethodEntry = {
  name: 'random',
  summary: 'independent random choice per layer and KV head; the floor to compare with',
  options: {},
  create,
}
