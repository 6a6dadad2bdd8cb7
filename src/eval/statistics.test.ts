import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bootstrap } from './statistics.ts'

test('bootstrap: equal values give an interval of width 0', () => {
  assert.deepEqual(bootstrap([0.25, 0.25, 0.25]), { mean: 0.25, low: 0.25, high: 0.25 })
})

test('bootstrap: of n = 2 values 0 and 1 a quarter of all means is 0 and a quarter is 1, so 95 % reach from 0 to 1', () => {
  assert.deepEqual(bootstrap([0, 1]), { mean: 0.5, low: 0, high: 1 })
})

test('bootstrap: 64 values 0 and 1 have a half width within 5 % of 1.96 · 0.5 / √64', () => {
  const values = Array.from({ length: 64 }, (_, index) => index % 2)
  const { low, high } = bootstrap(values)
  assert.ok(Math.abs((high - low) / 2 / ((1.96 * 0.5) / 8) - 1) < 0.05, `half width ${(high - low) / 2}`)
})

test('bootstrap: the same seed gives the same interval and another seed another', () => {
  const values = Array.from({ length: 11 }, (_, index) => Math.sin(index))
  assert.deepEqual(bootstrap(values, { seed: 7 }), bootstrap(values, { seed: 7 }))
  assert.notDeepEqual(bootstrap(values, { seed: 7 }), bootstrap(values, { seed: 8 }))
})

test('bootstrap: no value is a RangeError', () => {
  assert.throws(() => bootstrap([]), RangeError)
})
