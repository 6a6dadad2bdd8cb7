/** One reading for many memories, sequences that step together, and streams beside a document, on a toy model. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createNativeOps } from '../src/backends/native.ts'
import type { Ops, Tensor } from '../src/backends/ops.ts'
import { createReferenceOps } from '../src/backends/reference.ts'
import type { Block } from '../src/cache/block.ts'
import { Control } from '../src/engine/control.ts'
import { forward } from '../src/engine/forward.ts'
import { walkLayers } from '../src/engine/layer-walk.ts'
import { prefill } from '../src/engine/prefill.ts'
import { Sequence } from '../src/engine/sequence.ts'
import { survey } from '../src/engine/survey.ts'
import { createMethod } from '../src/methods/index.ts'
import type { Attend } from '../src/models/model.ts'
import { toyModel } from './toy-model.ts'

const shape = { layers: 3, heads: 6, kvHeads: 2, headDim: 8, vocabulary: 97 }
const head = Uint32Array.of(90, 91, 92)
const document = Uint32Array.from({ length: 70 }, (_, i) => (7 + i * 31 + ((i * i) % 17)) % 97)
const selection = { protectFirst: 2, protectLast: 3, heads: 'across' } as const
const seed = 3

const read = async (ops: Ops, names: readonly string[]) => {
  const model = toyModel(ops, shape)
  const scorers = names.map((name) => ({ method: createMethod(name), streams: [] }))
  const input = { head, document, streams: [], scorers, precision: 'f32', seed, control: new Control() } as const
  return { model, surveyed: await survey(ops, model, input) }
}

const runsOf = (block: Block): unknown =>
  Array.from({ length: shape.layers }, (_, layer) => {
    const { starts, counts, positions, codes } = block.ranking(layer)
    return [...counts].map((count, kvHead) => {
      const from = starts[kvHead] ?? 0
      return [positions.slice(from, from + count), codes?.slice(from, from + count)]
    })
  })

for (const ops of [createReferenceOps(), createNativeOps({ threads: 2, activations: 'f32' })]) {
  test(`${ops.name}: a memory cut from a survey of 2 methods is the one that prefill makes, 3 budgets`, async () => {
    const { model, surveyed } = await read(ops, ['compactor', 'random'])
    for (const [scorer, name] of ['compactor', 'random'].entries())
      for (const keep of [0.2, 0.5, 0.8]) {
        const pairs = Math.round(keep * document.length * 2)
        const method = createMethod(name)
        const common = { head, document, method, selection, precision: 'f32', seed } as const
        const { block } = await prefill(ops, model, { ...common, pairs, control: new Control() })
        const cut = surveyed.cut(scorer, { keep, selection })
        assert.deepEqual(runsOf(cut), runsOf(block))
        const ask = (memory: Block) =>
          new Sequence(ops, model, { block: memory, nextPosition: 73, precision: 'f32' }).next(head, new Control())
        const [got, expected] = [await ask(cut), await ask(block)]
        assert.ok(got.every((value, i) => Math.abs(value - (expected[i] ?? 0)) < 1e-5))
      }
  })

  test(`${ops.name}: a budget for the whole model keeps exactly its pairs, and layers differ, 3 budgets`, async () => {
    const { surveyed } = await read(ops, ['compactor'])
    const found = [0.2, 0.3, 0.4].map((keep) => {
      const { pairs, layers } = surveyed.cut(0, { keep, selection: { ...selection, heads: 'model' } }).stats()
      assert.equal(pairs, Math.round(keep * 140) * shape.layers)
      return layers.map(({ counts }) => counts.reduce((sum, count) => sum + count, 0))
    })
    assert.ok(found.flat().every((total) => total >= 2 * 5))
    assert.ok(
      found.some((totals) => new Set(totals).size > 1),
      JSON.stringify(found),
    )
  })

  test(`${ops.name}: 3 sequences of 1, 4 and 9 tokens stepped together agree with each alone`, async () => {
    const { model, surveyed } = await read(ops, ['random'])
    const blocks = [0.2, 0.5, 1].map((keep) => surveyed.cut(0, { keep, selection }))
    const open = () => blocks.map((block) => new Sequence(ops, model, { block, nextPosition: 73, precision: 'f32' }))
    const asked = [1, 4, 9].map((length) => Uint32Array.from({ length }, (_, i) => 5 + i))
    const parts = open().map((sequence, i) => ({ sequence, ids: asked[i] as Uint32Array }))
    for (const { sequence, ids } of parts) sequence.reserve(ids.length)
    const together = await ops.scope(() => ops.read(ops.gather(forward(ops, model, parts), Uint32Array.of(0, 4, 13))))
    const dim = model.config.dim
    for (const [i, sequence] of open().entries()) {
      const ids = asked[i] as Uint32Array
      sequence.reserve(ids.length)
      const alone = await ops.scope(() =>
        ops.read(ops.slice(forward(ops, model, [{ sequence, ids }]), ids.length - 1, 1)),
      )
      const got = together.subarray(i * dim, (i + 1) * dim)
      assert.ok(alone.every((value, j) => Math.abs(value - (got[j] ?? 0)) < 1e-5))
      assert.equal(parts[i]?.sequence.length, ids.length)
    }
  })

  test(`${ops.name}: a sequence moved onto another memory keeps its 5 tokens and leaves the first as it was`, async () => {
    const { model, surveyed } = await read(ops, ['random'])
    const [small, whole] = [surveyed.cut(0, { keep: 0.3, selection }), surveyed.whole()]
    const first = new Sequence(ops, model, { block: whole, nextPosition: 73, precision: 'f32', pageTokens: 3 })
    await first.next(Uint32Array.of(1, 2, 3, 4, 5), new Control())
    const moved = await first.onto(small).next(Uint32Array.of(6), new Control())
    const back = await first.onto(whole).next(Uint32Array.of(6), new Control())
    const stayed = await first.next(Uint32Array.of(6), new Control())
    assert.deepEqual(back, stayed)
    assert.notDeepEqual(moved, stayed)
  })

  test(`${ops.name}: a stream's queries beside the document are those of the same tokens after it, every layer`, async () => {
    const model = toyModel(ops, shape)
    const ids = Uint32Array.from({ length: 20 }, (_, i) => (i * 5) % 97)
    const streams = [{ ids, about: { from: 0, count: 70 } }]
    const beside: Float32Array[] = []
    const method = { ...createMethod('random'), needs: { question: true } }
    const input = { head, document, precision: 'f32', needs: {}, streams, control: new Control() } as const
    await walkLayers(ops, model, input, async ({ view }) => {
      const [stream] = view(method, { seed, keep: 1, streams: [0] }).streams
      beside.push((await ops.read(stream?.q as Tensor)) as Float32Array)
    })
    const after: Promise<unknown>[] = []
    const watched = {
      ...model,
      layer: (index: number, x: Tensor, positions: Uint32Array, attend: Attend) =>
        model.layer(index, x, positions, (layer, attention) => {
          if (attention.rotated.q.shape[0] === ids.length) after.push(ops.read(attention.rotated.q))
          return attend(layer, attention)
        }),
    }
    const sequence = new Sequence(ops, watched, { nextPosition: 0, precision: 'f32' })
    await sequence.next(Uint32Array.of(...head, ...document), new Control())
    await sequence.next(ids, new Control())
    assert.equal(beside.length, shape.layers)
    for (const [layer, q] of (await Promise.all(after)).entries())
      for (const [i, value] of (q as Float32Array).entries())
        assert.ok(Math.abs(value - (beside[layer]?.[i] ?? Number.NaN)) < 1e-5, `layer ${layer}, value ${i}`)
  })
}
