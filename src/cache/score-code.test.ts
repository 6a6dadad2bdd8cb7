import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { leastCode, scoreCodes, scoreMoments, scoreOf } from './score-code.ts'

const codeOf = (score: number): number => scoreCodes(Float32Array.of(score))[0] as number

test('score codes: 65,536 codes give back their own score, in rising order', () => {
  let last = Number.NEGATIVE_INFINITY
  let scores = 0
  for (let code = 1; code < 65536; code++) {
    const score = scoreOf(code)
    if (Number.isNaN(score)) continue
    scores++
    if (code === 0x7fff) continue // -0, which is coded as +0
    assert.equal(codeOf(score), code)
    assert.ok(score > last || score === 0, `code ${code}: ${score} after ${last}`)
    last = score
  }
  assert.equal(scores, 2 * 0x7c00)
})

test('score codes: rise with the score, 1,000 random pairs of any size', () => {
  fc.assert(
    fc.property(fc.float({ noNaN: true }), fc.float({ noNaN: true }), (a, b) => {
      if (a < b) assert.ok(codeOf(a) <= codeOf(b))
      if (a === b) assert.equal(codeOf(a), codeOf(b))
    }),
    { numRuns: 1000 },
  )
})

test('score codes: nearest half, within 2^-11 relative', () => {
  fc.assert(
    fc.property(fc.float({ noNaN: true, min: Math.fround(1e-3), max: 65000 }), (score) => {
      assert.ok(Math.abs(scoreOf(codeOf(score)) - score) <= score * 2 ** -11)
      assert.equal(scoreOf(codeOf(-score)), -scoreOf(codeOf(score)))
    }),
  )
})

test('score codes: ties between two halves go to the even one', () => {
  assert.equal(scoreOf(codeOf(2049)), 2048)
  assert.equal(scoreOf(codeOf(2051)), 2052)
  assert.equal(scoreOf(codeOf(1.5 * 2 ** -24)), 2 * 2 ** -24)
  assert.equal(scoreOf(codeOf(0.5 * 2 ** -24)), 0)
})

test('score codes: NaN is least, infinities saturate at 65504, −0 equals +0', () => {
  assert.equal(codeOf(Number.NaN), leastCode)
  assert.ok(Number.isNaN(scoreOf(leastCode)))
  assert.equal(scoreOf(codeOf(Number.POSITIVE_INFINITY)), 65504)
  assert.equal(scoreOf(codeOf(Number.NEGATIVE_INFINITY)), -65504)
  assert.equal(scoreOf(codeOf(65519)), 65504)
  assert.equal(scoreOf(codeOf(1e30)), 65504)
  assert.ok(codeOf(Number.NEGATIVE_INFINITY) > leastCode)
  assert.equal(codeOf(-0), codeOf(0))
  assert.equal(codeOf(-1e-30), codeOf(0))
})

test('score moments: mean and population deviation of the finite scores', () => {
  assert.deepEqual(scoreMoments(Float32Array.of(1, 3, Number.NaN, Number.POSITIVE_INFINITY)), { mean: 2, deviation: 1 })
  assert.deepEqual(scoreMoments(Float32Array.of(Number.NaN)), { mean: 0, deviation: 0 })
})
