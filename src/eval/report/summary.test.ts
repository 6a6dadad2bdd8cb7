/** Summary tables of rows made by hand, cell by cell. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Element, readMarkup } from '../../../test/fixtures/markup.ts'
import type { Summary, SummaryRow } from '../aggregate.ts'
import { drawSummary } from './summary.ts'

const rows: readonly SummaryRow[] = [
  {
    dataset: undefined,
    variant: 'full',
    keep: undefined,
    share: 1,
    bytes: 12_000_000,
    bytesShare: 1,
    contexts: 40,
    questions: 80,
    kl: { mean: 0, low: 0, high: 0, n: 40 },
    score: { mean: 0.654, low: 0.5, high: 0.8, n: 30 },
  },
  {
    dataset: undefined,
    variant: 'compactor@0.25',
    keep: 0.25,
    share: 0.2512,
    bytes: 3_014_400,
    bytesShare: 0.25,
    contexts: 40,
    questions: 80,
    kl: { mean: 0.12345, low: 0.1, high: 0.15, n: 40 },
    klToBaseline: { mean: -0.5, low: -0.625, high: -0.25, n: 40 },
    score: { mean: 0.577, low: 0.44, high: 0.7, n: 30 },
    toFull: { mean: -0.077, low: -0.17, high: 0.014, n: 30 },
  },
]

const cellsOf = (elements: readonly Element[]): string[][] => {
  const lines: string[][] = []
  for (const { name, text } of elements) {
    if (name === 'tr') lines.push([])
    if (name === 'th' || name === 'td') lines.at(-1)?.push(text)
  }
  return lines
}

const tableOf = (summary: Summary): string[][] => cellsOf(readMarkup(drawSummary(summary).text))

test('2 rows of 8 columns: kept share and bytes, both counts of contexts, means with bounds, signs; no column without values', () => {
  const only = { name: 'questions', isTooHard: false, rows }
  assert.deepEqual(tableOf({ protocol: 'joint-prefill', baseline: 'random', pooled: rows, groups: [only] }), [
    [
      ...['variant, protocol', 'nominal keep', 'kept, bytes', 'contexts, questions'],
      ...['score', 'less full', 'KL, nats a token', 'KL less random'],
    ],
    [
      ...['full joint-prefill', '–', '100.0 % 12.0 MB', '40, 30 judged 80 questions'],
      ...['65.4 50.0 … 80.0', '–', '0.0000 0.0000 … 0.0000', '–'],
    ],
    [
      ...['compactor@0.25 joint-prefill', '0.25', '25.1 % 3.01 MB', '40, 30 judged 80 questions'],
      ...['57.7 44.0 … 70.0', '−7.7 −17.0 … +1.4', '0.1235 0.1000 … 0.1500', '−0.5000 −0.6250 … −0.2500'],
    ],
  ])
})

test('several data sets: pooled first, then each, and those below 20 after the words that say why', () => {
  const group = (name: string, isTooHard: boolean): Summary['groups'][number] => ({ name, isTooHard, rows })
  const groups = [group('hard', true), group('easy', false)]
  const { text } = drawSummary({ protocol: 'context-only', baseline: 'random', pooled: rows, groups })
  const places = ['All 2 data sets pooled', '>easy<', 'Reported apart', 'below 20', '>hard<'].map((part) =>
    text.indexOf(part),
  )
  assert.deepEqual(
    places,
    places.toSorted((a, b) => a - b),
  )
  assert.ok(places.every((place) => place >= 0))
})

test('a mean that is not a number is a dash, a mean of 1 context says n = 1 in place of bounds', () => {
  const none = { mean: Number.NaN, low: Number.NaN, high: Number.NaN, n: 3 }
  const single = { mean: 0.5, low: Number.NaN, high: Number.NaN, n: 1 }
  const [, row = []] = tableOf({
    protocol: 'context-only',
    baseline: 'random',
    pooled: [],
    groups: [
      { name: 'a', isTooHard: false, rows: [{ ...(rows[0] as SummaryRow), kl: single, score: none, flips: single }] },
    ],
  })
  assert.deepEqual(row.slice(4), ['0.5000 n = 1', '50.0 n = 1'])
})
