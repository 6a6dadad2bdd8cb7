import assert from 'node:assert/strict'
import { test } from 'node:test'
import { wordF1 } from './word-f1.ts'

test('word F1: case, punctuation and articles do not count', () => {
  assert.equal(wordF1('The Denver Broncos.', ['denver broncos']), 1)
})

test('word F1: 2 of 5 answer words against 2 reference words is 4/7', () => {
  // precision 2/5, recall 2/2: 2 · 0.4 · 1 / 1.4
  assert.equal(wordF1('it was the Denver Broncos who', ['Denver Broncos']), 4 / 7)
})

test('word F1: a word said twice counts once where the reference has it once', () => {
  // common 1, lengths 2 and 1
  assert.equal(wordF1('blue blue', ['blue']), 2 / 3)
})

test('word F1: the best of 3 references counts', () => {
  assert.equal(wordF1('in 1998', ['1997', 'in 1998', 'the year']), 1)
})

test('word F1: nothing in common is 0, and an empty answer is right only for an empty reference', () => {
  assert.equal(wordF1('red', ['blue']), 0)
  assert.equal(wordF1('', ['blue']), 0)
  assert.equal(wordF1('the', ['a']), 1)
})

test('word F1: punctuation inside a word is dropped, so 14,250 equals 14250', () => {
  assert.equal(wordF1('14,250 crowns', ['14250 crowns']), 1)
})
