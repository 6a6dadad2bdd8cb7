import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../../test/fixtures/temporary-folder.ts'
import { blockContents, toyBlock, toyContents, toyRequest, toyShape } from '../../test/fixtures/toy-context.ts'
import { createReferenceOps } from '../backends/reference.ts'
import { mapFile } from '../formats/map-file.ts'
import { openContext } from './cctx-open.ts'
import { writeContext } from './cctx-write.ts'
import { keptHeadCounts } from './kept-tokens.ts'

const ops = createReferenceOps()
// Layer 0 has a window within the document, layer 2 one that reaches into the 7 tokens before it.
const request = toyRequest({ shape: { ...toyShape, windows: [20, undefined, 103] } })

test('windows of 20 and 103 of 107 tokens are kept whole, in order, and counted apart from the budget of 50 pairs', () => {
  const block = toyBlock(ops, request)
  const [narrow, whole, wide] = [0, 1, 2].map((layer) => block.segments(layer))
  assert.deepEqual(
    narrow?.map(({ counts, causalFrom, window }) => [...counts, causalFrom, window]),
    [[20, 20, 87, 20]],
  )
  assert.deepEqual(
    wide?.map(({ counts, causalFrom, window }) => [...counts, causalFrom, window]),
    [[103, 103, 4, 103]],
  )
  assert.ok((whole?.length ?? 0) > 1 && whole?.every(({ window }) => window === undefined))
  const { pairs, bytesPerPair, pairBytes, headPartBytes, windowBytes, keptShare, layers } = block.stats()
  assert.deepEqual([pairs, bytesPerPair, keptShare], [50, 64, 0.25])
  assert.deepEqual([pairBytes, headPartBytes, windowBytes], [50 * 64, 2 * 7 * 64, 2 * 123 * 64])
  assert.deepEqual(
    layers.map(({ counts }) => counts.reduce((sum, count) => sum + count, 0)),
    [40, 50, 200],
  )
  const kept = keptHeadCounts(block).map((layer) => [...layer].filter((count) => count === 2).length)
  assert.deepEqual([kept[0], kept[2]], [20, 100])
})

test('a file with windows gives the same block bit for bit; without them it has no such field', async (t) => {
  const path = join(temporaryFolder(t), 'toy.cctx')
  const block = toyBlock(ops, request)
  await writeContext(ops, path, toyContents(block))
  const opened = await openContext(path, ops, mapFile)
  t.after(() => opened.release())
  assert.deepEqual(opened.header.block.windows, [20, null, 103])
  assert.deepEqual(await blockContents(ops, opened.block), await blockContents(ops, block))
  const plain = join(temporaryFolder(t), 'plain.cctx')
  await writeContext(ops, plain, toyContents(toyBlock(ops, toyRequest())))
  const without = await openContext(plain, ops, mapFile)
  t.after(() => without.release())
  assert.equal('windows' in without.header.block, false)
})
