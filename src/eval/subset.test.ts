import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { Example } from './example.ts'
import { chooseContexts, chooseQuestions } from './subset.ts'

const example = (id: string, dataset = 'a'): Example => ({
  ...{ id, dataset, instruction: '', context: id, metric: 'contains', maxNewTokens: 8 },
  questions: Array.from({ length: 9 }, (_, i) => ({ qid: `q${i}`, question: '?', answers: ['!'] })),
})

const all = Array.from({ length: 40 }, (_, i) => example(`c${i}`, i < 30 ? 'a' : i < 38 ? 'b' : 'c'))
const ids = (examples: readonly Example[]): string[] => examples.map(({ id }) => id)

test('contexts stand in the order of sha256 of "SEED\\nID"', () => {
  const draw = (id: string): string => createHash('sha256').update(`1\n${id}`).digest('hex')
  const expected = ids(all).sort((a, b) => (draw(a) < draw(b) ? -1 : 1))
  assert.deepEqual(ids(chooseContexts(all, { seed: 1 })), expected)
})

test('4 known ids keep their order for ever, because committed subsets are such lists', () => {
  const trees = ['ash', 'oak', 'elm', 'fir'].map((id) => example(id))
  assert.deepEqual(ids(chooseContexts(trees, { seed: 1 })), ['elm', 'fir', 'ash', 'oak'])
})

const readCommitted = (name: string): { name: string; contexts: string[] }[] => {
  const path = new URL(`../../bench/subsets/${name}.json`, import.meta.url)
  const { seed, data } = JSON.parse(readFileSync(path, 'utf8')) as {
    seed: number
    data: { name: string; contexts: string[] }[]
  }
  assert.equal(seed, 1)
  return data
}

test('the committed subset of stage 1 has 16 different ids of each of 6 files, in the order drawn with seed 1', () => {
  const data = readCommitted('stage-1')
  assert.equal(new Set(data.map(({ name }) => name)).size, 6)
  for (const { name, contexts } of data) {
    assert.equal(new Set(contexts).size, 16, name)
    const drawn = chooseContexts(
      [...contexts].sort().map((id) => example(id)),
      { seed: 1 },
    )
    assert.deepEqual(ids(drawn), contexts, name)
  }
})

test('the committed subset of stage 2 has 121 ids of 5 files; the one for large models has 40, each file’s first', () => {
  const [all, large] = [readCommitted('stage-2'), readCommitted('stage-2-large')]
  const count = (data: typeof all): number => new Set(data.flatMap(({ contexts }) => contexts)).size
  assert.deepEqual([all.length, count(all), large.length, count(large)], [5, 121, 5, 40])
  for (const [index, { name, contexts }] of large.entries()) {
    assert.equal(all[index]?.name, name)
    assert.deepEqual(all[index]?.contexts.slice(0, contexts.length), contexts, name)
  }
})

test('the order of the file does not matter, and 5 contexts are the first 5 of 16', () => {
  const sixteen = ids(chooseContexts(all, { seed: 1, limit: 16 }))
  assert.equal(sixteen.length, 16)
  assert.deepEqual(ids(chooseContexts([...all].reverse(), { seed: 1, limit: 16 })), sixteen)
  assert.deepEqual(ids(chooseContexts(all, { seed: 1, limit: 5 })), sixteen.slice(0, 5))
  assert.notDeepEqual(ids(chooseContexts(all, { seed: 2, limit: 16 })), sixteen)
})

test('4 per data set: 4 + 4 + 2 in rounds, and 2 per data set are the first 6 of them', () => {
  const chosen = chooseContexts(all, { seed: 1, perDataset: 4 })
  const counts = ['a', 'b', 'c'].map((name) => chosen.filter(({ dataset }) => dataset === name).length)
  assert.deepEqual(counts, [4, 4, 2])
  assert.deepEqual(new Set(chosen.slice(0, 3).map(({ dataset }) => dataset)), new Set(['a', 'b', 'c']))
  assert.deepEqual(ids(chooseContexts(all, { seed: 1, perDataset: 2 })), ids(chosen).slice(0, 6))
  assert.deepEqual(ids(chooseContexts(all, { seed: 1, perDataset: 4, limit: 7 })), ids(chosen).slice(0, 7))
})

test('lengths out of bounds are left out before choosing, so 5 contexts of 10 to 19 tokens are still 5', () => {
  const of = ({ id }: Example): number => Number(id.slice(1))
  const chosen = chooseContexts(all, { seed: 1, limit: 5, tokens: { of, min: 10, max: 19 } })
  assert.equal(chosen.length, 5)
  assert.ok(chosen.every((context) => of(context) >= 10 && of(context) <= 19))
})

test('questions: at most 4 of 9, 2 are the first 2 of them, and another context draws others', () => {
  const qids = (context: Example, limit?: number): string[] =>
    chooseQuestions(context, { seed: 1, ...(limit === undefined ? {} : { limit }) }).questions.map(({ qid }) => qid)
  const four = qids(example('c1'), 4)
  assert.equal(four.length, 4)
  assert.deepEqual(qids(example('c1'), 2), four.slice(0, 2))
  assert.notDeepEqual(qids(example('c2'), 4), four)
  assert.equal(qids(example('c1')).length, 9)
})

test('a limit of 0 or 1.5 is a RangeError', () => {
  assert.throws(() => chooseContexts(all, { seed: 1, limit: 0 }), RangeError)
  assert.throws(() => chooseContexts(all, { seed: 1, perDataset: 1.5 }), RangeError)
  assert.throws(() => chooseQuestions(example('c1'), { seed: 1, limit: 0 }), RangeError)
})
