/** The summary of a run as tables: a line for each variant, every mean with its interval and its number of contexts. */
import { bytesText, percentText } from '../../number-text.ts'
import { leastFullScore, type Summary, type SummaryRow } from '../aggregate.ts'
import type { Interval } from '../statistics.ts'
import { type Html, html } from './html.ts'
import { type Column, counted, folded, scrolling, table } from './page.ts'

export interface Measured {
  readonly title: string
  readonly value: (row: SummaryRow) => Interval | undefined
  readonly text: (value: number) => string
}

export const natsText = (value: number): string => value.toFixed(4)
const hundredth = (value: number): string => (value * 100).toFixed(1)
const sign = (value: number): string => (value < 0 ? '−' : '+')
const signed = (value: number): string => `${sign(value)}${hundredth(Math.abs(value))}`
const signedNats = (value: number): string => `${sign(value)}${natsText(Math.abs(value))}`

/** The two that variants are compared by. */
export const measuredAs: Readonly<Record<'score' | 'kl', Measured>> = {
  score: { title: 'score', value: ({ score }) => score, text: hundredth },
  kl: { title: 'KL, nats a token', value: ({ kl }) => kl, text: natsText },
}

const measuredBeside = (baseline: string): readonly Measured[] => [
  measuredAs.score,
  { title: 'less full', value: ({ toFull }) => toFull, text: signed },
  { title: `less ${baseline}`, value: ({ toBaseline }) => toBaseline, text: signed },
  measuredAs.kl,
  { title: `KL less ${baseline}`, value: ({ klToBaseline }) => klToBaseline, text: signedNats },
  { title: 'flips, %', value: ({ flips }) => flips, text: hundredth },
  { title: 'NLL ratio', value: ({ nllRatio }) => nllRatio, text: (value) => value.toFixed(2) },
]

/** Pooled, each data set, and apart those that the full cache cannot do. */
export const drawSummary = (summary: Summary): Html => {
  const { pooled, groups } = summary
  const draw = (title: string, rows: readonly SummaryRow[]): Html => rowsTable(title, rows, summary)
  const usable = groups.filter(({ isTooHard }) => !isTooHard)
  const apart = groups.filter(({ isTooHard }) => isTooHard)
  const note = html`<h4>Reported apart</h4>
<p>The full cache scores below ${leastFullScore * 100} here, so these scores say nothing about compression; no pooled score counts them.</p>`
  const [only] = groups
  if (groups.length === 1 && only)
    return html`<h4>${only.name}</h4>${only.isTooHard && note}${draw(only.name, only.rows)}`
  const title = `All ${groups.length} data sets pooled`
  return html`<h4>${title}</h4>
${draw(title, pooled)}
${usable.map(({ name, rows }) => folded(name, draw(name, rows)))}
${apart.length > 0 && note}${apart.map(({ name, rows }) => folded(name, draw(name, rows)))}`
}

/** Columns without a single value are left out. */
const rowsTable = (label: string, rows: readonly SummaryRow[], { protocol, baseline }: Summary): Html => {
  const shown = measuredBeside(baseline).filter(({ value }) => rows.some((row) => isMeasured(value(row))))
  const columns: Column[] = [
    { title: 'variant, protocol' },
    { title: 'nominal keep', numeric: true },
    { title: 'kept, bytes', numeric: true },
    { title: 'contexts, questions', numeric: true },
    ...shown.map(({ title }) => ({ title, numeric: true })),
  ]
  const lines = rows.map((row) => [
    html`${row.variant} <span class="range">${protocol}</span>`,
    row.keep === undefined ? '–' : String(row.keep),
    row.share === undefined || row.bytes === undefined
      ? '–'
      : html`${percentText(row.share)} <span class="range">${bytesText(row.bytes)}</span>`,
    html`${contextsText(row)} <span class="range">${counted(row.questions, 'question')}</span>`,
    ...shown.map(({ value, text }) => intervalText(value(row), text)),
  ])
  return scrolling(label, table(columns, lines))
}

export const isMeasured = (interval: Interval | undefined): interval is Interval =>
  interval !== undefined && Number.isFinite(interval.mean)

/** The mean above its bounds; a single context has none and says so. */
export const intervalText = (interval: Interval | undefined, text: (value: number) => string): Html | string => {
  if (!isMeasured(interval)) return '–'
  const { mean, low, high, n } = interval
  const range = Number.isFinite(low) && Number.isFinite(high) ? `${text(low)} … ${text(high)}` : `n = ${n}`
  return html`${text(mean)} <span class="range">${range}</span>`
}

/** "40", or "40, 30 judged" where some stand in data sets that the full cache cannot do. */
const contextsText = ({ contexts, score }: SummaryRow): string =>
  `${contexts}${score !== undefined && score.n !== contexts ? `, ${score.n} judged` : ''}`
