/** What each token adds to a text. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tokenTexts } from './token-texts.ts'

/** A tokenizer whose token i stands for `pieces[i]`. */
const tokenizerOf = (...pieces: readonly (string | readonly number[])[]): { decodeBytes(id: number): Uint8Array } => ({
  decodeBytes: (id) => {
    const piece = pieces[id]
    if (piece === undefined) throw new RangeError(`token ${id} asked of a vocabulary of ${pieces.length}`)
    return Uint8Array.from(typeof piece === 'string' ? Buffer.from(piece) : piece)
  },
})

test('a character over 3 tokens belongs to the last of them', () => {
  const [a = 0, b = 0, c = 0] = Buffer.from('東')
  assert.deepEqual(tokenTexts(tokenizerOf('x', [a], [b], [c, 0x79]), [0, 1, 2, 3]), ['x', '', '', '東y'])
})

test('an unfinished or wrong character becomes U+FFFD, nothing is lost, no token is no text', () => {
  assert.deepEqual(tokenTexts(tokenizerOf('x', [0xe6]), [0, 1]), ['x', '\ufffd'])
  assert.deepEqual(tokenTexts(tokenizerOf([0xff], 'y'), [0, 1]), ['\ufffd', 'y'])
  assert.deepEqual(tokenTexts(tokenizerOf('x'), []), [])
  assert.throws(() => tokenTexts(tokenizerOf('x'), [1]), RangeError)
})
