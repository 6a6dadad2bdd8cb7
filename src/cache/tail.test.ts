import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toyRandom } from '../../test/fixtures/toy-context.ts'
import type { Tensor } from '../backends/ops.ts'
import { createReferenceOps } from '../backends/reference.ts'
import { Tail } from './tail.ts'

const ops = createReferenceOps()
const shape = { layerCount: 2, kvHeadCount: 2, headDim: 4, precision: 'f32' as const }

const vectors = (count: number, seed: number): Tensor => {
  const random = toyRandom(seed)
  return ops.from(Float32Array.from({ length: count * 2 * 4 }, random), [count, 2, 4])
}

const attend = (q: Tensor, tail: Tail, layer: number, firstIndex: number): Promise<Float32Array | Uint16Array> =>
  ops.read(ops.attend(q, tail.segments(layer), { scale: 0.5, firstIndex }))

test('tail: attention over pages of 3 equals attention over one page, tokens appended 1, 5, 2 and 4 at a time', async () => {
  const paged = new Tail(ops, shape, { pageTokens: 3 })
  const whole = new Tail(ops, shape)
  for (const [step, count] of [1, 5, 2, 4].entries()) {
    const firstIndex = paged.length
    for (const tail of [paged, whole]) tail.reserve(count)
    for (let layer = 0; layer < 2; layer++) {
      const [k, v, q] = [1, 2, 3].map((i) => vectors(count, 100 * step + 10 * layer + i)) as [Tensor, Tensor, Tensor]
      ops.scope(() => {
        for (const tail of [paged, whole]) tail.append(layer, k, v)
      })
      const [a, b] = [await attend(q, paged, layer, firstIndex), await attend(q, whole, layer, firstIndex)]
      assert.ok(a.every((value, i) => Math.abs(value - (b[i] as number)) < 1e-6))
    }
  }
  assert.equal(paged.length, 12)
  assert.deepEqual(
    paged.segments(0).map(({ causalFrom }) => causalFrom),
    [0, 3, 6, 9],
  )
  assert.equal(whole.segments(0).length, 1)
})

test('tail: a token sees itself and what came before it, not what comes after', async () => {
  const tail = new Tail(ops, shape, { pageTokens: 2 })
  tail.reserve(3)
  const [k, v] = [vectors(3, 1), vectors(3, 2)]
  tail.append(0, k, v)
  const first = await attend(vectors(1, 3), tail, 0, 0)
  const values = await ops.read(v)
  assert.ok(first.every((value, i) => Math.abs(value - (values[i] as number)) < 1e-6))
})

test('tail: truncated to 4 of 7 tokens and continued equals never having had the other 3', async () => {
  const [k, v] = [vectors(7, 1), vectors(7, 2)]
  const [moreK, moreV] = [vectors(2, 3), vectors(2, 4)]
  const make = (count: number): Tail => {
    const tail = new Tail(ops, shape, { pageTokens: 3 })
    tail.reserve(count)
    for (let layer = 0; layer < 2; layer++) tail.append(layer, ops.slice(k, 0, count), ops.slice(v, 0, count))
    return tail
  }
  const cut = make(7)
  cut.truncate(4)
  const short = make(4)
  for (const tail of [cut, short]) {
    tail.reserve(2)
    for (let layer = 0; layer < 2; layer++) tail.append(layer, moreK, moreV)
  }
  assert.equal(cut.length, 6)
  assert.equal(cut.bytes, short.bytes)
  const q = vectors(2, 5)
  assert.deepEqual(await attend(q, cut, 1, 4), await attend(q, short, 1, 4))
})

test('tail: a step cut short after the first of 2 layers is forgotten by truncate and by the next reserve', () => {
  const tail = new Tail(ops, shape)
  tail.reserve(2)
  tail.append(0, vectors(2, 1), vectors(2, 2))
  assert.equal(tail.length, 0)
  tail.truncate(0)
  assert.deepEqual(tail.segments(0), [])
  tail.reserve(2)
  tail.append(0, vectors(2, 1), vectors(2, 2))
  tail.reserve(1)
  assert.deepEqual(tail.segments(0), [])
})

test('tail: tokens without reserved pages, layers and lengths out of range are refused', () => {
  const tail = new Tail(ops, shape, { pageTokens: 4 })
  assert.throws(() => tail.append(0, vectors(1, 1), vectors(1, 2)), /room for 0 tokens, got 1/)
  tail.reserve(4)
  assert.throws(() => tail.append(0, vectors(5, 1), vectors(5, 2)), /room for 4 tokens, got 5/)
  assert.throws(() => tail.segments(2), RangeError)
  assert.throws(() => tail.truncate(1), RangeError)
  assert.throws(() => new Tail(ops, shape, { pageTokens: 0 }), RangeError)
  tail.dispose()
  assert.equal(tail.bytes, 0)
})
