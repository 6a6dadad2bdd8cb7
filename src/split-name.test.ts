import assert from 'node:assert/strict'
import { test } from 'node:test'
import { splitNumber, splitParts } from './split-name.ts'

test('split names: file 2 of 3 tells so; 0 of 0, 0 of 3 and 4 of 3 are names like any other', () => {
  assert.deepEqual(splitNumber('a/m-00002-of-00003.gguf'), { number: 2, count: 3 })
  for (const name of ['m-00000-of-00000.gguf', 'm-00000-of-00003.gguf', 'm-00004-of-00003.gguf', 'm.gguf']) {
    assert.equal(splitNumber(name), undefined)
    assert.deepEqual(splitParts(name), [name])
  }
})
