import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AnswerText } from './answer-text.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const feed = (text: AnswerText, pieces: readonly Uint8Array[]): string[] => [
  ...pieces.map((piece) => text.push(piece)),
  text.finish(),
]

test('answer text: a character cut over 4 tokens appears once it is whole', () => {
  const snowman = [...bytes('😀')].map((byte) => Uint8Array.of(byte))
  assert.deepEqual(feed(new AnswerText(), [bytes('a'), ...snowman, bytes('b')]), ['a', '', '', '', '😀', 'b', ''])
})

test('answer text: bytes that never become a character end as U+FFFD', () => {
  assert.equal(feed(new AnswerText(), [bytes('a'), Uint8Array.of(0xe2, 0x82)]).join(''), 'a\ufffd')
})

test('answer text: a stop string over 3 tokens ends the text before it', () => {
  const text = new AnswerText(['\n\nQ:'])
  assert.deepEqual(feed(text, [bytes('yes\n'), bytes('\nQ'), bytes(': more')]), ['yes', '', '', ''])
  assert.equal(text.isStopped, true)
})

test('answer text: what only looked like a stop string is given back', () => {
  const text = new AnswerText(['STOP', 'STAY'])
  assert.equal(feed(text, [bytes('a ST'), bytes('AIR S'), bytes('T')]).join(''), 'a STAIR ST')
  assert.equal(text.isStopped, false)
})

test('answer text: of two stop strings in one piece the earlier one ends the text', () => {
  assert.equal(feed(new AnswerText(['two', 'one']), [bytes('zero one two')]).join(''), 'zero ')
})

test('answer text: an empty stop string is refused', () => {
  assert.throws(() => new AnswerText(['']), RangeError)
})
