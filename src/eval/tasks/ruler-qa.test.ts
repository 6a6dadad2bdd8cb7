import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { Example } from '../example.ts'
import { generateExamples, promptTokens } from './index.ts'
import { readPassages } from './passage-file.ts'

const folder = mkdtempSync(join(tmpdir(), 'compactor-qa-'))
after(() => rmSync(folder, { recursive: true }))

const file = (name: string, content: unknown): string => {
  const path = join(folder, name)
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
  return path
}

const countTokens = (text: string): number => text.match(/ ?[A-Za-z]{1,6}|\d| ?[^A-Za-z\d\s]|\s/g)?.length ?? 0

const generate = (name: string, data: string, tokens: number, samples = 3): Example[] =>
  generateExamples(`ruler/${name}`, { countTokens, tokens, samples, seed: 3, options: { data } })

const paragraphOf = (article: number, paragraph: number): string =>
  `House ${article} has a room ${paragraph} with ${article * 100 + paragraph} chairs. ${'It is rarely used. '.repeat(4)}`.trim()

/** 6 articles of 5 paragraphs, a question with two spellings of the answer and an impossible one about each. */
const squad = file('squad.json', {
  version: 'v2.0',
  data: Array.from({ length: 6 }, (_, article) => ({
    title: `House ${article}`,
    paragraphs: Array.from({ length: 5 }, (_, paragraph) => ({
      context: paragraphOf(article, paragraph),
      qas: [
        {
          question: `How many chairs are in room ${paragraph} of house ${article}?`,
          is_impossible: false,
          answers: ['', ' chairs', ''].map((tail) => ({
            text: `${article * 100 + paragraph}${tail}`,
            answer_start: 0,
          })),
        },
        { question: 'Why?', is_impossible: true, answers: [{ text: 'Nobody knows', answer_start: 0 }] },
      ],
    })),
  })),
})

const hotpot = file(
  'hotpot.json',
  Array.from({ length: 12 }, (_, entry) => ({
    question: `Who owns shop ${entry}?`,
    answer: `Owner ${entry}`,
    context: Array.from({ length: 3 }, (_, passage) => [
      `Shop ${entry}.${passage}`,
      [`This is passage ${passage} of shop ${entry}.`, ` Owner ${entry} is named in it.`],
    ]),
  })),
)

const lines = file(
  'lines.jsonl',
  Array.from({ length: 8 }, (_, entry) =>
    JSON.stringify({
      context: [0, 1].map((p) => `Passage ${p + 1}:\nRiver ${entry}.${p} is long and runs to the sea.`).join('\n\n'),
      questions: [{ qid: 'a', question: `Where does river ${entry} run?`, answers: ['the sea'] }],
    }),
  ).join('\n'),
)

const documentsIn = ({ context }: Example): string[] =>
  context
    .split(/(?:^|\n\n)Document \d+:\n/)
    .slice(1)
    .map((text) => text.trim())

test('a SQuAD file of 30 paragraphs: 30 answerable questions, answers without repetition, four related paragraphs each', () => {
  const { passages, questions } = readPassages(squad)
  assert.equal(passages.length, 30)
  assert.equal(questions.length, 30)
  for (const { answers, gold, related } of questions) {
    assert.equal(answers.length, 2)
    assert.equal(gold.length, 1)
    assert.equal(related.length, 4)
  }
})

test('qa_1: the paragraph with the answer among others, within the length, its article before any other', () => {
  for (const tokens of [400, 700]) {
    const examples = generate('qa_1', squad, tokens)
    assert.equal(examples.length, 3)
    for (const example of examples) {
      const size = promptTokens(example, countTokens)
      assert.ok(size <= tokens && size > tokens - 60, `${size} of ${tokens}`)
      const [asked] = example.questions
      const [, room, house] = /room (\d) of house (\d)\?/.exec(asked?.question ?? '') ?? []
      const gold = paragraphOf(Number(house), Number(room))
      const documents = documentsIn(example)
      assert.equal(documents.filter((document) => document === gold).length, 1)
      assert.equal(example.depth, example.context.indexOf(gold) / example.context.length)
      const same = documents.filter((document) => document.startsWith(`House ${house} `)).length
      assert.equal(same, Math.min(documents.length, 5))
      assert.deepEqual(asked?.answers, [
        `${Number(house) * 100 + Number(room)}`,
        `${Number(house) * 100 + Number(room)} chairs`,
      ])
    }
  }
})

test('the instruction before the documents stays in the context, the one after them opens the question', () => {
  const [example] = generate('qa_1', squad, 400, 1)
  const [asked] = example?.questions ?? []
  assert.match(
    example?.context ?? '',
    /^Answer the question based on the given documents\. .*\n\nThe following are given documents\.\n\nDocument 1:\n[\s\S]*\n\n$/,
  )
  assert.match(
    asked?.question ?? '',
    /^Answer the question based on the given documents\. .*\n\nQuestion: How many .*\? $/,
  )
  assert.equal(asked?.answerPrefix, 'Answer:')
  assert.equal(example?.metric, 'ruler-part')
})

test('qa_2: all three passages of a HotpotQA question, titles and sentences, and no depth', () => {
  for (const example of generate('qa_2', hotpot, 500)) {
    const entry = /shop (\d+)\?/.exec(example.questions[0]?.question ?? '')?.[1]
    const documents = documentsIn(example)
    assert.ok(documents.length > 3)
    for (const passage of [0, 1, 2])
      assert.ok(
        documents.includes(
          `Shop ${entry}.${passage}\nThis is passage ${passage} of shop ${entry}. Owner ${entry} is named in it.`,
        ),
      )
    assert.equal(example.depth, undefined)
  }
})

test('lines of contexts are cut into passages at their marks or at blank lines', () => {
  const { passages, questions } = readPassages(lines)
  assert.equal(passages.length, 16)
  assert.equal(passages[0], 'River 0.0 is long and runs to the sea.')
  assert.deepEqual(questions[1]?.gold, [2, 3])
  const single = { context: 'First.\n\nSecond.\n \nThird.', questions: [{ question: 'Which?', answers: ['Third'] }] }
  assert.deepEqual(readPassages(file('single.jsonl', single)).passages, ['First.', 'Second.', 'Third.'])
})

test('a collection of 30 paragraphs is used again when 5,000 tokens are asked for', () => {
  const [example] = generate('qa_1', squad, 5000, 1)
  assert.ok(example && promptTokens(example, countTokens) > 4940)
  assert.ok(documentsIn(example).length > 60)
  assert.equal(new Set(documentsIn(example)).size, 30)
})

test('the same file, seed and length give the same questions, and fewer samples the first of them', () => {
  const examples = generate('qa_1', squad, 400, 5)
  assert.deepEqual(generate('qa_1', squad, 400, 2), examples.slice(0, 2))
  assert.equal(new Set(examples.map(({ questions }) => questions[0]?.question)).size, 5)
})

test('without a file, with a missing one and with a file of another kind the sentence says what to give', () => {
  assert.throws(() => generate('qa_1', '', 4096), {
    code: 'usage',
    message: /give option data the path of .*SQuAD 2\.0/,
  })
  assert.throws(() => generate('qa_2', '', 4096), { code: 'usage', message: /HotpotQA/ })
  assert.throws(() => generate('qa_1', join(folder, 'none.json'), 4096), {
    code: 'file-unreadable',
    message: /none\.json cannot be read: it does not exist$/,
  })
  for (const [name, content, message] of [
    ['list.json', '[1]', /list\.json: \[0\] is not an object/],
    ['empty.json', '{"data": []}', /empty\.json has no question with an answer/],
    [
      'paragraphs.json',
      '{"data": [{"paragraphs": [{"context": 3, "qas": []}]}]}',
      /data\[0\]\.paragraphs\[0\]\.context is not a text/,
    ],
    ['bad.jsonl', '{"context": "a", "questions": []}\n{"context": \n', /bad\.jsonl: line 2 is not valid JSON: /],
    ['field.jsonl', '{"context": "a", "questions": []}\n{"context": "b"}\n', /line 2: questions is not a list/],
    ['text.txt', 'Some prose.', /text\.txt is not valid JSON/],
    ['nothing.json', '', /nothing\.json is empty/],
  ] as const)
    assert.throws(() => generate('qa_1', file(name, content), 4096), { code: 'usage', message })
})

test('passages too long for the request are refused with the least, and too many samples with how many there are', () => {
  assert.throws(
    () => generate('qa_1', squad, 100),
    /^CompactorError: ruler\/qa_1 cannot be made 100 tokens long: .* at least \d+;/,
  )
  assert.throws(() => generate('qa_1', squad, 400, 31), {
    code: 'usage',
    message:
      /squad\.json has 30 questions that fit 400 tokens, and 31 samples of ruler\/qa_1 were asked for; ask for fewer$/,
  })
})
