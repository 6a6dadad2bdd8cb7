import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Utf8Stream } from './utf8-stream.ts'

test('characters of 2, 3 and 4 bytes come out only when complete, whole', () => {
  const stream = new Utf8Stream()
  const pieces = [...Buffer.from('ß日🙂!')].map((byte) => stream.push(Uint8Array.of(byte)))
  assert.deepEqual(pieces, ['', 'ß', '', '', '日', '', '', '', '🙂', '!'])
  assert.equal(stream.flush(), '')
})

test('an unfinished character at the end is one U+FFFD, and the stream starts anew', () => {
  const stream = new Utf8Stream()
  assert.equal(stream.push(Uint8Array.of(0xf0, 0x9f)), '')
  assert.equal(stream.flush(), '\ufffd')
  assert.equal(stream.push(Buffer.from('é')), 'é')
})

test('a byte order mark is text like any other', () => {
  assert.equal(new Utf8Stream().push(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61)), '\ufeffa')
})

test('any bytes cut anywhere give what decoding them whole gives, 500 seeded runs', () => {
  const whole = new TextDecoder('utf-8', { ignoreBOM: true })
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 5 }), { maxLength: 12 }), (pieces) => {
      const stream = new Utf8Stream()
      const text = pieces.map((piece) => stream.push(piece)).join('') + stream.flush()
      assert.equal(text, whole.decode(Buffer.concat(pieces)))
    }),
    { numRuns: 500, seed: 1 },
  )
})
