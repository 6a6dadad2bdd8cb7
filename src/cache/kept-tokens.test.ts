/** Counts of heads per token against the positions a block holds. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toyBlock, toyRequest } from '../../test/fixtures/toy-context.ts'
import { createReferenceOps } from '../backends/reference.ts'
import { keptHeadCounts } from './kept-tokens.ts'

test('every kept pair of 3 layers × 2 heads × 100 tokens is counted once, protected tokens by both heads', () => {
  const block = toyBlock(createReferenceOps(), toyRequest())
  const counts = keptHeadCounts(block)
  assert.deepEqual(
    counts.map(({ length }) => length),
    [100, 100, 100],
  )
  for (const [layer, tokens] of counts.entries()) {
    const total = tokens.reduce((sum, count) => sum + count, 0)
    assert.equal(
      total,
      block.keptPairs(layer).reduce((sum, count) => sum + count, 0),
    )
    assert.equal(total, 50)
    const { positions } = block.ranking(layer)
    for (const [token, count] of tokens.entries())
      assert.equal(count, positions.filter((position) => position === token).length)
    for (const token of [0, 1, 2, 3, 97, 98, 99]) assert.equal(tokens[token], 2)
  }
})

test('everything kept is 2 heads for every token', () => {
  const block = toyBlock(createReferenceOps(), toyRequest({ pairs: 200 }))
  for (const tokens of keptHeadCounts(block)) assert.deepEqual([...new Set(tokens)], [2])
})
