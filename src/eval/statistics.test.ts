import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bootstrap, createBootstrap, mean, pairedDifference } from './statistics.ts'

/** Normal values (Box and Muller) of a linear congruential generator, the same in every run. */
const normal = (count: number, seed = 1): number[] => {
  let state = seed
  const uniform = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return (state + 0.5) / 2 ** 32
  }
  return Array.from({ length: count }, () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()))
}

const deviation = (values: readonly number[]): number =>
  Math.sqrt(mean(values.map((value) => (value - mean(values)) ** 2)))

test('bootstrap: equal values give an interval of width 0', () => {
  assert.deepEqual(bootstrap([0.25, 0.25, 0.25]), { mean: 0.25, low: 0.25, high: 0.25, n: 3 })
})

test('bootstrap: of n = 2 values 0 and 1 a quarter of all means is 0 and a quarter is 1, so 95 % reach from 0 to 1', () => {
  assert.deepEqual(bootstrap([0, 1]), { mean: 0.5, low: 0, high: 1, n: 2 })
})

test('bootstrap: 64 values 0 and 1 have a half width within 5 % of 1.96 · 0.5 / √64', () => {
  const values = Array.from({ length: 64 }, (_, index) => index % 2)
  const { low, high } = bootstrap(values)
  assert.ok(Math.abs((high - low) / 2 / ((1.96 * 0.5) / 8) - 1) < 0.05, `half width ${(high - low) / 2}`)
})

test('bootstrap: 200 normal values have bounds within 5 % of a half width of mean ± 1.96 σ / √n', () => {
  const values = normal(200)
  const { mean: middle, low, high } = bootstrap(values)
  const half = (1.96 * deviation(values)) / Math.sqrt(200)
  assert.ok(Math.abs(low - (middle - half)) < 0.05 * half, `${low} is not ${middle - half}`)
  assert.ok(Math.abs(high - (middle + half)) < 0.05 * half, `${high} is not ${middle + half}`)
})

test('bootstrap: 95 % intervals of 30 normal values cover the true mean in 91 to 97 % of 400 samples', () => {
  const interval = createBootstrap({ resamples: 1000 })
  const all = normal(400 * 30, 7)
  const covered = Array.from({ length: 400 }, (_, i) => interval(all.slice(i * 30, i * 30 + 30))).filter(
    ({ low, high }) => low <= 0 && high >= 0,
  )
  assert.ok(covered.length >= 0.91 * 400 && covered.length <= 0.97 * 400, `${covered.length} of 400`)
})

test('bootstrap: a single value has a mean and no bounds', () => {
  assert.deepEqual(bootstrap([0.4]), { mean: 0.4, low: Number.NaN, high: Number.NaN, n: 1 })
})

test('bootstrap with weights: values of twice the weights are a ratio of 2 with width 0, and the mean is a ratio of sums', () => {
  const interval = createBootstrap()
  assert.deepEqual(interval([2, 4, 20], [1, 2, 10]), { mean: 2, low: 2, high: 2, n: 3 })
  assert.equal(interval([1, 1], [1, 3]).mean, 0.5)
})

test('bootstrap: the same seed gives the same interval and another seed another', () => {
  const values = Array.from({ length: 11 }, (_, index) => Math.sin(index))
  assert.deepEqual(bootstrap(values, { seed: 7 }), bootstrap(values, { seed: 7 }))
  assert.notDeepEqual(bootstrap(values, { seed: 7 }), bootstrap(values, { seed: 8 }))
})

test('bootstrap: the second interval of one bootstrap equals that of a new one', () => {
  const interval = createBootstrap({ resamples: 200 })
  interval(normal(9))
  assert.deepEqual(interval(normal(9, 3)), bootstrap(normal(9, 3), { resamples: 200 }))
})

test('bootstrap: no value, and lists of 2 and 3 contexts, are RangeErrors', () => {
  assert.throws(() => bootstrap([]), RangeError)
  assert.throws(() => pairedDifference([1, 2], [1, 2, 3]), RangeError)
  assert.throws(() => createBootstrap()([1, 2], [1]), RangeError)
})

test('paired difference: contexts of very different difficulty and a gain of 0.5 in each give an interval of width 0', () => {
  const base = [0, 8, 1, 64]
  assert.deepEqual(
    pairedDifference(
      base.map((value) => value + 0.5),
      base,
    ),
    { mean: 0.5, low: 0.5, high: 0.5, n: 4 },
  )
})
