import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Looks, passageShares, withWords } from './passage-shares.ts'

const passages = [0, 2, 4, 6].map((from) => ({ from, to: from + 2 }))
const looks = (question: readonly number[], answer: readonly number[]): Looks => ({
  question: Float64Array.from(question),
  answer: Float64Array.from(answer),
})
const usual = looks([9, 1, 1, 1, 1, 1, 1, 5], [9, 1, 1, 1, 1, 1, 1, 5])
const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0)

test('shares: the first and last passages receive most as always and count for nothing; the third, that both look at, is first', () => {
  const shares = passageShares(passages, looks([9, 1, 1, 1, 3, 1, 1, 5], [9, 1, 1, 1, 2, 2, 1, 5]), usual)
  assert.equal(shares.indexOf(Math.max(...shares)), 2)
  assert.ok(Math.abs(sum(shares) - 1) < 1e-12)
  assert.ok((shares[2] ?? 0) > 0.7)
})

test('shares: what question and answer both look at a little comes before what one of them looks at more', () => {
  const shares = passageShares(passages, looks([9, 1, 2, 2, 3, 3, 1, 5], [9, 1, 2, 2, 1, 1, 3, 8]), usual)
  assert.equal(shares.indexOf(Math.max(...shares)), 1)
  assert.ok((shares[1] ?? 0) > (shares[2] ?? 0) + (shares[3] ?? 0))
})

test('shares: all 0 where nothing receives more than usual, and finite where a passage usually receives nothing', () => {
  assert.deepEqual(passageShares(passages, usual, usual), [0, 0, 0, 0])
  const empty = looks(new Array<number>(8).fill(0), new Array<number>(8).fill(0))
  assert.ok(passageShares(passages, usual, empty).every(Number.isFinite))
})

test('shares: of two passages looked at alike the one with the words of the question is first; 0 stays 0, the sum stays 1', () => {
  const shares = withWords([0.3, 0.3, 0.4, 0], { question: [0, 3, 0, 9], answer: [3, 0, 0, 9] })
  assert.deepEqual(
    shares.map((share) => share > 0.3),
    [false, true, false, false],
  )
  assert.ok((shares[1] ?? 0) > (shares[0] ?? 0) && (shares[0] ?? 0) > (shares[2] ?? 0))
  assert.equal(shares[3], 0)
  assert.ok(Math.abs(sum(shares) - 1) < 1e-12)
  assert.deepEqual(withWords([0, 0], { question: [1, 0], answer: [0, 0] }), [0, 0])
})
