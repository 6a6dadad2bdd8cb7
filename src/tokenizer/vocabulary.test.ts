import assert from 'node:assert/strict'
import { test } from 'node:test'
import { alphabet, stringTable, written } from '../../test/fixtures/toy-vocabulary.ts'
import { CompactorError } from '../error.ts'
import { Merges } from './merges.ts'
import { CONTROL, NORMAL, USER_DEFINED, Vocabulary } from './vocabulary.ts'

const vocabulary = (others: readonly (readonly [string, number])[] = []): Vocabulary =>
  new Vocabulary(
    stringTable([...alphabet, ...others.map(([text]) => text)]),
    Int32Array.from([...alphabet.map(() => NORMAL), ...others.map(([, kind]) => kind)]),
  )

const find = (v: Vocabulary, text: string): number | undefined => {
  const bytes = Buffer.from(text)
  return v.find(bytes, 0, bytes.length)
}

const corrupt = (sentence: RegExp) => (error: unknown) =>
  error instanceof CompactorError && error.code === 'model-corrupt' && sentence.test(error.message)

test('all 256 bytes are found by the token whose writing stands for them, and decode to themselves', () => {
  const v = vocabulary()
  for (let byte = 0; byte < 256; byte++) {
    assert.equal(v.find(Uint8Array.of(byte), 0, 1), byte)
    assert.deepEqual([...v.bytesOf(byte)], [byte])
  }
})

test('normal tokens are read in the byte-level alphabet, control and user-defined ones as plain text', () => {
  const v = vocabulary([
    [written(' größer'), NORMAL],
    ['<|ende ñ|>', CONTROL],
    ['  Ġ', USER_DEFINED],
  ])
  assert.equal(Buffer.from(v.bytesOf(256)).toString(), ' größer')
  assert.equal(Buffer.from(v.bytesOf(257)).toString(), '<|ende ñ|>')
  assert.equal(Buffer.from(v.bytesOf(258)).toString(), '  Ġ')
  assert.equal(find(v, ' größer'), 256)
  assert.equal(find(v, ' größe'), undefined)
  assert.equal(find(v, '<|ende ñ|>'), undefined)
  assert.deepEqual([[...v.ofKind(CONTROL)], [...v.ofKind(USER_DEFINED)]], [[['<|ende ñ|>', 257]], [['  Ġ', 258]]])
  assert.equal(v.longest, Buffer.byteLength('<|ende ñ|>'))
})

test('of two tokens written the same the first is found', () => {
  assert.equal(
    find(
      vocabulary([
        ['ab', NORMAL],
        ['ab', NORMAL],
      ]),
      'ab',
    ),
    256,
  )
})

test('5000 tokens are all found again', () => {
  const texts = Array.from({ length: 5000 }, (_, index) => `t${(index * 7919) % 10_007}`)
  const v = vocabulary(texts.map((text) => [text, NORMAL]))
  for (const [index, text] of texts.entries()) assert.equal(find(v, text), 256 + index)
  assert.equal(find(v, 'u1'), undefined)
})

test('token 256 asked of 256 tokens is a RangeError, as are -1 and 0.5', () => {
  for (const id of [256, -1, 0.5]) assert.throws(() => vocabulary().bytesOf(id), RangeError)
})

test('token types of another count, and of value 0 or 7, are refused as model-corrupt', () => {
  assert.throws(() => new Vocabulary(stringTable(['a', 'b']), Int32Array.of(1)), corrupt(/has 1 values, expected 2/))
  for (const kind of [0, 7, -1])
    assert.throws(() => new Vocabulary(stringTable(['a']), Int32Array.of(kind)), corrupt(new RegExp(`holds ${kind},`)))
})

test('a merge is found by its token and the place where it joins, and by no other', () => {
  const v = vocabulary(['ab', 'bc', 'abc'].map((text) => [text, NORMAL]))
  const merges = new Merges(v, stringTable(['b c', 'a b', 'ab c', 'a bc']))
  const bytes = Buffer.from('xabcx')
  assert.equal(merges.rank(bytes, 2, 3, 4), 0)
  assert.equal(merges.rank(bytes, 1, 2, 3), 1)
  assert.equal(merges.rank(bytes, 1, 3, 4), 2, 'ab + c')
  assert.equal(merges.rank(bytes, 1, 2, 4), 3, 'a + bc')
  assert.equal(merges.rank(bytes, 0, 1, 2), undefined)
  assert.equal(merges.rank(bytes, 0, 1, 5), undefined)
})

test('a merge listed twice has its earlier rank', () => {
  const merges = new Merges(vocabulary([['ab', NORMAL]]), stringTable(['a b', 'a b']))
  assert.equal(merges.rank(Buffer.from('ab'), 0, 1, 2), 0)
})

test('a merge into a control token does not exist for text', () => {
  const merges = new Merges(vocabulary([['ab', CONTROL]]), stringTable(['a b']))
  assert.equal(merges.rank(Buffer.from('ab'), 0, 1, 2), undefined)
})

test('a merge without a space, with an empty side, or of no token, is refused as model-corrupt', () => {
  const v = vocabulary([['ab', NORMAL]])
  for (const merge of ['ab', ' ab', 'ab ', '', 'a'.repeat(5000)])
    assert.throws(
      () => new Merges(v, stringTable([merge, 'a b'])),
      corrupt(/merge 0 .* is not two tokens/),
      `"${merge}"`,
    )
  assert.throws(() => new Merges(v, stringTable(['a b', 'b a'])), corrupt(/merge 1 .* makes no token/))
})
