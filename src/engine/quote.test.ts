import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readTokens } from './passages.ts'
import { quote } from './quote.ts'

const read = (pieces: readonly string[]) =>
  readTokens([...pieces.keys()], { decodeBytes: (id) => new TextEncoder().encode(pieces[id]) })

test('quote: white space at both ends is left out of text and offsets, which count bytes; lines count from 1', () => {
  const pieces = ['Öl', '1\n\n', ' Ein', ' Maß', ' \n', 'x']
  const source = Buffer.from(pieces.join(''))
  const found = quote(read(pieces), Uint32Array.of(0, 3, 6, 10, 15, 17), { from: 1, to: 5 })
  assert.deepEqual(found, { text: '1\n\n Ein Maß', start: 3, end: 15, line: 1 })
  assert.equal(source.subarray(found.start, found.end).toString(), found.text)
  assert.deepEqual(quote(read(pieces), Uint32Array.of(0, 3, 6, 10, 15, 17), { from: 2, to: 4 }), {
    text: 'Ein Maß',
    start: 7,
    end: 15,
    line: 3,
  })
})

test('quote: a space that the tokenizer put before the first word, and characters without a token, do not shift offsets', () => {
  // "The ☃ end" where ☃ has no token and the first token spells a space that is not there.
  const pieces = [' The', ' ', ' end']
  assert.deepEqual(quote(read(pieces), Uint32Array.of(0, 3, 7), { from: 0, to: 1 }), {
    text: 'The',
    start: 0,
    end: 3,
    line: 1,
  })
  assert.deepEqual(quote(read(pieces), Uint32Array.of(0, 3, 7), { from: 2, to: 3 }), {
    text: 'end',
    start: 8,
    end: 11,
    line: 1,
  })
})

test('quote: a passage of white space is empty', () => {
  const { text, start, end } = quote(read(['a', ' \n', 'b']), Uint32Array.of(0, 1, 3), { from: 1, to: 2 })
  assert.deepEqual([text, start === end], ['', true])
})

test('quote: lines without a letter or digit at both ends are left out, those between stay', () => {
  const pieces = ['}\n', '  }\n\n', '  é (\n', '  )\n', '2\n', '----']
  const { text, start, end, line } = quote(read(pieces), Uint32Array.of(0, 2, 7, 14, 18, 20), { from: 0, to: 6 })
  assert.deepEqual([text, start, end, line], ['é (\n  )\n2', 9, 19, 4])
  assert.equal(quote(read(['}\n', ')']), Uint32Array.of(0, 2), { from: 0, to: 2 }).text, '')
})
