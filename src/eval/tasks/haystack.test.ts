import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createDraws, different, growing } from './draws.ts'
import { essays } from './essays.ts'
import { createHaystack, sentencesOf } from './haystack.ts'
import { largestFit } from './largest-fit.ts'
import { adjectives, inventedWord, nouns, verbs } from './words.ts'

test('a haystack of three words gives 1, 3, 4 and 7 words, from the beginning again after the third', () => {
  const haystack = createHaystack('  one\n two\tthree ')
  assert.equal(haystack.take(1), 'one')
  assert.equal(haystack.take(3), 'one two three')
  assert.equal(haystack.take(4), 'one two three one')
  assert.equal(haystack.take(7), 'one two three one two three one')
})

test('a text of 60 letters without a space is cut every 24, and a text without words is refused', () => {
  const haystack = createHaystack('天'.repeat(60))
  assert.equal(haystack.take(1), '天'.repeat(24))
  assert.equal(haystack.take(3), '天'.repeat(60))
  assert.throws(() => createHaystack(' \n '), { code: 'usage', message: /no words/ })
})

test('sentences end at full stops and what closes around them, not inside numbers or abbreviations before small letters', () => {
  assert.deepEqual(sentencesOf('It was 3.5 m, approx. as said. "Was it?" Yes! (It was.) 7 more came.'), [
    'It was 3.5 m, approx. as said.',
    '"Was it?"',
    'Yes!',
    '(It was.)',
    '7 more came.',
  ])
  assert.deepEqual(sentencesOf('天気です。「はい。」晴れ！'), ['天気です。', '「はい。」', '晴れ！'])
})

test('the essays have at least 2,400 words, no digits and nothing but ASCII', () => {
  assert.ok(essays.split(/\s+/).length >= 2400)
  assert.match(essays, /^[ -/:-~\n]+$/)
})

test('1,600 words, all of four letters or more, none inside another, in three lists', () => {
  const words = [...adjectives, ...nouns, ...verbs]
  assert.ok(words.length >= 1600)
  assert.deepEqual(
    words.filter((word) => !/^[a-z]{4,}$/.test(word)),
    [],
  )
  const text = words.join(' ')
  const inside = words.filter((word) => text.split(word).length !== 2)
  assert.deepEqual(inside, [])
})

test('choices repeat with the seed and differ with seed and name', () => {
  const first = (seed: number, ...names: (string | number)[]): number[] => {
    const draws = createDraws(seed, ...names)
    return Array.from({ length: 8 }, () => draws.integer(0, 1e6))
  }
  assert.deepEqual(first(1, 'a', 0), first(1, 'a', 0))
  for (const other of [first(2, 'a', 0), first(1, 'b', 0), first(1, 'a', 1), first(1, 'a')])
    assert.notDeepEqual(first(1, 'a', 0), other)
})

test('1,000 integers from 3 to 5 are 3, 4 and 5; samples have no place twice; shuffles lose nothing', () => {
  const draws = createDraws(7)
  const seen = new Set(Array.from({ length: 1000 }, () => draws.integer(3, 5)))
  assert.deepEqual([...seen].sort(), [3, 4, 5])
  const list = Array.from({ length: 50 }, (_, index) => index)
  assert.equal(new Set(draws.sample(list, 20)).size, 20)
  const shuffled = draws.shuffle(list)
  assert.notDeepEqual(shuffled, list)
  assert.deepEqual(
    shuffled.sort((a, b) => a - b),
    list,
  )
  assert.throws(() => draws.sample(list, 51), RangeError)
})

test('500 invented words are different, and asking for fewer gives the first of them', () => {
  const draws = createDraws(3)
  const words = growing(different(() => inventedWord(draws)))
  const all = words(500)
  assert.equal(new Set(all).size, 500)
  assert.deepEqual(words(20), all.slice(0, 20))
})

const counted = (tokensOf: (units: number) => number, limit: number, guess = 0) => {
  let counts = 0
  const fit = largestFit({
    least: 4,
    guess,
    limit,
    build: (units) => units,
    tokensOf: (units) => {
      counts++
      return tokensOf(units)
    },
  })
  return { units: fit?.units, counts }
}

test('the largest fit is exact for 1.3 tokens to a unit at every limit from 120 to 1,000, in at most 9 counts', () => {
  for (let limit = 120; limit <= 1000; limit++) {
    const { units, counts } = counted((n) => 100 + Math.floor(1.3 * n), limit)
    const right = Math.ceil((limit - 99) / 1.3) - 1
    assert.equal(units, right, `limit ${limit}`)
    assert.ok(counts <= 9, `${counts} counts at limit ${limit}`)
  }
})

test('of 50,000 units that grow unevenly the largest fit still fits, one more does not, and a good guess saves counts', () => {
  const uneven = (n: number): number => 30 + Math.floor(2 * n + 40 * Math.sin(n / 50))
  const cold = counted(uneven, 100_000)
  assert.ok(cold.units !== undefined && uneven(cold.units) <= 100_000 && uneven(cold.units + 1) > 100_000)
  assert.ok(cold.counts <= 20, `${cold.counts} counts`)
  assert.ok(counted(uneven, 100_000, cold.units).counts < cold.counts)
})

test('nothing fits when the least of 4 units is too long', () => {
  assert.equal(counted((n) => 100 + n, 103).units, undefined)
  assert.equal(counted((n) => 100 + n, 104).units, 4)
})
