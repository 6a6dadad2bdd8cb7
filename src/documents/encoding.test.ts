import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeText } from './encoding.ts'

const name = 'a.txt'
const decode = (bytes: Uint8Array, more: object = {}): [string, string, boolean] => {
  const { text, encoding, guessed } = decodeText(bytes, { name, ...more })
  return [text, encoding, guessed]
}

const russian = 'Маяк зажигали каждый вечер, и корабли видели его издалека. '.repeat(4)
/** Cyrillic of windows-1251 or KOI8-R by the tables of the decoder itself. */
const encodeAs = (label: string, text: string): Buffer => {
  const table = new Map(
    Array.from({ length: 256 }, (_, byte) => [new TextDecoder(label).decode(Uint8Array.of(byte)), byte]),
  )
  return Buffer.from(Array.from(text, (character) => table.get(character) ?? 63))
}

test('encoding: byte order marks of 3 kinds are believed and removed', () => {
  assert.deepEqual(decode(Buffer.from('\ufeffä')), ['ä', 'utf-8', false])
  assert.deepEqual(decode(Buffer.from('\ufeffä', 'utf16le')), ['ä', 'utf-16le', false])
  assert.deepEqual(decode(Buffer.from('\ufeffä', 'utf16le').swap16()), ['ä', 'utf-16be', false])
})

test('encoding: UTF-16 without a mark is found by its zeros in both byte orders, binary data is not', () => {
  const wide = Buffer.from('The bell rings.\r\n', 'utf16le')
  assert.deepEqual(decode(wide), ['The bell rings.\r\n', 'utf-16le', true])
  assert.deepEqual(decode(Buffer.from(wide).swap16()), ['The bell rings.\r\n', 'utf-16be', true])
  for (const hex of ['0001', '00010002', '410000', '41000100'])
    assert.throws(() => decode(Buffer.from(hex, 'hex')), { code: 'document-invalid', message: /binary/ })
})

test('encoding: Cyrillic in 2 encodings is guessed, and said to be; what is stated is believed if it fits', () => {
  for (const label of ['windows-1251', 'koi8-r'])
    assert.deepEqual(decode(encodeAs(label, russian)), [russian, label, true])
  assert.equal(decode(encodeAs('koi8-r', russian), { stated: 'koi8-r' })[2], false)
  assert.deepEqual(decode(Buffer.from('ä'), { stated: 'no-such' }), ['ä', 'utf-8', false])
  assert.deepEqual(decode(Buffer.from([0xe4]), { stated: 'utf-8' })[2], true)
  assert.deepEqual(decode(Buffer.from('93fa967b', 'hex'), { stated: 'shift_jis' }), ['日本', 'shift_jis', false])
})

test('encoding: letters after 100 kB of ASCII are still looked at', () => {
  const late = Buffer.concat([Buffer.alloc(100_000, 'a '), encodeAs('koi8-r', russian)])
  assert.equal(decode(late)[1], 'koi8-r')
})

test('encoding: what the caller says is kept to: bytes that do not fit and unknown names are refused', () => {
  assert.throws(() => decode(Buffer.from([0xff]), { encoding: 'utf-8' }), {
    code: 'document-invalid',
    message: /not valid utf-8/,
  })
  assert.throws(() => decode(Buffer.from('a'), { encoding: 'runes' }), {
    code: 'usage',
    message: /runes is no encoding/,
  })
  assert.deepEqual(decode(Buffer.from([0xe4]), { encoding: 'iso-8859-1' }), ['ä', 'windows-1252', false])
})

test('encoding: control characters without a zero among them are a binary file', () => {
  const bytes = Uint8Array.from({ length: 200 }, (_, i) => (i % 2 ? 1 + (i % 7) : 200 + (i % 50)))
  assert.throws(() => decode(bytes), { code: 'document-invalid', message: /binary file of no kind/ })
})
