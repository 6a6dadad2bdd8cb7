import assert from 'node:assert/strict'
import { test } from 'node:test'
import { robustFit } from './robust-fit.ts'

const lengths = [384, 384, 3072, 3072, 500, 2000, 6000]
const cost = (n: number): number => 2e-3 * n + 3e-8 * n * n
const row = (n: number): number[] => [n, n * n]

test('robust fit: 7 runs on t = 2n + 0.00003n² (ms) give back both numbers within 1e-6', () => {
  const [perToken = 0, perPair = 0] = robustFit(lengths.map((n) => ({ columns: row(n), value: cost(n) })))
  assert.ok(Math.abs(perToken / 2e-3 - 1) < 1e-6, String(perToken))
  assert.ok(Math.abs(perPair / 3e-8 - 1) < 1e-6, String(perPair))
})

test('robust fit: 2 of 7 runs that took 2 and 5 times as long move what is said of 10,000 tokens by less than 5 %', () => {
  const slower = [1, 2, 1, 1, 5, 1, 1]
  const points = lengths.map((n, i) => ({ columns: row(n), value: cost(n) * (slower[i] ?? 1) }))
  const [perToken = 0, perPair = 0] = robustFit(points)
  assert.ok(Math.abs((perToken * 1e4 + perPair * 1e8) / cost(1e4) - 1) < 0.05)
})

test('robust fit: no weight is below 0, and what 2 columns say alike is said by the first', () => {
  const falling = [
    { columns: [400, 400 ** 2], value: 100 },
    { columns: [2000, 2000 ** 2], value: 400 },
  ]
  const [perToken = 0, perPair = 0] = robustFit(falling)
  assert.equal(perPair, 0)
  assert.ok(perToken > 0.2 && perToken < 0.25, String(perToken))
  const [first, second] = robustFit([{ columns: [300, 300 ** 2], value: 3 }])
  assert.ok(Math.abs((first ?? 0) - 0.01) < 1e-12)
  assert.equal(second, 0)
  assert.deepEqual(robustFit([]), [])
})
