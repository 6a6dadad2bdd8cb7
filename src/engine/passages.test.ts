import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cutPassages, readTokens, type TokenText } from './passages.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Tokens are words with the space before them, and marks and line ends for themselves. */
const tokensOf = (text: string): TokenText => {
  const pieces = text.match(/ ?[\p{L}\p{N}]+|\n+|[^\p{L}\p{N}]/gu) ?? []
  return readTokens([...pieces.keys()], { decodeBytes: (id) => bytes(pieces[id] ?? '') })
}

const cut = (text: string, breaks?: ReadonlySet<number>): string[] => {
  const tokens = tokensOf(text)
  return cutPassages(tokens, breaks).map(({ from, to }) =>
    Buffer.from(tokens.bytes.subarray(tokens.starts[from], tokens.starts[to])).toString(),
  )
}

const words = (count: number, word = 'word'): string => Array.from({ length: count }, () => word).join(' ')

test('passages: a paragraph of 12 tokens ends one, one of 4 goes with the next', () => {
  const [one, two] = [`${words(14, 'one')}.`, `${words(14, 'two')}.`]
  assert.deepEqual(cut(`${one}\n\n${two}`), [`${one}`, `\n\n${two}`])
  assert.deepEqual(cut(`Heading\n\n${one}\n\nNext\n\n${two}`), [`Heading\n\n${one}`, `\n\nNext\n\n${two}`])
})

test('passages: lines end one from 24 tokens on, sentences from 32, and the rest is joined to the one before', () => {
  const line = `Line ${words(9)}\n`
  assert.deepEqual(cut(line.repeat(7)), [
    line.repeat(2) + line.trimEnd(),
    `\n${line.repeat(2)}${line.trimEnd()}`,
    `\n${line}`,
  ])
  const sentence = `${words(10)}. `
  const [first, second] = cut(sentence.repeat(5) + words(3))
  assert.equal(first, sentence.repeat(3).trimEnd())
  assert.equal(second, ` ${sentence}${sentence}${words(3)}`)
})

test('passages: 200 words without an end are cut between words, none longer than 64 tokens, nothing lost', () => {
  const text = words(200)
  const passages = cut(text)
  assert.ok(passages.every((passage) => passage.trim().split(' ').length <= 64))
  assert.ok(passages.length >= 4)
  assert.equal(passages.join(''), text)
})

test('passages: one begins at a break however short the one before is, and inside a character none begins', () => {
  assert.deepEqual(cut(`${words(3)}. ${words(3)}`, new Set([4])), [`${words(3)}.`, ` ${words(3)}`])
  const pieces = [bytes('a '), bytes('é').subarray(0, 1), bytes('é').subarray(1), bytes(' b')]
  const split = readTokens([0, 1, 2, 3], { decodeBytes: (id) => pieces[id] ?? bytes('') })
  assert.deepEqual(cutPassages(split, new Set([2])), [{ from: 0, to: 4 }])
})

test('passages: Chinese sentences end without a space, and a document of one token is one passage', () => {
  const sentence = `${'字 '.repeat(33)}。`
  assert.deepEqual(cut(sentence + sentence).length, 2)
  assert.deepEqual(cut('word'), ['word'])
})

test('passages: a line that only closes something goes with what it closes, also behind 24 tokens and a blank line', () => {
  const code = `${words(24)}\n\n}\n${words(24)}`
  assert.deepEqual(cut(code), [`${words(24)}\n\n}`, `\n${words(24)}`])
  assert.deepEqual(cut(`${words(14)}\n-----\n\n${words(14, 'two')}`), [
    `${words(14)}\n-----`,
    `\n\n${words(14, 'two')}`,
  ])
})

test('passages: a line that breaks within a sentence is no end after 24 tokens, before a capital, behind a brace or indented it is', () => {
  const wrapped = `${words(24)}\n${words(10)}.`
  assert.deepEqual(cut(wrapped), [wrapped])
  assert.deepEqual(cut(`${words(24)}\n50, and more.`), [`${words(24)}\n50, and more.`])
  assert.deepEqual(cut(`${words(24)}\nNext ${words(12)}`), [words(24), `\nNext ${words(12)}`])
  assert.deepEqual(cut(`${words(24)}\n ${words(12)}`), [words(24), `\n ${words(12)}`])
  assert.deepEqual(cut(`${words(24)} {\n${words(12)}`), [`${words(24)} {`, `\n${words(12)}`])
})
