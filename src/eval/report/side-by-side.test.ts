/** Variants of one keep, ranked. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readMarkup } from '../../../test/fixtures/markup.ts'
import type { SummaryRow } from '../aggregate.ts'
import { drawSideBySide } from './side-by-side.ts'

const row = (variant: string, keep: number, values: Pick<SummaryRow, 'kl' | 'score'>): SummaryRow => ({
  ...{ dataset: undefined, variant, keep, share: keep, bytes: 1, bytesShare: keep, contexts: 5, questions: 5 },
  ...values,
})

const interval = (mean: number): NonNullable<SummaryRow['kl']> => ({ mean, low: mean - 0.1, high: mean + 0.1, n: 5 })

test('3 variants of 1 keep are ranked by KL from the least, drawn in proportion; a keep with 1 variant is left out', () => {
  const rows = [
    row('b@0.5', 0.5, { kl: interval(0.4), score: interval(0.9) }),
    row('c@0.5', 0.5, { kl: interval(0.9), score: interval(0.8) }),
    row('a@0.5', 0.5, { kl: interval(0.2), score: interval(0.1) }),
    row('a@0.25', 0.25, { kl: interval(0.3) }),
  ]
  const elements = readMarkup(drawSideBySide(rows)?.text ?? '')
  assert.deepEqual(
    elements.filter(({ name }) => name === 'summary').map(({ text }) => text),
    ['keep 0.5: 3 variants by KL, nats a token, best first'],
  )
  const lines = elements.filter(({ name, text }) => name === 'tr' && text.includes('@')).map(({ text }) => text.trim())
  assert.deepEqual(lines, [
    'a@0.50.2000 0.1000 … 0.30005',
    'b@0.50.4000 0.3000 … 0.50005',
    'c@0.50.9000 0.8000 … 1.00005',
  ])
  const [a = 0, b = 0, c = 0] = elements
    .filter(({ name }) => name === 'circle')
    .map(({ attributes }) => Number(attributes.cx))
  assert.ok(Math.abs((c - b) / (b - a) - 0.5 / 0.2) < 0.02, `${a} ${b} ${c}`)
})

test('without KL scores rank, from the highest; without either there is nothing', () => {
  const rows = [row('a@0.5', 0.5, { score: interval(0.1) }), row('b@0.5', 0.5, { score: interval(0.9) })]
  const elements = readMarkup(drawSideBySide(rows)?.text ?? '')
  const names = elements.filter(({ name, text }) => name === 'td' && text.includes('@')).map(({ text }) => text)
  assert.deepEqual(names, ['b@0.5', 'a@0.5'])
  assert.equal(drawSideBySide(rows.map((line) => row(line.variant, 0.5, {}))), undefined)
})
