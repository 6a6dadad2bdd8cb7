import assert from 'node:assert/strict'
import { test } from 'node:test'
import { argMax, klDivergence, logSoftmax } from './distance.ts'

const close = (actual: number, expected: number): void =>
  assert.ok(Math.abs(actual - expected) < 1e-12, `${actual} is not ${expected}`)

test('log-softmax: logits ln 1, ln 2, ln 5 have probabilities 1/8, 2/8, 5/8, also 1000 higher', () => {
  for (const shift of [0, 1000])
    logSoftmax([Math.log(1) + shift, Math.log(2) + shift, Math.log(5) + shift]).forEach((value, i) => {
      close(Math.exp(value), [0.125, 0.25, 0.625][i] ?? 0)
    })
})

test('KL divergence of (1/2, 1/2) from (1/4, 3/4) is ½ ln 4/3, and of anything from itself 0', () => {
  const p = Float64Array.of(Math.log(0.5), Math.log(0.5))
  const q = Float64Array.of(Math.log(0.25), Math.log(0.75))
  close(klDivergence(p, q), 0.5 * Math.log(4 / 3))
  assert.equal(klDivergence(q, q), 0)
})

test('KL divergence: a token that p rules out costs nothing however unlikely it is under q', () => {
  close(klDivergence(Float64Array.of(0, Number.NEGATIVE_INFINITY), Float64Array.of(0, -700)), 0)
})

test('arg max: the first of equals', () => {
  assert.equal(argMax([1, 3, 3, 2]), 1)
})
