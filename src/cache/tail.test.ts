import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toyRandom } from '../../test/fixtures/toy-context.ts'
import type { Tensor } from '../backends/ops.ts'
import { createReferenceOps } from '../backends/reference.ts'
import { mostTailBytes, Tail } from './tail.ts'

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

/** Layer 0 sees all, layer 1 the last 5 tokens, in pages of 3. */
const windowed = { ...shape, windows: [undefined, 5] }
const pageBytes = 2 * 2 * 3 * 4 * 4

const read = (tail: Tail, from: number, to: number, step = 1): void => {
  const [k, v] = [vectors(40, 1), vectors(40, 2)]
  for (let at = from; at < to; at += step) {
    tail.reserve(step)
    for (let layer = 0; layer < 2; layer++) tail.append(layer, ops.slice(k, at, step), ops.slice(v, at, step))
  }
}

const pagesOf = (tail: Tail, layer: number): (number | undefined)[] =>
  tail.segments(layer).map(({ causalFrom }) => causalFrom)

test('tail: of 30 tokens in pages of 3 a layer with a window of 5 holds 3 pages, settled 2, one that sees all 10', () => {
  const tail = new Tail(ops, windowed, { pageTokens: 3 })
  read(tail, 0, 30)
  assert.deepEqual(pagesOf(tail, 0), [0, 3, 6, 9, 12, 15, 18, 21, 24, 27])
  assert.deepEqual(pagesOf(tail, 1), [21, 24, 27])
  assert.equal(tail.bytes, 13 * pageBytes)
  tail.settle()
  assert.deepEqual(pagesOf(tail, 1), [24, 27])
  assert.equal(tail.bytes, 12 * pageBytes)
  read(tail, 30, 36, 6)
  assert.deepEqual(pagesOf(tail, 1), [24, 27, 30, 33])
  assert.equal(tail.bytes, (12 + 4) * pageBytes)
})

const attendWindow = (q: Tensor, tail: Tail, firstIndex: number): Promise<Float32Array | Uint16Array> => {
  const segments = tail.segments(1).map((segment) => ({ ...segment, window: 5 }))
  return ops.read(ops.attend(q, segments, { scale: 0.5, firstIndex }))
}

test('tail: queries see the same through a window of 5 whether pages were given back or not, 1 to 40 tokens', async () => {
  const [given, held] = [new Tail(ops, windowed, { pageTokens: 3 }), new Tail(ops, windowed, { pageTokens: 3 })]
  for (let length = 0; length < 40; length++) held.bookmark(length)
  const q = vectors(1, 9)
  for (let length = 0; length < 40; length++) {
    for (const tail of [given, held]) read(tail, length, length + 1)
    assert.deepEqual(await attendWindow(q, given, length), await attendWindow(q, held, length))
  }
  assert.equal(held.bytes, 28 * pageBytes)
  assert.ok(given.bytes < 18 * pageBytes)
})

test('tail: cut back to where it was settled, 14 tokens, after 26 more it holds what it held there', () => {
  const tail = new Tail(ops, windowed, { pageTokens: 3 })
  read(tail, 0, 14)
  tail.settle()
  const [pages, bytes] = [pagesOf(tail, 1), tail.bytes]
  assert.deepEqual(pages, [9, 12])
  read(tail, 14, 40)
  assert.deepEqual(pagesOf(tail, 1), [9, 12, 33, 36, 39])
  tail.truncate(14)
  assert.deepEqual([pagesOf(tail, 1), tail.bytes], [pages, bytes])
  read(tail, 14, 20)
  tail.truncate(14)
  assert.deepEqual([pagesOf(tail, 1), tail.bytes], [pages, bytes])
})

test('tail: a length whose window was given back is refused and nothing changes; a bookmark set before or ahead is held', () => {
  const tail = new Tail(ops, windowed, { pageTokens: 3 })
  read(tail, 0, 10)
  tail.bookmark(10)
  tail.bookmark(17)
  read(tail, 10, 40)
  for (const length of [4, 24, 33]) {
    assert.throws(() => tail.truncate(length), /cannot be cut back to \d+ of its 40 tokens: what layer 1 sees there/)
    assert.throws(() => tail.bookmark(length), RangeError)
  }
  assert.throws(() => tail.bookmark(1.5), RangeError)
  assert.equal(tail.length, 40)
  tail.truncate(38) // its window still stands
  tail.truncate(17)
  assert.deepEqual(pagesOf(tail, 1), [6, 9, 12, 15])
  read(tail, 17, 40)
  tail.truncate(10)
  assert.deepEqual(pagesOf(tail, 1), [6, 9])
  read(tail, 10, 40)
  assert.throws(() => tail.truncate(17), RangeError) // forgotten when it was cut back to 10
  tail.settle()
  assert.throws(() => tail.truncate(10), RangeError)
})

test('tail: a copy has the pages and bookmarks of the first and nothing in common with it', async () => {
  const tail = new Tail(ops, windowed, { pageTokens: 3 })
  read(tail, 0, 30)
  tail.bookmark(30)
  const copy = new Tail(ops, windowed, { pageTokens: 3 })
  read(copy, 0, 7)
  copy.copyFrom(tail)
  assert.deepEqual([pagesOf(copy, 1), copy.bytes, copy.length], [pagesOf(tail, 1), tail.bytes, 30])
  const see = (): Promise<Float32Array | Uint16Array> => attendWindow(vectors(1, 9), copy, 29)
  const before = await see()
  assert.deepEqual(before, await attendWindow(vectors(1, 9), tail, 29))
  tail.truncate(30)
  read(tail, 0, 30)
  tail.dispose()
  assert.deepEqual(await see(), before)
  read(copy, 30, 39)
  copy.truncate(30)
  assert.deepEqual(await see(), before)
})

test('tail: a step of 4 tokens cut short between layers gives nothing back that the next try sees', () => {
  const tail = new Tail(ops, windowed, { pageTokens: 3 })
  read(tail, 0, 30)
  tail.reserve(4)
  tail.append(0, vectors(4, 1), vectors(4, 2))
  const held = pagesOf(tail, 1)
  tail.reserve(4)
  assert.equal(tail.length, 30)
  assert.deepEqual(pagesOf(tail, 1), held)
  assert.deepEqual(held, [24, 27])
  read(tail, 30, 34, 4)
  assert.deepEqual(pagesOf(tail, 1), [24, 27, 30, 33])
})

test('tail: a window of 1 token holds the page that is written on and no other', () => {
  const tail = new Tail(ops, { ...shape, windows: [1, undefined] }, { pageTokens: 3 })
  read(tail, 0, 10)
  tail.settle()
  assert.deepEqual(pagesOf(tail, 0), [9])
  read(tail, 10, 30)
  tail.truncate(10)
  assert.deepEqual(pagesOf(tail, 0), [9])
})

test('tail: no reading in steps of up to 256 tokens holds more than mostTailBytes says, windows of 300 tokens', () => {
  const long = { layerCount: 3, kvHeadCount: 1, headDim: 4, precision: 'f16' as const, windows: [300, undefined, 1] }
  for (const stepTokens of [1, 100, 256]) {
    const tail = new Tail(ops, long)
    const step = ops.zeros([stepTokens, 1, 4], 'f32')
    tail.bookmark(1000)
    let most = 0
    for (let tokens = 0; tokens < 4000; tokens += stepTokens) {
      tail.reserve(stepTokens)
      most = Math.max(most, tail.bytes)
      for (let layer = 0; layer < 3; layer++) tail.append(layer, step, step)
      const bound = mostTailBytes(long, { tokens: tokens + stepTokens, stepTokens, bookmarks: 1 })
      assert.ok(most <= bound, `${most} bytes of ${bound} after ${tokens + stepTokens} tokens`)
    }
    assert.ok(mostTailBytes(long, { tokens: 4000, stepTokens, bookmarks: 1 }) < 0.75 * 3 * 16 * 256 * 16)
  }
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
