import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { alphabet, stringTable, written } from '../../test/fixtures/toy-vocabulary.ts'
import { BytePairs } from './byte-pairs.ts'
import { Merges } from './merges.ts'
import { NORMAL, Vocabulary } from './vocabulary.ts'

type Pair = readonly [left: string, right: string]

const split = (merges: readonly Pair[], word: string): string[] => {
  const tokens = [...alphabet, ...new Set(merges.map((pair) => written(pair.join(''))))]
  const vocabulary = new Vocabulary(stringTable(tokens), new Int32Array(tokens.length).fill(NORMAL))
  const pairs = new BytePairs(new Merges(vocabulary, stringTable(merges.map((pair) => pair.map(written).join(' ')))))
  const bytes = Buffer.from(word)
  const parts: string[] = []
  pairs.split(bytes, bytes.length, (start, end) => parts.push(bytes.toString('latin1', start, end)))
  return parts
}

/** The definition: while any listed pair stands side by side, join the leftmost of the earliest listed. */
const define = (merges: readonly Pair[], word: string): string[] => {
  const parts = [...word]
  for (;;) {
    const ranks = parts.map((part, at) => merges.findIndex(([left, right]) => left === part && right === parts[at + 1]))
    const possible = ranks.filter((rank) => rank >= 0)
    if (possible.length === 0) return parts
    const at = ranks.indexOf(Math.min(...possible))
    parts.splice(at, 2, `${parts[at]}${parts[at + 1]}`)
  }
}

test('words are split as the definition says, 2000 seeded lists of merges over 3 letters', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 4 })
  const lists = fc.array(fc.tuple(letters, letters), { maxLength: 14 })
  const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 24 })
  fc.assert(
    fc.property(lists, word, (merges, text) => assert.deepEqual(split(merges, text), define(merges, text))),
    { numRuns: 2000, seed: 1 },
  )
})

test('of three equal letters the left two join', () => {
  assert.deepEqual(split([['a', 'a']], 'aaa'), ['aa', 'a'])
})

test('no letter and one letter are no part and one', () => {
  assert.deepEqual(split([['a', 'a']], ''), [])
  assert.deepEqual(split([['a', 'a']], 'a'), ['a'])
})

test('a word of 1,000,001 equal letters joins to 125,000 eights and one, and short words are right after it', () => {
  const tokens = [...alphabet, 'aa', 'aaaa', 'aaaaaaaa']
  const vocabulary = new Vocabulary(stringTable(tokens), new Int32Array(tokens.length).fill(NORMAL))
  const pairs = new BytePairs(new Merges(vocabulary, stringTable(['a a', 'aa aa', 'aaaa aaaa'])))
  const bytes = new Uint8Array(1_000_001).fill(97)
  const lengths = new Map<number, number>()
  pairs.split(bytes, bytes.length, (start, end) => lengths.set(end - start, (lengths.get(end - start) ?? 0) + 1))
  assert.deepEqual(
    [...lengths],
    [
      [8, 125_000],
      [1, 1],
    ],
  )
  const short: number[] = []
  pairs.split(bytes, 3, (start, end) => short.push(start, end))
  assert.deepEqual(short, [0, 2, 2, 3])
})
