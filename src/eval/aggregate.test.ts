import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type SummaryRow, summarise } from './aggregate.ts'
import type { ContextResult, QuestionResult, RunSettings, VariantSettings } from './result.ts'
import { pairedDifference } from './statistics.ts'
import { toMarkdown } from './summary-markdown.ts'

const variant = (method: string, keep: number): VariantSettings => ({
  name: `${method}@${keep}`,
  method,
  options: {},
  selection: { protectFirst: 4, protectLast: 4, heads: 'layer' },
  keep,
})

const settings: RunSettings = {
  version: 1,
  protocol: 'context-only',
  measures: ['distance', 'score'],
  model: { name: 'toy', sha256: '', templateHash: '' },
  data: [{ name: 'file', sha256: '', contexts: ['c1', 'c2', 'c3'] }],
  seed: 1,
  questionsPerContext: 2,
  maxNewTokens: 8,
  precision: 'f16',
  activations: 'f32',
  variants: [variant('compactor', 0.5), variant('random', 0.25), variant('random', 0.5), variant('compactor', 0.25)],
  machine: { cpu: '', features: [], threads: 1 },
  commit: '',
}

type Results = QuestionResult['results']

const full = (score: number, nll = 1): Results[string] => ({ tokens: 4, kl: 0, flips: 0, nll, answer: '', score })
const other = (
  kl: number,
  flips: number,
  [tokens, nll, score]: readonly [number, number, number],
): Results[string] => ({
  ...{ tokens, kl, flips, nll, answer: '', score },
})

const context = (id: string, dataset: string, questions: readonly Results[]): ContextResult => ({
  data: 'file',
  id,
  dataset,
  metric: 'contains',
  documentTokens: 100,
  kept: {
    'compactor@0.5': { share: 0.5 + questions.length / 100, bytes: 1000 },
    'random@0.5': { share: 0.5, bytes: 900 },
  },
  questions: questions.map((results, i) => ({ qid: `q${i}`, results })),
})

// Answers of 4 and 12 tokens: KL (1 + 5) / 16, not the mean of 1/4 and 5/12.
const c1 = context('c1', 'easy', [
  {
    full: { ...full(1), nll: 0.5 },
    'closed-book': { answer: '', score: 0 },
    'compactor@0.5': other(1, 1, [4, 1, 1]),
    'random@0.5': other(3, 2, [4, 4, 0]),
  },
  {
    full: { ...full(0.5), tokens: 12, nll: 1.5 },
    'closed-book': { answer: '', score: 0.5 },
    'compactor@0.5': other(5, 3, [12, 2, 0]),
    'random@0.5': other(7, 6, [12, 6, 0]),
  },
])
const c2 = context('c2', 'easy', [
  { full: full(1), 'compactor@0.5': other(0.5, 0, [4, 2, 1]), 'random@0.5': other(1, 1, [4, 5, 0.5]) },
])
const c3 = context('c3', 'hard', [
  { full: full(0), 'compactor@0.5': other(2, 2, [4, 3, 1]), 'random@0.5': other(4, 4, [4, 9, 0]) },
])

const rowOf = (rows: readonly SummaryRow[], name: string): SummaryRow => {
  const row = rows.find((candidate) => candidate.variant === name)
  assert.ok(row, name)
  return row
}

const near = (actual: number | undefined, expected: number): void =>
  assert.ok(actual !== undefined && Math.abs(actual - expected) < 1e-12, `${actual} is not ${expected}`)

test('a group of 2 contexts: KL and flips by tokens, scores by questions, then the mean over contexts', () => {
  const { groups } = summarise(settings, [c1, c2, c3])
  assert.deepEqual(
    groups.map(({ name, isTooHard }) => [name, isTooHard]),
    [
      ['easy', false],
      ['hard', true],
    ],
  )
  const row = rowOf(groups[0]?.rows ?? [], 'compactor@0.5')
  near(row.kl?.mean, (6 / 16 + 0.5 / 4) / 2)
  near(row.flips?.mean, (4 / 16 + 0) / 2)
  near(row.score?.mean, (0.5 + 1) / 2)
  near(row.toFull?.mean, (-0.25 + 0) / 2)
  near(row.toBaseline?.mean, (0.5 + 0.5) / 2)
  near(row.klToBaseline?.mean, (-4 / 16 - 0.5 / 4) / 2)
  near(row.nllRatio?.mean, 5 / 3) // (1 + 2 + 2) / (0.5 + 1.5 + 1)
  near(row.share, (0.52 + 0.51) / 2)
  assert.deepEqual([row.dataset, row.keep, row.bytes, row.contexts, row.questions], ['easy', 0.5, 1000, 2, 3])
})

test('differences are the paired bootstrap of the values of each context', () => {
  const row = rowOf(summarise(settings, [c1, c2, c3], { seed: 9 }).groups[0]?.rows ?? [], 'compactor@0.5')
  assert.deepEqual(row.toFull, pairedDifference([0.5, 1], [0.75, 1], { seed: 9 }))
})

test('rows: full, closed-book, then variants; those without a result are left out and random has no random beside it', () => {
  const { pooled } = summarise(settings, [c1, c2, c3])
  assert.deepEqual(
    pooled.map((row) => row.variant),
    ['full', 'closed-book', 'compactor@0.5', 'random@0.5'],
  )
  assert.deepEqual(
    ['full', 'closed-book', 'random@0.5'].map((name) => 'toBaseline' in rowOf(pooled, name)),
    [false, false, false],
  )
  assert.equal('toFull' in rowOf(pooled, 'full'), false)
  assert.equal('kl' in rowOf(pooled, 'closed-book'), false)
  near(rowOf(pooled, 'full').nllRatio?.mean, 1)
  near(rowOf(pooled, 'closed-book').toFull?.mean, -0.5)
})

test('pooled: KL over 3 contexts, scores over the 2 of the data set that the whole cache can do', () => {
  const row = rowOf(summarise(settings, [c1, c2, c3]).pooled, 'compactor@0.5')
  assert.deepEqual([row.dataset, row.contexts, row.kl?.n, row.score?.n, row.toBaseline?.n], [undefined, 3, 3, 2, 2])
  near(row.kl?.mean, (6 / 16 + 0.5 / 4 + 2 / 4) / 3)
  near(row.score?.mean, 0.75)
})

test('grouped by file, the 3 contexts are one group that is not too hard', () => {
  const { groups } = summarise(settings, [c1, c2, c3], { by: 'data' })
  assert.deepEqual(
    groups.map(({ name, isTooHard }) => [name, isTooHard]),
    [['file', false]],
  )
  assert.equal(rowOf(groups[0]?.rows ?? [], 'full').score?.n, 3)
})

test('a question that only one of two variants answered is in no difference of them', () => {
  const [, second] = c1.questions
  const { 'random@0.5': _random, ...results } = second?.results ?? {}
  const partial = { ...c1, questions: [...c1.questions.slice(0, 1), { qid: 'q1', results }] }
  const row = rowOf(summarise(settings, [partial]).pooled, 'compactor@0.5')
  near(row.toBaseline?.mean, 1)
  near(row.klToBaseline?.mean, -2 / 4)
  near(row.toFull?.mean, -0.25)
})

test('a baseline of the run: the differences to random, with the sign turned; another one is refused with those there are', () => {
  const { pooled, baseline } = summarise(settings, [c1, c2, c3], { baseline: 'compactor' })
  const row = rowOf(pooled, 'random@0.5')
  const turned = rowOf(summarise(settings, [c1, c2, c3]).pooled, 'compactor@0.5')
  near(row.toBaseline?.mean, -(turned.toBaseline?.mean ?? Number.NaN))
  near(row.klToBaseline?.low, -(turned.klToBaseline?.high ?? Number.NaN))
  assert.equal('toBaseline' in rowOf(pooled, 'compactor@0.5'), false)
  assert.equal(baseline, 'compactor')
  assert.throws(() => summarise(settings, [c1], { baseline: 'snapkv' }), {
    code: 'usage',
    message: /one of the methods that are run, compactor, random; got "snapkv"/,
  })
})

test('no contexts: no groups and no rows', () => {
  assert.deepEqual(summarise(settings, []), { protocol: 'context-only', baseline: 'random', pooled: [], groups: [] })
})

test('Markdown: a table for all 2 data sets and one for each, the too hard one named as such, n = 1 without bounds', () => {
  const text = toMarkdown(summarise(settings, [c1, c2, c3]))
  assert.deepEqual(
    [...text.matchAll(/^### (.*)$/gm)].map(([, title]) => title),
    ['All 2 data sets', 'easy', 'hard: apart, the whole cache scores below 20'],
  )
  const row = text.split('\n').filter((line) => line.startsWith('| compactor@0.5'))
  assert.equal(row.length, 3)
  assert.match(row[0] ?? '', /\| +3 \(4, 2 judged\) \|/)
  assert.match(row[1] ?? '', /\| +0\.5 \| +51\.5 % \| +1\.00 kB \| +2 \(3\) \| +0\.2500 \(0\.1250 … 0\.3750\) \|/)
  assert.match(row[1] ?? '', /\| +-12\.5 \(-25\.0 … \+0\.0\) \| +\+50\.0 \(\+50\.0 … \+50\.0\) \|$/)
  assert.match(row[2] ?? '', /\| +0\.5000 \(n = 1\) \|/)
})

test('Markdown: a protocol that is not the default is named in each of 4 lines, and unmeasured columns are left out', () => {
  const distances = [c1, c2].map((one) => ({
    ...one,
    questions: one.questions.map(({ qid, results }) => ({
      qid,
      results: Object.fromEntries(
        Object.entries(results).map(([name, { answer: _answer, score: _score, ...distance }]) => [name, distance]),
      ),
    })),
  }))
  const text = toMarkdown(summarise({ ...settings, protocol: 'joint-prefill' }, distances))
  const lines = text.split('\n').filter((line) => /^\| [a-z-]+[@,]/.test(line))
  assert.equal(lines.length, 4)
  assert.ok(lines.every((line) => line.includes(', joint-prefill')))
  assert.ok(text.includes('KL, nats a token'))
  assert.ok(!text.includes('score'))
})
