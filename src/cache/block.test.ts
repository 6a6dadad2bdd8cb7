import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { blockContents, toyBlock, toyLayers, toyRequest, toyShape } from '../../test/fixtures/toy-context.ts'
import type { Tensor } from '../backends/ops.ts'
import { createReferenceOps } from '../backends/reference.ts'
import type { Block, TierPiece } from './block.ts'
import { BlockBuilder, type BlockRequest } from './block-builder.ts'
import { scoreCodes } from './score-code.ts'
import { select } from './selection.ts'
import { shrink } from './shrink.ts'

const ops = createReferenceOps()

const rowOf = async (tensor: Tensor, row: number): Promise<number[]> => {
  const width = tensor.shape.at(-1) as number
  return [...(await ops.read(tensor)).slice(row * width, (row + 1) * width)]
}

/** Every kept pair as [head, position, row of which piece]. */
const keptPairs = (block: Block, layer: number): { head: number; position: number; piece: TierPiece; row: number }[] =>
  block.tiers.flatMap((tier) => {
    const piece = tier[layer] as TierPiece
    return [...piece.starts].flatMap((start, head) =>
      Array.from({ length: piece.counts[head] as number }, (_, i) => ({
        head,
        position: piece.positions[start + i] as number,
        piece,
        row: start + i,
      })),
    )
  })

test('block: every kept row of 3 layers × 2 heads is the row of its position, head part before it, f16 and f32', async () => {
  for (const precision of ['f16', 'f32'] as const) {
    const request = toyRequest({ shape: { ...toyShape, precision } })
    const layers = toyLayers(ops, request)
    const block = toyBlock(ops, request, { biased: true })
    const capacity = request.headTokens + request.documentTokens
    for (const [layer, { k, v, bias, scores }] of layers.entries()) {
      const flat = (tensor: Tensor): Tensor => ops.reshape(tensor, [2 * capacity, request.shape.headDim])
      for (let head = 0; head < 2; head++)
        for (let t = 0; t < request.headTokens; t++) {
          const piece = block.headPart[layer] as TierPiece
          const row = (piece.starts[head] as number) + t
          assert.deepEqual(await rowOf(piece.k, row), await rowOf(flat(k), head * capacity + t))
          assert.deepEqual(await rowOf(piece.v, row), await rowOf(flat(v), head * capacity + t))
        }
      const codes = scoreCodes(scores)
      const pairs = keptPairs(block, layer)
      assert.equal(pairs.length, request.pairs)
      for (const { head, position, piece, row } of pairs) {
        const from = head * capacity + request.headTokens + position
        assert.deepEqual(await rowOf(piece.k, row), await rowOf(flat(k), from))
        assert.deepEqual(await rowOf(piece.v, row), await rowOf(flat(v), from))
        assert.equal(piece.codes?.[row], codes[head * request.documentTokens + position])
        const biases = await ops.read(piece.bias as Tensor)
        assert.equal(biases[row], (await ops.read(bias))[head * request.documentTokens + position])
      }
    }
  }
})

test('block: tiers joined are the selection of each layer, head for head', () => {
  const request = toyRequest()
  const block = toyBlock(ops, request)
  for (const [layer, { scores }] of toyLayers(ops, request).entries()) {
    const { selection, ...rest } = request
    const expected = select(scoreCodes(scores), { ...rest, ...selection, kvHeadCount: 2 })
    const ranking = block.ranking(layer)
    for (let head = 0; head < 2; head++) {
      const count = expected.boundaries.at(-1)?.[head] as number
      const start = ranking.starts[head] as number
      assert.equal(block.keptPairs(layer)[head], count)
      assert.deepEqual(
        ranking.positions.slice(start, start + count),
        expected.ranking.positions.slice(head * 100, head * 100 + count),
      )
    }
  }
})

test('block: statistics are exact, 50 of 200 pairs kept in each of 3 layers', () => {
  const stats = toyBlock(ops, toyRequest(), { biased: true }).stats()
  assert.equal(stats.pairs, 150)
  assert.equal(stats.pairBytes, 150 * 2 * 16 * 2)
  assert.equal(stats.headPartBytes, 3 * 2 * 7 * 2 * 16 * 2)
  assert.equal(stats.indexBytes, 150 * (2 + 2 + 4))
  assert.equal(stats.keptShare, 0.25)
  for (const { counts, keptShare } of stats.layers) {
    assert.equal(keptShare, 0.25)
    assert.equal((counts[0] as number) + (counts[1] as number), 50)
  }
})

test('block: segments are the head part, then the tiers, without empty ones', () => {
  const rows = (block: Block): number[] => block.segments(0).map(({ counts }) => counts.reduce((a, b) => a + b, 0))
  const selection = { protectFirst: 1, protectLast: 1, heads: 'across' as const }
  assert.deepEqual(rows(toyBlock(ops, toyRequest({ selection }))), [14, 13, 12, 25])
  assert.deepEqual(rows(toyBlock(ops, toyRequest({ selection, headTokens: 0 }))), [13, 12, 25])
  assert.deepEqual(rows(toyBlock(ops, toyRequest({ pairs: 200 }))), [14, 200])
  assert.throws(() => toyBlock(ops, toyRequest()).segments(3), RangeError)
})

test('block: attention over everything kept in importance order agrees with position order within 1e-5', async () => {
  const whole = toyRequest({ pairs: 200, shape: { ...toyShape, precision: 'f32' } })
  const q = ops.from(
    Float32Array.from({ length: 5 * 4 * 16 }, (_, i) => Math.sin(i * 7)),
    [5, 4, 16],
  )
  const attend = (request: BlockRequest): Promise<Float32Array | Uint16Array> =>
    ops.read(ops.attend(q, toyBlock(ops, request).segments(1), { scale: 0.25, firstIndex: 0 }))
  const byPosition = await attend(whole)
  const byImportance = await attend({ ...whole, order: 'importance' })
  assert.equal(toyBlock(ops, whole).tiers.length, 1)
  assert.equal(toyBlock(ops, { ...whole, order: 'importance' }).tiers.length, 5)
  assert.ok(byImportance.every((value, i) => Math.abs(value - (byPosition[i] as number)) < 1e-5))
})

test('builder: everything kept asks for no scores; a budget below the protected tokens is raised and told', () => {
  assert.equal(new BlockBuilder(ops, toyRequest({ pairs: 200 })).keepsAll, true)
  assert.equal(new BlockBuilder(ops, toyRequest({ pairs: 200, order: 'importance' })).keepsAll, false)
  const raised = new BlockBuilder(ops, toyRequest({ pairs: 5 }))
  assert.equal(raised.raisedFrom, 5)
  assert.deepEqual(toyBlock(ops, toyRequest({ pairs: 5 })).keptPairs(0), [7, 7])
  assert.equal(new BlockBuilder(ops, toyRequest()).raisedFrom, undefined)
})

test('builder: stores of another shape or precision, a missing and a 4th layer are refused', () => {
  const request = toyRequest()
  const [layer] = toyLayers(ops, request)
  const { k, v, scores } = layer as NonNullable<typeof layer>
  const builder = new BlockBuilder(ops, request)
  assert.throws(
    () => builder.addLayer({ k: ops.zeros([2, 106, 16], 'f16'), v, scores }),
    /expected k as f16 \[2, 107 or more, 16\]/,
  )
  assert.throws(() => builder.addLayer({ k, v: ops.zeros([2, 107, 16], 'f32'), scores }), /expected v as f16/)
  assert.throws(() => builder.addLayer({ k, v }), TypeError)
  builder.addLayer({ k, v, scores })
  assert.throws(() => builder.finish(), /expected 3 layers, got 1/)
  builder.addLayer({ k, v, scores })
  builder.addLayer({ k, v, scores })
  builder.finish()
  assert.throws(() => builder.addLayer({ k, v, scores }), /full/)
})

test('builder: the copies outlive the store they came from', async () => {
  const request = toyRequest()
  const layers = toyLayers(ops, request)
  const builder = new BlockBuilder(ops, request)
  for (const { k, v, scores } of layers) {
    builder.addLayer({ k, v, scores })
    for (const store of [k, v]) ops.copy(store, ops.zeros(store.shape, 'f16'))
  }
  assert.deepEqual(await blockContents(ops, builder.finish()), await blockContents(ops, toyBlock(ops, request)))
})

test('shrink: equals compressing to the smaller budget, entry for entry, 60 random pairs of budgets', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 199 }),
      fc.integer({ min: 1, max: 199 }),
      fc.constantFrom('across' as const, 'apart' as const),
      async (a, b, heads) => {
        const request = toyRequest({ selection: { protectFirst: 2, protectLast: 3, heads }, headTokens: 1 })
        const large = toyBlock(ops, { ...request, pairs: Math.max(a, b) }, { biased: true })
        const small = toyBlock(ops, { ...request, pairs: Math.min(a, b) }, { biased: true })
        assert.deepEqual(await blockContents(ops, shrink(ops, large, Math.min(a, b))), await blockContents(ops, small))
      },
    ),
    { numRuns: 60 },
  )
})

test('shrink: whole tiers are shared, not copied', () => {
  const block = toyBlock(ops, toyRequest())
  const small = shrink(ops, block, 40)
  assert.equal(small.tiers.length, block.tiers.length)
  for (let tier = 0; tier < small.tiers.length - 1; tier++)
    assert.equal(small.tiers[tier]?.[0]?.k, block.tiers[tier]?.[0]?.k)
})

test('shrink: refused for methods that are not nested, for position order and beyond what is kept', () => {
  const refused = { name: 'CompactorError', code: 'budget-invalid' }
  assert.throws(() => shrink(ops, toyBlock(ops, toyRequest({ nested: false })), 20), refused)
  assert.throws(() => shrink(ops, toyBlock(ops, toyRequest({ pairs: 200 })), 20), refused)
  for (const pairs of [0, 51, 1.5]) assert.throws(() => shrink(ops, toyBlock(ops, toyRequest()), pairs), RangeError)
})
