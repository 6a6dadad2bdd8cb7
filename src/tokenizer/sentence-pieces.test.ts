import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { stringTable } from '../../test/fixtures/toy-vocabulary.ts'
import { CompactorError } from '../error.ts'
import { readGguf } from '../formats/gguf.ts'
import { createTemplate } from './template.ts'
import { createTokenizer, type Tokenizer, type TokenizerSource } from './tokenizer.ts'

const fixture = (name: string): Buffer => readFileSync(new URL(`../../test/fixtures/${name}`, import.meta.url))
const mistral = (): TokenizerSource => readGguf(fixture('toy-mistral.gguf'), 'toy-mistral').metadata

const textOf = (tokenizer: Tokenizer, ids: Iterable<number>): string =>
  Buffer.concat(Array.from(ids, (id) => tokenizer.decodeBytes(id))).toString()

test('9 texts have the ids that the sentencepiece library gives over the same vocabulary', () => {
  const { texts }: { texts: [string, number[]][] } = JSON.parse(fixture('toy-mistral.json').toString())
  assert.equal(texts.length, 9)
  const tokenizer = createTokenizer(mistral())
  for (const [text, ids] of texts) assert.deepEqual([...tokenizer.encode(text, { after: [] })], ids, text)
})

test('a space goes before text at the beginning and behind marks, not behind other text, and is no byte of it', () => {
  const tokenizer = createTokenizer(mistral())
  const plain = [...tokenizer.encode('the')]
  const spaced = [...tokenizer.encode('the', { after: [] })]
  assert.equal(textOf(tokenizer, plain), 'the')
  assert.equal(textOf(tokenizer, spaced), ' the')
  assert.deepEqual([...tokenizer.encode('the', { after: [1] })], spaced)
  assert.deepEqual([...tokenizer.encode('the', { after: plain })], plain)
  assert.deepEqual([...tokenizer.encode('<s>the</s>the', { control: true })], [1, ...spaced, 2, ...spaced])
  const { ids, offsets } = tokenizer.encodeWithOffsets('in the', { after: [] })
  assert.equal(textOf(tokenizer, ids), ' in the')
  assert.equal(offsets[0], 0)
  assert.deepEqual([...offsets].at(-1), 2)
})

test('without add_space_prefix no space goes before text', () => {
  const source = mistral()
  const tokenizer = createTokenizer({
    ...source,
    get: (key) => (key === 'tokenizer.ggml.add_space_prefix' ? false : source.get(key)),
    strings: (key) => source.strings(key),
    integers: (key) => source.integers(key),
    floats: (key) => source.floats(key),
  })
  assert.equal(textOf(tokenizer, tokenizer.encode('the', { after: [] })), 'the')
})

test('any text decodes to itself by way of bytes, 1000 seeded strings, ▁ and <0x41> included, never a control token', () => {
  const tokenizer = createTokenizer(mistral())
  const text = fc.array(
    fc.oneof(fc.constantFrom('▁', '<0x41>', '<s>', ' the', '[INST] '), fc.string({ unit: 'binary' })),
  )
  fc.assert(
    fc.property(text, (parts) => {
      const ids = tokenizer.encode(parts.join(''))
      assert.equal(textOf(tokenizer, ids), parts.join(''))
      assert.ok(!ids.some((id) => tokenizer.isControl(id)))
    }),
    { numRuns: 1000, seed: 1 },
  )
})

test('the template of a [INST] model is cut, its begin token written once', async () => {
  const source = mistral()
  const tokenizer = createTokenizer(source)
  const { head, between, end } = await createTemplate(source, tokenizer)
  assert.deepEqual(
    [head, between, end].map((ids) => textOf(tokenizer, ids)),
    ['<s> [INST] ', '\n\n', ' [/INST]'],
  )
})

/** Pieces with scores as given, then 256 bytes. */
const pieces = (entries: readonly (readonly [string, number])[]): TokenizerSource => {
  const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).padStart(2, '0').toUpperCase()}>`)
  const arrays: Record<string, readonly string[]> = {
    'tokenizer.ggml.tokens': [...entries.map(([text]) => text), ...bytes],
  }
  return {
    get: (key) => (key === 'tokenizer.ggml.model' ? 'llama' : undefined),
    strings: (key) => arrays[key] && stringTable(arrays[key]),
    integers: () => Int32Array.from([...entries.map(() => 1), ...bytes.map(() => 6)]),
    floats: () => Float32Array.from([...entries.map(([, score]) => score), ...bytes.map(() => 0)]),
  }
}

test('the pair of the highest score joins first, of equal ones the leftmost, whether scores are whole numbers or not', () => {
  for (const unit of [1, 0.3]) {
    const tokenizer = createTokenizer(
      pieces([
        ['a', -9],
        ['b', -9],
        ['c', -9],
        ['ab', -2 * unit],
        ['bc', -unit],
        ['aa', -3 * unit],
      ]),
    )
    assert.deepEqual([...tokenizer.encode('abc')], [0, 4])
    assert.deepEqual([...tokenizer.encode('aaa')], [5, 0])
    assert.deepEqual([...tokenizer.encode('aab')], [0, 3])
  }
})

test('scores of another number or NaN, and a byte that is none, are refused as model-corrupt', () => {
  const source = pieces([['a', -1]])
  const refused = (sentence: RegExp) => (error: unknown) =>
    error instanceof CompactorError && error.code === 'model-corrupt' && sentence.test(error.message)
  const open = (change: Partial<TokenizerSource>) => () => createTokenizer({ ...source, ...change })
  assert.throws(open({ floats: () => new Float32Array(5) }), refused(/scores has 5 values, expected 257/))
  assert.throws(
    open({ floats: () => new Float32Array(257).fill(Number.NaN) }),
    refused(/scores holds what is not a number/),
  )
  assert.throws(open({ floats: () => undefined }), refused(/no tokenizer\.ggml\.scores/))
  assert.throws(open({ integers: () => new Int32Array(257).fill(6) }), refused(/stands for a byte and is written "a"/))
})
