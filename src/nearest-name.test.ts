import assert from 'node:assert/strict'
import { test } from 'node:test'
import { didYouMean, nearestName } from './nearest-name.ts'

test('nearest name: typos, swapped letters and beginnings are found, other words are not', () => {
  const known = ['compress', 'context', 'ask', 'pull']
  assert.deepEqual(
    ['comprss', 'contxet', 'comp', 'aks', 'pul'].map((word) => nearestName(word, known)),
    ['compress', 'context', 'compress', 'ask', 'pull'],
  )
  assert.equal(nearestName('zebra', known), undefined)
  assert.equal(didYouMean('zebra', known), '')
  assert.equal(didYouMean('kask', known), '; did you mean ask?')
})
