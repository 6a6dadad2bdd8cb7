import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Example } from '../example.ts'
import { generateExamples, promptTokens, taskOf } from './index.ts'

const countTokens = (text: string): number => text.match(/ ?[A-Za-z]{1,6}|\d| ?[^A-Za-z\d\s]|\s/g)?.length ?? 0

const generate = (name: string, tokens: number, rest: { samples?: number; haystack?: string; options?: object } = {}) =>
  generateExamples(name, { countTokens, tokens, samples: 1, seed: 5, ...rest, options: { ...rest.options } })

const answerOf = ({ questions }: Example): string => questions[0]?.answers[0] ?? ''

test('the grid is 500, 2,000 and 8,000 tokens by 11 depths from 0 to 1', () => {
  assert.deepEqual(taskOf('needle').lengths, [500, 2000, 8000])
  for (const tokens of taskOf('needle').lengths) {
    const examples = generate('needle', tokens)
    assert.deepEqual(
      examples.map(({ depth }) => depth),
      [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1],
    )
    for (const example of examples) {
      assert.equal(example.targetTokens, tokens)
      const size = promptTokens(example, countTokens)
      assert.ok(size <= tokens && size > tokens - 12, `${size} of ${tokens}`)
    }
  }
})

test('the needle stands once, between sentences, at most one sentence before its depth and never after it', () => {
  for (const tokens of [500, 2000, 8000])
    for (const example of generate('needle', tokens)) {
      const needle = `The combination of the safe behind the green curtain is ${answerOf(example)}.`
      const [before = '', after = '', ...more] = example.context.split(needle)
      assert.deepEqual(more, [])
      assert.match(before, /^$|[.?!]["”)]? $/)
      assert.match(after, /^$|^ ["“]?[A-Z]/)
      const length = example.context.length - needle.length - 1
      const allowed = (example.depth ?? 0) * length
      assert.ok(before.length <= allowed + 1, `${before.length} of ${allowed}`)
      assert.ok(before.length > allowed - 400, `${before.length} of ${allowed}`)
    }
})

test('three samples of a cell have other numbers and begin at other sentences; the first begins at the beginning', () => {
  const examples = generate('needle', 500, { samples: 3, options: { depthStep: 100 } })
  assert.equal(examples.length, 6)
  assert.equal(new Set(examples.map(({ id }) => id)).size, 6)
  assert.equal(new Set(examples.map(answerOf)).size, 3)
  assert.equal(new Set(examples.filter(({ depth }) => depth === 1).map(({ context }) => context.slice(0, 40))).size, 3)
  const first = examples.find(({ depth }) => depth === 1)
  assert.match(first?.context ?? '', /^People who repair old clocks/)
})

test('needle, question, answer and haystack of the user are taken as they are', () => {
  const [example] = generate('needle', 400, {
    haystack: 'Rain fell on the harbor. Nobody minded it. '.repeat(20),
    options: { depthStep: 50, needle: 'Mr. Brown owns a goat.', question: 'Who owns a goat?', answer: 'Mr. Brown' },
  })
  assert.match(example?.context ?? '', /^Mr\. Brown owns a goat\. Rain fell/)
  assert.deepEqual(example?.questions, [{ qid: '0', question: 'Who owns a goat?', answers: ['Mr. Brown'] }])
})

test('an answer that is not in the needle, an empty question and a step of 0 are refused', () => {
  assert.throws(() => generate('needle', 500, { options: { needle: 'A goat.' } }), {
    code: 'usage',
    message: 'the answer "{number}" of task needle does not stand in its needle "A goat."; give both',
  })
  assert.throws(
    () => generate('needle', 500, { options: { question: ' ' } }),
    /option question of task needle is empty/,
  )
  assert.throws(() => generate('needle', 500, { options: { depthStep: 0 } }), {
    name: 'RangeError',
    message: 'option depthStep of task needle takes a whole number ≥ 1 ≤ 100, got 0',
  })
  assert.throws(() => generate('needle', 60), /^CompactorError: needle cannot be made 60 tokens long/)
})

test('many questions: 24 about each register, within the length, spread over it, each answered by one line', () => {
  for (const tokens of [1000, 4096, 16384])
    for (const example of generate('many-questions', tokens, { samples: 2 })) {
      const size = promptTokens(example, countTokens)
      assert.ok(size <= tokens && size > tokens - 60, `${size} of ${tokens}`)
      assert.equal(example.questions.length, 24)
      assert.equal(new Set(example.questions.map(({ question }) => question)).size, 24)
      const lines = example.context.split('\n')
      const places = example.questions.map(({ question, answers }) => {
        const name = /[A-Z]\w+ [A-Z]\w+-[A-Z]\w+/.exec(question)?.[0] ?? '?'
        const about = lines.filter((line) => line.includes(name))
        assert.equal(about.length, 1, name)
        assert.ok(about[0]?.includes(answers[0] ?? '?'), question)
        return lines.indexOf(about[0] ?? '') / lines.length
      })
      places.forEach((place, index) => {
        assert.ok(Math.abs(place - (index + 0.5) / 24) <= 1 / lines.length + 0.001)
      })
    }
})

test('many questions: lockers, towns and code words belong to one member each, in 300', () => {
  const [example] = generate('many-questions', 16384)
  const text = example?.context ?? ''
  for (const [what, pattern] of [
    ['lockers', /ocker (\d{5})/g],
    ['towns', /(?:lives in|In) ([A-Z]\w+)/g],
    ['code words', /code word ([a-z]+-[a-z]+)/g],
  ] as const) {
    const found = [...text.matchAll(pattern)].map(([, value]) => value)
    assert.ok(found.length > 300, `${found.length} ${what}`)
    assert.equal(found.length, text.split('\n').length)
    assert.equal(new Set(found).size, found.length, what)
  }
})

test('many questions: 100 about a register need at least 20 members, and no question comes twice', () => {
  const [example] = generate('many-questions', 4096, { options: { questions: 100 } })
  assert.equal(new Set(example?.questions.map(({ question }) => question)).size, 100)
  assert.throws(
    () => generate('many-questions', 600, { options: { questions: 100 } }),
    /^CompactorError: many-questions cannot be made 600 tokens long: .* at least \d+; ask for more$/,
  )
})
