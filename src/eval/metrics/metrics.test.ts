import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { CompactorError } from '../../error.ts'
import type { Example, Question } from '../example.ts'
import { metricOf, metrics } from './index.ts'
import { matchingRatio } from './matching-ratio.ts'
import { normalisedAnswer } from './normalised-answer.ts'

const exampleOf = (answers: readonly string[], classes?: readonly string[]) => {
  const question: Question = { qid: '1', question: '?', answers }
  const example: Example = {
    ...{ id: '1', dataset: 'made up', instruction: '', context: 'c', metric: 'any', maxNewTokens: 1 },
    questions: [question],
    ...(classes ? { classes } : {}),
  }
  return { question, example }
}

const judge = (name: string, prediction: string, answers: readonly string[], classes?: readonly string[]): number => {
  const { question, example } = exampleOf(answers, classes)
  return metricOf(name).score(prediction, question, example)
}

const refusal = (name: string, answers: readonly string[]): string => {
  const { question, example } = exampleOf(answers)
  return metricOf(name).refusal?.(question, example) ?? ''
}

test('word F1: case, punctuation and articles do not count', () => {
  assert.equal(judge('word-f1', 'The Green Lorry.', ['green lorry']), 1)
})

test('word F1: 2 of 5 answer words against 2 reference words is 4/7', () => {
  // precision 2/5, recall 2/2: 2 · 0.4 · 1 / 1.4
  assert.equal(judge('word-f1', 'it was the green lorry who', ['green lorry']), 4 / 7)
})

test('word F1: a word said twice counts once where the reference has it once', () => {
  // common 1, lengths 2 and 1
  assert.equal(judge('word-f1', 'blue blue', ['blue']), 2 / 3)
})

test('word F1: the best of 3 references counts', () => {
  assert.equal(judge('word-f1', 'in 1998', ['1997', 'in 1998', 'the year']), 1)
})

test('word F1: nothing in common is 0, and an empty answer is right only for an empty reference', () => {
  assert.equal(judge('word-f1', 'red', ['blue']), 0)
  assert.equal(judge('word-f1', '', ['blue']), 0)
  assert.equal(judge('word-f1', 'the', ['a']), 1)
  assert.equal(judge('longbench-qa-f1', 'the', ['a']), 0, "LongBench's is 0 then")
})

test('word F1: punctuation inside a word is dropped, so 14,250 equals 14250', () => {
  assert.equal(judge('word-f1', '14,250 crowns', ['14250 crowns']), 1)
})

test('word F1: the a in "ça" is no article, so 1 of 2 words agrees with "ç va"', () => {
  assert.equal(judge('word-f1', 'ça va', ['ç va']), 0.5)
})

test('exact match: the whole answer, not a part of it', () => {
  assert.equal(judge('exact-match', 'The green lorry!', ['red lorry', 'Green  lorry']), 1)
  assert.equal(judge('exact-match', 'a green lorry, I think', ['green lorry']), 0)
})

test('contains: any case and any of 2 references, but punctuation counts', () => {
  assert.equal(judge('contains', 'It is in the KITCHEN.', ['garden', 'kitchen']), 1)
  assert.equal(judge('contains', 'kit-chen', ['kitchen']), 0)
})

test('contains first number: the first of 2 numbers, as a number', () => {
  assert.equal(judge('contains-first-number', 'The number is 2416, not 17.', ['2416']), 1)
  assert.equal(judge('contains-first-number', 'Line 17 has 2416.', ['2416']), 0)
  assert.equal(judge('contains-first-number', '02416', ['2416']), 1)
  assert.equal(judge('contains-first-number', '24160', ['2416']), 0)
  assert.equal(judge('contains-first-number', 'none', ['2416']), 0)
  assert.match(refusal('contains-first-number', ['12', 'many']), /number, got "many"/)
})

test('RULER all: 3 of 4 references are 0.75; part: one is enough', () => {
  const answers = ['1111', 'Abc', '3333', '4444']
  assert.equal(judge('ruler-all', '1111, aBC and 4444', answers), 0.75)
  assert.equal(judge('ruler-part', '1111, aBC and 4444', answers), 1)
  assert.equal(judge('ruler-part', '2222', answers), 0)
})

test('RULER: kvpress deletes a line break inside a number, RULER itself keeps it', () => {
  assert.equal(judge('ruler-all', '\n 12\n34\n', ['1234']), 1)
  assert.equal(judge('ruler-part', '12\u000134', ['1234']), 1)
  assert.equal(judge('ruler-all-newline', '12\n34', ['1234']), 0)
  assert.equal(judge('ruler-part-newline', '12\n34', ['1234', '34']), 1)
})

test('answer contained: a normalised reference in the first line, not in the second', () => {
  assert.equal(judge('answer-contained', 'It was the Green-Lorry band.\nRed', ['A greenlorry']), 1)
  assert.equal(judge('answer-contained', 'I do not know.\nA green lorry', ['green lorry']), 0)
})

test('KVzip: seven is 7, and an empty answer contains nothing, not even a reference of articles', () => {
  assert.equal(judge('kvzip-contains', 'There were Seven lorries.', ['7 lorries']), 1)
  assert.equal(judge('kvzip-contains', '7', ['seven']), 1)
  assert.equal(judge('kvzip-contains', 'seventy', ['70', '7ty']), 0)
  assert.equal(judge('kvzip-contains', ' ', ['the']), 0)
})

test('ROUGE-L: 3 of 4 words in order against 6 are 0.6, and case counts', () => {
  // precision 3/4, recall 3/6
  const score = judge('rouge-l', 'red lorry left quickly', ['a red lorry has left today'])
  assert.ok(Math.abs(score - 0.6) < 1e-8, `${score}`)
  assert.equal(judge('rouge-l', 'Red', ['red']), 0)
})

test('ROUGE-L: an empty answer is 0 and the first-line form does not see line 2', () => {
  assert.equal(judge('rouge-l', '', ['red lorry']), 0)
  assert.equal(judge('rouge-l', '...', ['red lorry']), 0)
  assert.ok(judge('rouge-l', 'blue\nred lorry', ['red lorry']) > 0.7)
  assert.equal(judge('rouge-l-first-line', '\n blue\nred lorry', ['red lorry']), 0)
})

test('LongBench QA F1, first line: what follows the answer costs nothing', () => {
  assert.equal(judge('longbench-qa-f1', 'green lorry\nPassage two', ['green lorry']), 2 / 3)
  assert.equal(judge('longbench-qa-f1-first-line', '\ngreen lorry\nPassage two', ['green lorry']), 1)
})

test('LongBench classification: the right class among 2 named is 1/2, a part of the right name does not count', () => {
  const classes = ['Food', 'Animal', 'Food and drink', 'City']
  assert.equal(judge('longbench-classification', 'Animal or City', ['City'], classes), 0.5)
  assert.equal(judge('longbench-classification', 'Food and drink', ['Food and drink'], classes), 1)
  assert.equal(judge('longbench-classification', 'Animal', ['City'], classes), 0)
  assert.equal(judge('longbench-classification', 'City\nAnimal', ['City'], classes), 1, 'first line')
  assert.equal(judge('longbench-classification', '', ['City'], classes), 0)
})

test('LongBench classification: the name after a removed one is skipped, so of 3 parts of the right name 1 still counts', () => {
  // found: a, ab, abc, abcd; a is removed and ab skipped, abc is removed and abcd skipped: ab and abcd are left
  const classes = ['a', 'ab', 'abc', 'abcd']
  assert.equal(judge('longbench-classification', 'abcd', ['abcd'], classes), 0.5)
})

test('LongBench classification needs class names', () => {
  assert.match(refusal('longbench-classification', ['City']), /names of all classes/)
  assert.throws(() => judge('longbench-classification', 'City', ['City']), RangeError)
})

test('LongBench code similarity: the first line without fence or comment, in whole percent', () => {
  const prediction = '\n```python\n# total\nreturn a + b\nreturn 0'
  assert.equal(judge('longbench-code-similarity', prediction, ['return a + b']), 1)
  // "return " and one more of the 5 characters left: 2 · 10 / 24 = 83.3 %
  assert.equal(judge('longbench-code-similarity', 'return a + b', ['return b + a']), 0.83)
  assert.equal(judge('longbench-code-similarity', '// nothing', ['return 0']), 0)
  assert.equal(judge('longbench-code-similarity', '`', ['']), 1, 'equal strings, both empty')
})

test('LongBench code similarity: exactly half a percent goes to the even one, 12.5 % to 12 and 37.5 % to 38', () => {
  assert.equal(judge('longbench-code-similarity', 'abcdefgh', ['aBCDEFGH']), 0.12)
  assert.equal(judge('longbench-code-similarity', 'abcdefgh', ['abcDEFGH']), 0.38)
})

test('LongBench retrieval and count: 1 right of 2 numbers is 0.5, none at all is 0', () => {
  assert.equal(judge('longbench-retrieval', 'Paragraph 7 or 12', ['Paragraph 12']), 0.5)
  assert.equal(judge('longbench-retrieval', '段落12', ['段落12']), 1)
  assert.equal(judge('longbench-count', '5, not 6', ['5']), 0.5)
  assert.equal(judge('longbench-count', 'five', ['5']), 0)
  assert.match(refusal('longbench-retrieval', ['the third']), /Paragraph 3/)
  assert.match(refusal('longbench-count', ['five']), /got "five"/)
})

test('the table: names are unique, and an unknown one is refused with the nearest', () => {
  assert.equal(new Set(metrics.map(({ name }) => name)).size, metrics.length)
  for (const { name, summary } of metrics) assert.ok(summary.length > 20, name)
  assert.throws(
    () => metricOf('word-f2'),
    (error) =>
      error instanceof CompactorError && error.code === 'usage' && /did you mean word-f1\?/.test(error.message),
  )
})

test('docs/evaluation.md lists every metric of the table and no other', () => {
  const text = readFileSync(new URL('../../../docs/evaluation.md', import.meta.url), 'utf8')
  const section = /^## Metrics$[\s\S]*?(?=^## )/m.exec(text)?.[0] ?? ''
  const listed = section
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .flatMap((line) => [...(line.split(' | ')[0] ?? '').matchAll(/`([^`]+)`/g)].map(([, name]) => name))
  assert.deepEqual(listed.sort(), metrics.map(({ name }) => name).sort())
})

/** Scores of the packages that published figures were made with; see scripts/make-metric-fixtures.py. */
interface Scored {
  readonly prediction: string
  readonly reference: string
  readonly normalised: string
  readonly wordF1: number
  readonly exactMatch: number
  readonly rougeL: number
  readonly matchingRatio: number
  readonly fuzzywuzzyRatio: number
}

const fixture = new URL('../../../test/fixtures/metrics.json', import.meta.url)
const pairs = JSON.parse(readFileSync(fixture, 'utf8')) as Scored[]

const near = (actual: number, expected: number, what: string): void =>
  assert.ok(Math.abs(actual - expected) < 1e-12, `${what}: ${actual} is not ${expected}`)

test('the fixture has 25 pairs, at least 8 with a partial score from every scorer', () => {
  assert.equal(pairs.length, 25)
  for (const key of ['wordF1', 'rougeL', 'matchingRatio'] as const)
    assert.ok(pairs.filter((pair) => pair[key] > 0 && pair[key] < 0.99).length >= 8, key)
})

test("normalisation, word F1 and exact match equal SQuAD's rule in Python on 25 pairs", () => {
  for (const { prediction, reference, ...expected } of pairs) {
    assert.equal(normalisedAnswer(prediction), expected.normalised)
    near(judge('word-f1', prediction, [reference]), expected.wordF1, prediction)
    near(judge('exact-match', prediction, [reference]), expected.exactMatch, prediction)
  }
})

test('ROUGE-L equals the package rouge 1.0.1 within 1e-12 on 25 pairs', () => {
  for (const { prediction, reference, rougeL } of pairs)
    near(judge('rouge-l', prediction, [reference]), rougeL, prediction)
})

test('the matching ratio equals difflib within 1e-12 on 25 pairs, below and above 200 characters', () => {
  for (const pair of pairs) near(matchingRatio(pair.prediction, pair.reference), pair.matchingRatio, pair.prediction)
})

test('code similarity equals fuzzywuzzy 0.18.0 on at least 22 pairs whose prediction is one line', () => {
  const lines = pairs.filter(({ prediction }) => !/[\n`#]|\/\//.test(prediction))
  assert.ok(lines.length >= 22)
  for (const { prediction, reference, fuzzywuzzyRatio } of lines)
    assert.equal(judge('longbench-code-similarity', prediction, [reference]), fuzzywuzzyRatio / 100, prediction)
})
