/** A summary as Markdown tables: pooled, each group, and apart those that the whole cache cannot do. */
import { bytesText, percentText } from '../number-text.ts'
import { leastFullScore, type Summary, type SummaryRow } from './aggregate.ts'
import { markdownTable } from './markdown-table.ts'
import type { Interval } from './statistics.ts'

interface Column {
  readonly title: string
  /** Undefined where the row has no such value. */
  readonly text: (row: SummaryRow) => string | undefined
}

const hundredth = (value: number): string => (value * 100).toFixed(1)
const signed = (value: number): string => `${value < 0 ? '' : '+'}${hundredth(value)}`
const nats = (value: number): string => value.toFixed(4)

/** "0.12 (0.10 … 0.15)"; a single context has no interval and says so. */
const interval = (text: (value: number) => string, value: Interval | undefined): string | undefined => {
  if (value === undefined) return undefined
  const range = value.n === 1 ? 'n = 1' : `${text(value.low)} … ${text(value.high)}`
  return `${text(value.mean)} (${range})`
}

const contextsText = ({ contexts, questions, score }: SummaryRow): string => {
  const judged = score !== undefined && score.n !== contexts ? `, ${score.n} judged` : ''
  return `${contexts} (${questions}${judged})`
}

const columnsBeside = (baseline: string): readonly Column[] => [
  { title: 'keep', text: ({ keep }) => keep?.toString() },
  { title: 'kept', text: ({ share }) => (share === undefined ? undefined : percentText(share)) },
  { title: 'bytes', text: ({ bytes }) => (bytes === undefined ? undefined : bytesText(bytes)) },
  { title: 'contexts (questions)', text: contextsText },
  { title: 'KL, nats a token', text: ({ kl }) => interval(nats, kl) },
  { title: `KL less ${baseline}`, text: ({ klToBaseline }) => interval(nats, klToBaseline) },
  { title: 'flips, %', text: ({ flips }) => interval(hundredth, flips) },
  { title: 'NLL ratio', text: ({ nllRatio }) => interval((value) => value.toFixed(2), nllRatio) },
  { title: 'score', text: ({ score }) => interval(hundredth, score) },
  { title: 'less full', text: ({ toFull }) => interval(signed, toFull) },
  { title: `less ${baseline}`, text: ({ toBaseline }) => interval(signed, toBaseline) },
]

/** Columns without a value in any row are left out. Every line names a protocol that is not the default one. */
const rowsTable = (rows: readonly SummaryRow[], { protocol, baseline }: Summary): string => {
  const shown = columnsBeside(baseline).filter(({ text }) => rows.some((row) => text(row) !== undefined))
  const suffix = protocol === 'context-only' ? '' : `, ${protocol}`
  return markdownTable(
    ['variant', ...shown.map(({ title }) => title)],
    rows.map((row) => [`${row.variant}${suffix}`, ...shown.map(({ text }) => text(row) ?? '–')]),
  )
}

export const toMarkdown = (summary: Summary): string => {
  const { pooled, groups } = summary
  const section = (title: string, rows: readonly SummaryRow[]): string =>
    `### ${title}\n\n${rowsTable(rows, summary)}\n`
  const usable = groups.filter(({ isTooHard }) => !isTooHard)
  const apart = groups.filter(({ isTooHard }) => isTooHard)
  const limit = `the whole cache scores below ${leastFullScore * 100}`
  return [
    ...(groups.length > 1 ? [section(`All ${groups.length} data sets`, pooled)] : []),
    ...usable.map(({ name, rows }) => section(name, rows)),
    ...apart.map(({ name, rows }) => section(`${name}: apart, ${limit}`, rows)),
  ].join('\n')
}
