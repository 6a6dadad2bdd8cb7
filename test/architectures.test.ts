/**
 * Every architecture's toys through the engine: a block that keeps all is an uncompressed cache, a saved one is the same
 * again, two sequences at once are two runs, and every method compresses it. What windows keep is counted.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createNativeOps } from '../src/backends/native.ts'
import type { Ops } from '../src/backends/ops.ts'
import type { Block } from '../src/cache/block.ts'
import { openContext } from '../src/cache/cctx-open.ts'
import { writeContext } from '../src/cache/cctx-write.ts'
import { shrink } from '../src/cache/shrink.ts'
import { Control } from '../src/engine/control.ts'
import { documentAttention } from '../src/engine/document-attention.ts'
import { predict } from '../src/engine/forward.ts'
import { prefill } from '../src/engine/prefill.ts'
import { Sequence } from '../src/engine/sequence.ts'
import { mapFile } from '../src/formats/map-file.ts'
import { methods } from '../src/methods/index.ts'
import type { Method } from '../src/methods/method.ts'
import { toyModel, toys } from '../src/models/model.conformance.ts'
import type { Model } from '../src/models/model.ts'
import { temporaryFolder } from './fixtures/temporary-folder.ts'
import { blockContents, toyContents } from './fixtures/toy-context.ts'

const ids = (count: number, from: number): Uint32Array =>
  Uint32Array.from({ length: count }, (_, i) => 3 + ((i * 37 + from) % 250))

const [head, document, question] = [ids(5, 1), ids(60, 2), ids(21, 3)]
const nextPosition = head.length + document.length

const methodOf = (name: string): Method =>
  (methods.find((entry) => entry.name === name) ?? methods[0])?.create() as Method

const streamsFor = ({ needs }: Method) =>
  needs.question || needs.repeat ? [{ ids: ids(12, 4), about: { from: 0, count: document.length } }] : []

interface Keep {
  readonly share: number
  readonly heads?: 'across' | 'apart' | 'model'
}

const compress = async (ops: Ops, model: Model, method: Method, { share, heads = 'across' }: Keep): Promise<Block> => {
  const { block } = await prefill(ops, model, {
    head,
    document,
    method,
    selection: { protectFirst: 1, protectLast: 1, heads },
    pairs: Math.round(share * document.length * model.config.kvHeadCount),
    precision: 'f32',
    seed: 1,
    control: new Control(),
    streams: streamsFor(method),
  })
  return block
}

const worst = (a: Float32Array, b: Float32Array): number =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - (b[i] as number))), 0)

const after = (ops: Ops, model: Model, block?: Block): Sequence =>
  new Sequence(ops, model, {
    precision: 'f32',
    pageTokens: 6,
    nextPosition: block ? nextPosition : 0,
    ...(block && { block }),
  })

const save = async (t: TestContext, ops: Ops, block: Block): Promise<Block> => {
  const path = join(temporaryFolder(t), 'toy.cctx')
  await writeContext(ops, path, toyContents(block))
  const opened = await openContext(path, ops, mapFile)
  t.after(() => opened.release())
  return opened.block
}

for (const { name } of toys) {
  const setUp = (t: TestContext): { ops: Ops; model: Model } => {
    const ops = createNativeOps({ threads: 2, activations: 'f32' })
    t.after(() => ops.dispose())
    return { ops, model: toyModel(ops, name) }
  }

  test(`${name}: 21 tokens after a block of all 65, whole or one by one, give the logits of 86 tokens within 1e-4`, async (t) => {
    const { ops, model } = setUp(t)
    const control = new Control()
    const expected = await after(ops, model).next(Uint32Array.of(...head, ...document, ...question), control)
    const block = await compress(ops, model, methodOf('compactor'), { share: 1 })
    const whole = await after(ops, model, block).next(question, control)
    assert.ok(worst(whole, expected) < 1e-4, `${worst(whole, expected)}`)
    const sequence = after(ops, model, block)
    let last = new Float32Array()
    for (const id of question) last = (await sequence.next(Uint32Array.of(id), control)) as typeof last
    assert.ok(worst(last, expected) < 1e-4, `${worst(last, expected)}`)
  })

  test(`${name}: two sequences of 21 and 7 tokens at once give the logits of each alone within 1e-5`, async (t) => {
    const { ops, model } = setUp(t)
    const control = new Control()
    const block = await compress(ops, model, methodOf('compactor'), { share: 0.5 })
    const parts = [question, question.subarray(0, 7)].map((own) => ({ sequence: after(ops, model, block), ids: own }))
    let part = 0
    for await (const logits of predict(ops, model, { parts, control })) {
      const alone = await after(ops, model, block).next((parts[part++] as (typeof parts)[number]).ids, control)
      assert.ok(worst(logits as Float32Array, alone) < 1e-5, `${worst(logits as Float32Array, alone)}`)
    }
    assert.equal(part, 2)
  })

  test(`${name}: all ${methods.length} methods keep half of the layers that see everything, and windows as they are`, async (t) => {
    const { ops, model } = setUp(t)
    const { layerCount, kvHeadCount, windows = [] } = model.config
    const wholeLayers = layerCount - windows.filter((window) => window !== undefined).length
    for (const entry of methods) {
      const block = await compress(ops, model, entry.create(), { share: 0.5 })
      const { pairs, windowBytes, bytesPerPair } = block.stats()
      assert.equal(pairs, wholeLayers * 30 * kvHeadCount, entry.name)
      const windowed = windows.reduce<number>((sum, window) => sum + Math.min(window ?? 0, nextPosition), 0)
      assert.equal(windowBytes, windowed * kvHeadCount * bytesPerPair)
      const logits = await after(ops, model, block).next(question, new Control())
      assert.ok(logits.every(Number.isFinite), entry.name)
    }
  })

  test(`${name}: 5 tokens after half a memory see of the document as much as 5 at once, less than 1 for each head that sees all`, async (t) => {
    const { ops, model } = setUp(t)
    const control = new Control()
    const { layerCount, headCount, windows = [] } = model.config
    const wholeLayers = layerCount - windows.filter((window) => window !== undefined).length
    const block = await compress(ops, model, methodOf('compactor'), { share: 0.5 })
    const ids = question.subarray(0, 5)
    const observe = (spans: readonly { from: number; count: number }[]): Promise<Float64Array[]> =>
      documentAttention(ops, block, { sequence: after(ops, model, block), ids, spans }, control)
    const [together] = await observe([{ from: 0, count: 5 }])
    const each = await observe([0, 1, 2, 3, 4].map((from) => ({ from, count: 1 })))
    for (const masses of each) {
      const sum = masses.reduce((total, mass) => total + mass, 0)
      assert.ok(sum > 0 && sum < wholeLayers * headCount, `${sum}`)
    }
    together?.forEach((mass, token) => {
      const mean = each.reduce((total, masses) => total + (masses[token] ?? 0), 0) / 5
      assert.ok(Math.abs(mass - mean) < 1e-5)
    })
  })

  for (const heads of ['across', 'model'] as const)
    test(`${name}: half a memory (heads ${heads}) saved, opened and cut to a quarter is that made at once`, async (t) => {
      const { ops, model } = setUp(t)
      const method = methodOf('compactor')
      const block = await compress(ops, model, method, { share: 0.5, heads })
      const opened = await save(t, ops, block)
      assert.deepEqual(await blockContents(ops, opened), await blockContents(ops, block))
      const control = new Control()
      const [made, reopened] = [
        await after(ops, model, block).next(question, control),
        await after(ops, model, opened).next(question, control),
      ]
      assert.deepEqual(reopened, made)
      const pairs = Math.round(0.25 * document.length * model.config.kvHeadCount)
      const quarter = await compress(ops, model, method, { share: 0.25, heads })
      assert.deepEqual(await blockContents(ops, shrink(ops, opened, pairs)), await blockContents(ops, quarter))
    })
}
