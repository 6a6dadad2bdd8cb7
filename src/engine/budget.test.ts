import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CompactorError } from '../error.ts'
import { checkKeep, pairsPerLayer, parseKeep } from './budget.ts'

const shape = { documentTokens: 1000, headTokens: 10, layerCount: 4, kvHeadCount: 2, bytesPerPair: 256 }
const invalid = (error: unknown): boolean => error instanceof CompactorError && error.code === 'budget-invalid'

test('keep: a share, tokens and bytes are read from text', () => {
  assert.equal(parseKeep('0.25'), 0.25)
  assert.equal(parseKeep('.5'), 0.5)
  assert.equal(parseKeep('1'), 1)
  assert.deepEqual(parseKeep('2000tok'), { tokens: 2000 })
  assert.deepEqual(parseKeep('64MB'), { bytes: 64e6 })
  assert.deepEqual(parseKeep('1.5 KiB'), { bytes: 1536 })
})

test('keep: 0, 1.5, abc, auto, -1, 2x, 0tok, 1.5tok and nothing are refused', () => {
  for (const text of ['0', '1.5', 'abc', 'auto', '-1', '2x', '0tok', '1.5tok', '', ' ', '1e-3', 'NaN', 'Infinity'])
    assert.throws(() => parseKeep(text), invalid, text)
})

test('keep: values that are no Keep are refused', () => {
  for (const keep of [0, 2, Number.NaN, '0.5', null, {}, { tokens: 0 }, { tokens: 1, bytes: 1 }, { quality: 0.9 }, []])
    assert.throws(() => checkKeep(keep), invalid, JSON.stringify(keep))
})

test('keep: a share of 1,000 tokens and 2 heads is that share of 2,000 pairs', () => {
  assert.equal(pairsPerLayer(0.25, shape), 500)
  assert.equal(pairsPerLayer(1, shape), 2000)
  assert.equal(pairsPerLayer(1e-9, shape), 1)
})

test('keep: tokens are pairs of each head; more than the document has are refused with both numbers', () => {
  assert.equal(pairsPerLayer({ tokens: 100 }, shape), 200)
  assert.equal(pairsPerLayer({ tokens: 1000 }, shape), 2000)
  assert.throws(() => pairsPerLayer({ tokens: 99999 }, shape), /99999 tokens.*only 1000/)
})

test('keep: bytes pay for the head first, the rest buys pairs in every layer', () => {
  const headBytes = 10 * 2 * 4 * 256
  assert.equal(pairsPerLayer({ bytes: headBytes + 300 * 4 * 256 }, shape), 300)
  assert.equal(pairsPerLayer({ bytes: 1e12 }, shape), 2000)
  assert.throws(() => pairsPerLayer({ bytes: headBytes }, shape), invalid)
})
