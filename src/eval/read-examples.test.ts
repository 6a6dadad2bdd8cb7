import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../../test/fixtures/temporary-folder.ts'
import { CompactorError } from '../error.ts'
import { documentOf, type Example } from './example.ts'
import { parseExamples, readExamples } from './read-examples.ts'

const question = { qid: 'q1', question: 'Where is the lorry?', answers: ['in the yard'] }
const ours = {
  id: 'c1',
  dataset: 'yards',
  instruction: 'Answer.',
  context: 'The lorry is in the yard.',
  questions: [question],
  metric: 'squad_f1/em',
  max_new_tokens: 32,
}
const longBench = {
  _id: 'l1',
  input: 'Who drove?',
  context: 'Ann drove.',
  answers: ['Ann'],
  length: 2,
  dataset: 'hotpotqa',
  language: 'en',
  all_classes: null,
}

const parse = (...lines: readonly unknown[]): readonly Example[] =>
  parseExamples(
    Buffer.from(lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n')),
    'made.jsonl',
  ).examples

const first = (...lines: readonly unknown[]): Example => parse(...lines)[0] as Example

const refuses = (lines: readonly unknown[], message: RegExp): void =>
  assert.throws(
    () => parse(...lines),
    (error) => {
      assert.ok(error instanceof CompactorError && error.code === 'usage', String(error))
      assert.match(error.message, message)
      return true
    },
  )

test('a line of our format gives all 13 fields, and fields that only describe the data are left alone', () => {
  const more = {
    ...{ prompt_is_raw: true, all_classes: ['A', 'B'], depth: 0.25 },
    target_tokens: 1024,
    licence: 'none',
  }
  const questions = [{ ...question, answer_prefix: ' It is', depth: 0.5, kind: 'place' }]
  assert.deepEqual(first({ ...ours, ...more, instruction: '', questions }), {
    id: 'c1',
    dataset: 'yards',
    instruction: '',
    context: 'The lorry is in the yard.',
    questions: [{ ...question, answerPrefix: ' It is' }],
    metric: 'word-f1',
    maxNewTokens: 32,
    promptIsRaw: true,
    classes: ['A', 'B'],
    depth: 0.25,
    targetTokens: 1024,
  })
})

test('data set and instruction may be absent: the name of the file and none', () => {
  const { dataset: _dataset, instruction: _instruction, ...rest } = ours
  const { dataset, instruction } = first(rest)
  assert.deepEqual({ dataset, instruction }, { dataset: 'made', instruction: '' })
})

test('11 names of rules that files use, and our own, become names of our table', () => {
  const names = {
    'squad_f1/em': 'word-f1',
    'qa_f1/em': 'word-f1',
    'rougeL/qa_f1': 'word-f1',
    contains: 'contains',
    'contains (first number)': 'contains-first-number',
    'ruler string_match_all': 'ruler-all',
    'ruler string_match_part': 'ruler-part',
    'answer_contained (best_subspan_em)': 'answer-contained',
    'longbench:qa_f1': 'longbench-qa-f1',
    'longbench:rougeL': 'rouge-l',
    'longbench:code_sim': 'longbench-code-similarity',
    'kvzip-contains': 'kvzip-contains',
  }
  for (const [given, metric] of Object.entries(names)) {
    const questions = [{ ...question, answers: ['12'] }]
    assert.equal(first({ ...ours, questions, metric: given }).metric, metric)
  }
  assert.equal(
    first({ ...ours, metric: 'longbench:classification', all_classes: ['A'] }).metric,
    'longbench-classification',
  )
})

test('LongBench cuts triviaqa and samsum at the first line, whatever stands before the name of the set', () => {
  const metricFor = (dataset: string, metric: string) => first({ ...ours, dataset, metric }).metric
  assert.equal(metricFor('Small/triviaqa', 'longbench:qa_f1'), 'longbench-qa-f1-first-line')
  assert.equal(metricFor('samsum', 'longbench:rougeL'), 'rouge-l-first-line')
  assert.equal(metricFor('samsum', 'rouge-l'), 'rouge-l')
})

test("LongBench's hotpotqa: instructions on both sides of the text are compressed, the question is asked after", () => {
  const example = first(longBench)
  const passages =
    'Answer the question based on the given passages. Only give me the answer and do not output any other words.'
  assert.equal(documentOf(example), `${passages}\n\nThe following are given passages.\nAnn drove.\n\n${passages}\n\n`)
  assert.deepEqual(example.questions, [
    { qid: 'l1', question: 'Question: Who drove?\n', answers: ['Ann'], answerPrefix: 'Answer:' },
  ])
  const { id, dataset, metric, maxNewTokens, promptIsRaw, classes } = example
  assert.deepEqual(
    { id, dataset, metric, maxNewTokens, promptIsRaw, classes },
    {
      id: 'l1',
      dataset: 'hotpotqa',
      metric: 'longbench-qa-f1',
      maxNewTokens: 32,
      promptIsRaw: true,
      classes: undefined,
    },
  )
})

test("LongBench's few-shot inputs lose the prefix they end with, and $& in the data stays as it is", () => {
  const line = {
    ...longBench,
    dataset: 'trec_e',
    input: 'Question: $& ?\nType:',
    all_classes: ['City'],
    answers: ['City'],
  }
  const example = first({ ...line, context: 'cost $& $1' })
  assert.equal(example.questions[0]?.question, 'Question: $& ?\n')
  assert.equal(example.questions[0]?.answerPrefix, 'Type:')
  assert.ok(example.context.endsWith('\n\ncost $& $1\n'))
  assert.deepEqual(example.classes, ['City'])
  assert.equal(example.metric, 'longbench-classification')
})

test("LongBench's lcc asks nothing but the prefix, and both formats may stand in one file", () => {
  const examples = parse(ours, { ...longBench, dataset: 'lcc', input: '' }, '', ' ')
  assert.equal(examples.length, 2)
  assert.deepEqual(
    examples[1]?.questions.map(({ question: asked, answerPrefix }) => [asked, answerPrefix]),
    [['', 'Next line of code:\n']],
  )
})

test('malformed JSON, an array and unknown keys name the file and line 2', () => {
  refuses([ours, '{"id": '], /^made\.jsonl, line 2: not JSON: /)
  refuses([ours, '[]'], /^made\.jsonl, line 2: expected a JSON object$/)
  refuses([ours, { prompt: 'x', target: 'y' }], /^made\.jsonl, line 2: expected .* got "prompt", "target"$/)
})

test('a line number counts empty lines, and bytes that are not UTF-8 are refused', () => {
  refuses([ours, '', '', '{'], /line 4: not JSON/)
  const bytes = Buffer.concat([Buffer.from(`${JSON.stringify(ours)}\n`), Buffer.from([0xff, 0xfe, 0x0a])])
  assert.throws(() => parseExamples(bytes, 'made.jsonl'), /^CompactorError: made\.jsonl, line 2: expected UTF-8/)
})

test('each of 3 required fields is missed by name', () => {
  refuses([{ ...ours, context: undefined }], /^made\.jsonl, line 1: "context" is missing; it must be /)
  for (const field of ['question', 'answers'])
    refuses(
      [{ ...ours, questions: [question, { ...question, [field]: undefined }] }],
      new RegExp(`line 1: "questions\\[1\\]\\.${field}" is missing; it must be `),
    )
})

test('a text and 2 questions with answers are enough: 5 other fields have defaults, ids say line and place', () => {
  const line = {
    context: 'The lorry is red.',
    questions: [1, 2].map(() => ({ question: 'Colour?', answers: ['red'] })),
  }
  const examples = parse(line, '', line)
  assert.deepEqual(
    examples.map(({ id }) => id),
    ['line-1', 'line-3'],
  )
  assert.deepEqual(
    examples[0]?.questions.map(({ qid }) => qid),
    ['q1', 'q2'],
  )
  const { dataset, metric, maxNewTokens } = examples[0] as Example
  assert.deepEqual({ dataset, metric, maxNewTokens }, { dataset: 'made', metric: 'word-f1', maxNewTokens: 128 })
})

test('wrongly typed fields say what was expected and what came', () => {
  const cases: [object, RegExp][] = [
    [{ id: 7 }, /"id" must be text that is not empty, got the number 7/],
    [{ context: '' }, /"context" must be text that is not empty, got empty text/],
    [{ questions: {} }, /"questions" must be a list of at least one object, got an object/],
    [{ questions: [] }, /"questions" must be a list of at least one object, got an empty list/],
    [{ questions: ['x'] }, /"questions\[0\]" must be an object, got text/],
    [{ questions: [{ ...question, answers: [] }] }, /"questions\[0\]\.answers" must be a list .* got an empty list/],
    [{ questions: [{ ...question, answers: [3] }] }, /"questions\[0\]\.answers\[0\]" must be text, got the number 3/],
    [{ questions: [{ ...question, question: '' }] }, /"questions\[0\]\.question" must be text that is not empty/],
    [{ max_new_tokens: 0.5 }, /"max_new_tokens" must be a whole number from 1, got the number 0\.5/],
    [{ prompt_is_raw: 'yes' }, /"prompt_is_raw" must be true or false, got text/],
    [{ prompt_is_raw: true }, /"instruction" must be empty where "prompt_is_raw" is true/],
    [{ depth: 2 }, /"depth" must be a number from 0 to 1, got the number 2/],
    [{ all_classes: null }, /"all_classes" must be a list of at least one text, got null/],
  ]
  for (const [change, message] of cases) refuses([{ ...ours, ...change }], message)
})

test('an id or qid that occurs twice, an unknown metric and one that cannot judge are refused', () => {
  refuses([ours, { ...ours, id: 'c2' }, ours], /line 3: id "c1" is also that of line 1/)
  refuses([{ ...ours, questions: [question, question] }], /line 1: qid "q1" occurs twice/)
  refuses([{ ...ours, metric: 'word_f1' }], /line 1: unknown metric "word_f1"; .*did you mean word-f1\?/)
  refuses([{ ...ours, metric: 'longbench:classification' }], /line 1: question "q1": .* needs the names of all classes/)
})

test('LongBench: an unknown set and one that needs Chinese words are refused', () => {
  refuses(
    [{ ...longBench, dataset: 'qaspar' }],
    /line 1: unknown LongBench data set "qaspar"; .* did you mean qasper\?/,
  )
  refuses([{ ...longBench, dataset: 'vcsum' }], /line 1: .*vcsum is scored by Chinese word segmentation/)
  refuses([{ ...longBench, answers: 'Ann' }], /line 1: "answers" must be a list of at least one text, got text/)
})

test('an empty file, a missing one and a folder are refused', async (t) => {
  refuses([''], /^made\.jsonl has no line with a context/)
  const folder = temporaryFolder(t)
  for (const [path, reason] of [
    [join(folder, 'none.jsonl'), /none\.jsonl: it does not exist/],
    [folder, /it is a directory/],
  ] as const)
    await assert.rejects(
      readExamples(path),
      (error) => error instanceof CompactorError && error.code === 'file-unreadable' && reason.test(error.message),
    )
})

test('a file gives its name and the sha256 of its bytes; a line separator U+2028 inside a text breaks no line', async (t) => {
  const path = join(temporaryFolder(t), 'yard.set.jsonl')
  const text = `${JSON.stringify({ ...ours, context: 'one\u2028two' })}\r\n`
  writeFileSync(path, text)
  const { name, sha256, examples } = await readExamples(path)
  assert.equal(name, 'yard.set')
  assert.equal(sha256, createHash('sha256').update(text).digest('hex'))
  assert.equal(examples[0]?.context, 'one\u2028two')
})
