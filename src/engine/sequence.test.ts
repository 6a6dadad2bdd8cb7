/** Sequences of a model with sliding windows: 4 of its 6 layers see 8 tokens. Pages have 3. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { createNativeOps } from '../backends/native.ts'
import type { Ops } from '../backends/ops.ts'
import { createReferenceOps } from '../backends/reference.ts'
import { CompactorError } from '../error.ts'
import { createMethod } from '../methods/index.ts'
import { toyModel } from '../models/model.conformance.ts'
import type { Model } from '../models/model.ts'
import { Control } from './control.ts'
import { prefill } from './prefill.ts'
import { Sequence } from './sequence.ts'

const control = new Control()
const ids = (count: number, from: number): Uint32Array =>
  Uint32Array.from({ length: count }, (_, i) => 3 + ((i * 37 + from) % 250))

const setUp = async (t: TestContext, create: () => Ops & { dispose(): void }, precision: 'f32' | 'f16') => {
  const ops = create()
  t.after(() => ops.dispose())
  const model = toyModel(ops, 'gemma3')
  const block = await blockOf(ops, model, precision)
  let isStopped = false
  const stoppable: Model = {
    ...model,
    layer: (index, ...rest) => {
      if (index === 3 && isStopped) throw new CompactorError('aborted', 'stopped in the fourth layer')
      return model.layer(index, ...rest)
    },
  }
  const stopping = async (step: () => Promise<unknown>): Promise<void> => {
    isStopped = true
    await assert.rejects(step, { code: 'aborted' })
    isStopped = false
  }
  const fresh = (): Sequence => new Sequence(ops, stoppable, { block, nextPosition: 25, precision, pageTokens: 3 })
  /** Gives nothing back: it may be cut back to wherever it was. */
  const held = (): Sequence => {
    const sequence = fresh()
    for (let length = 0; length < 200; length++) sequence.bookmark(length)
    return sequence
  }
  const { kvHeadCount, headDim } = model.config
  const pageBytes = 2 * kvHeadCount * 3 * headDim * (precision === 'f32' ? 4 : 2)
  return { fresh, held, stopping, pagesOf: (sequence: Sequence) => sequence.bytes / pageBytes }
}

const blockOf = async (ops: Ops, model: Model, precision: 'f32' | 'f16') => {
  const method = createMethod('compactor')
  const selection = { protectFirst: 1, protectLast: 1, heads: 'across' } as const
  const [head, document] = [ids(3, 1), ids(22, 2)]
  const pairs = 11 * model.config.kvHeadCount
  const input = { head, document, method, selection, pairs, precision, seed: 1, control } as const
  return (await prefill(ops, model, input)).block
}

/** Logits after each of several readings. */
const readAll = async (sequence: Sequence, readings: readonly Uint32Array[]): Promise<Float32Array[]> => {
  const logits: Float32Array[] = []
  for (const reading of readings) logits.push((await sequence.next(reading, control)).slice())
  return logits
}

const one = (id: number): Uint32Array => Uint32Array.of(id)
const question = ids(19, 3)
const answer = [...ids(40, 4)].map(one)

const native = () => createNativeOps({ threads: 2 })
const backends = [
  ['reference', 'f32', createReferenceOps],
  ['native', 'f16', native],
] as const

for (const [name, precision, create] of backends) {
  test(`${name}: 59 tokens after a block in windows of 8 give the same logits bit for bit with pages given back; 56 of 120 are held`, async (t) => {
    const { fresh, held, pagesOf } = await setUp(t, create, precision)
    const [given, whole] = [fresh(), held()]
    assert.deepEqual(await readAll(given, [question, ...answer]), await readAll(whole, [question, ...answer]))
    assert.equal(pagesOf(whole), 6 * 20)
    assert.equal(pagesOf(given), 2 * 20 + 4 * 4)
    given.settle()
    assert.equal(pagesOf(given), 2 * 20 + 4 * 3)
  })
}

test('sequence: three turns, one of them rolled back after pages were given back, say bit for bit what two turns say', async (t) => {
  const { fresh, held, pagesOf } = await setUp(t, native, 'f16')
  const [given, whole] = [fresh(), held()]
  const first = await readAll(given, [question, ...answer])
  given.settle()
  const [length, pages] = [given.length, pagesOf(given)]
  await readAll(given, [ids(30, 7), ...answer])
  assert.ok(pagesOf(given) <= 2 * 43 + 4 * (3 + 4), `${pagesOf(given)}`)
  given.truncate(length)
  assert.equal(pagesOf(given), pages)
  const second = await readAll(given, [ids(23, 8), ...answer])
  assert.deepEqual([...first, ...second], await readAll(whole, [question, ...answer, ids(23, 8), ...answer]))
})

test('sequence: what is settled is not cut off in layers with windows; a question bookmarked ahead is read again after its answer', async (t) => {
  const { fresh, held } = await setUp(t, native, 'f16')
  const sequence = fresh()
  await readAll(sequence, [question])
  sequence.settle()
  sequence.bookmark(23)
  const [, , again] = await readAll(sequence, [ids(4, 5), one(9), one(11), ...answer])
  for (const length of [12, 45])
    assert.throws(() => sequence.truncate(length), /cut back to (12|45) of its 65 tokens: .*; set a bookmark before/)
  assert.equal(sequence.length, 65)
  sequence.truncate(23)
  assert.deepEqual((await readAll(sequence, [one(9), one(11)]))[1], again)
  const whole = held()
  assert.deepEqual((await readAll(whole, [question, ids(4, 5), one(9), one(11)]))[3], again)
})

test('sequence: a step of 20 tokens stopped in the fourth of 6 layers, tried again or rolled back, leaves no trace, bit for bit', async (t) => {
  const { fresh, held, stopping } = await setUp(t, native, 'f16')
  const [given, whole] = [fresh(), held()]
  for (const sequence of [given, whole]) await readAll(sequence, [question, ...answer])
  await stopping(() => given.next(ids(20, 6), control))
  assert.deepEqual(await readAll(given, [ids(20, 6)]), await readAll(whole, [ids(20, 6)]))
  given.settle()
  await readAll(given, [ids(30, 5), ...answer])
  await stopping(() => given.next(ids(20, 7), control))
  given.truncate(79)
  assert.deepEqual(await readAll(given, [ids(9, 8)]), await readAll(whole, [ids(9, 8)]))
})
