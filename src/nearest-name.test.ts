import assert from 'node:assert/strict'
import { test } from 'node:test'
import { didYouMean, nearestName } from './nearest-name.ts'

test('nearest name: typos, swapped letters and beginnings are found, other words are not', () => {
  const known = ['compress', 'context', 'ask', 'pull']
  assert.deepEqual(
    ['comprss', 'contxet', 'comp', 'aks', 'pul'].map((word) => nearestName(word, known)),
    ['compress', 'context', 'compress', 'ask', 'pull'],
  )
  assert.equal(nearestName('smolm2', ['smollm2-135m', 'qwen2.5-coder-0.5b']), 'smollm2-135m')
  assert.equal(nearestName('qwen2', ['smollm2-135m', 'qwen2.5-coder-0.5b']), 'qwen2.5-coder-0.5b')
  assert.equal(nearestName('zebra', known), undefined)
  assert.equal(didYouMean('zebra', known), '')
  assert.equal(didYouMean('kask', known), '; did you mean ask?')
})
