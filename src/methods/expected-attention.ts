/**
 * Expected attention (arXiv 2510.00636): the attention that queries yet to come will pay, if they are distributed like the
 * document's own, before rotary embedding, and stand at the positions behind it; weighted by the norm of the value.
 */
import type { Ops, Tensor } from '../backends/ops.ts'
import type { Method, MethodEntry, View } from './method.ts'
import { type OptionDescription, readOptions } from './options.ts'
import { withUnjudged } from './unjudged.ts'

const options = {
  futurePositions: { default: 512, min: 1, max: 8192, integer: true, about: 'positions behind the document to expect' },
  sinks: { default: 4, min: 0, integer: true, about: 'first tokens that always stay and say nothing about queries' },
  valueNorm: { default: true, about: 'multiply by the norm of the value' },
  epsilon: { default: 0, min: 0, about: 'added to the expected weight before the value’s norm' },
} satisfies Record<string, OptionDescription>

/**
 * Mean over `count` positions from `first` of each rotated unit vector → [headDim, headDim]. Attention with equal weights
 * is a mean: the unit vectors stand for heads, the positions for rows.
 */
const meanRotation = (ops: Ops, { headDim, rotate }: View, first: number, count: number): Tensor => {
  const units = new Float32Array(count * headDim * headDim)
  for (let i = 0; i < count * headDim; i++) units[i * headDim + (i % headDim)] = 1
  const positions = Uint32Array.from({ length: count }, (_, i) => first + i)
  const rotated = ops.zeros([headDim, count, headDim], 'f32')
  ops.store([rotated], 0, [rotate(ops.from(units, [count, headDim, headDim]), positions)])
  const rows = ops.reshape(rotated, [headDim * count, headDim])
  const starts = Uint32Array.from({ length: headDim }, (_, unit) => unit * count)
  const segment = { k: rows, v: rows, starts, counts: new Uint32Array(headDim).fill(count) }
  const mean = ops.attend(ops.zeros([1, headDim, headDim], 'f32'), [segment], { scale: 1, firstIndex: 0 })
  return ops.reshape(mean, [headDim, headDim])
}

const create = (given?: Readonly<Record<string, unknown>>): Method => {
  const { futurePositions, sinks, valueNorm, epsilon } = readOptions('expected-attention', options, given)

  const expected = (ops: Ops, view: View, first: number): Tensor => {
    const { tokenCount, kvHeadCount, headDim, raw, rotated, stored } = view
    const weights = ops.expectedAttention(raw.q, rotated.k, {
      rotation: meanRotation(ops, view, stored.headTokens + tokenCount, Number(futurePositions)),
      scale: 1 / Math.sqrt(headDim),
      first,
    })
    const shape = [kvHeadCount, tokenCount]
    const each = ops.from(new Float32Array(kvHeadCount * tokenCount).fill(Number(epsilon) * tokenCount), shape)
    // Times the number of tokens: halves have few bits for numbers as small as one weight.
    return ops.addScaled(each, weights, tokenCount)
  }

  return {
    name: 'expected-attention',
    nested: true,
    needs: { rawQueries: true },
    selection: { protectFirst: Number(sinks), protectLast: 0, heads: 'apart' },
    score: (ops, view) => {
      // The sinks are the first tokens of all; what stands before the document may hold them. One query is needed.
      const first = Math.max(0, Math.min(Number(sinks) - view.stored.headTokens, view.tokenCount - 1))
      const weights = expected(ops, view, first)
      return withUnjudged(ops, valueNorm ? ops.multiply(weights, ops.norms(view.v)) : weights, 0, first)
    },
  }
}

export const expectedAttention: MethodEntry = {
  name: 'expected-attention',
  summary: 'attention expected from later queries like the document’s own (arXiv 2510.00636)',
  options,
  create,
}
