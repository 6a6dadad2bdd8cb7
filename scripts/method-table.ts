/**
 * One line for each method of a run, with its options, and at each share it kept the mean KL and flips (or scores) over all
 * contexts with their intervals, as Markdown: the table of a comparison of many methods (docs/methods.md).
 *
 *   node --import tsx scripts/method-table.ts RUN_FOLDER [--measure kl|flips|score] [--baseline METHOD] [--by data]
 *     [--alias NAME=METHOD]…
 *
 * With a baseline, the paired difference to it stands in each cell. With --by data a column is a file at the one share of
 * --keep. An alias stands for a method and the options it begins with: what comes after is named beside it.
 */
import { parseArgs } from 'node:util'
import { readRun, type SummaryRow, summarise } from '../src/eval/index.ts'
import { markdownTable } from '../src/eval/markdown-table.ts'
import type { Interval } from '../src/eval/statistics.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    measure: { type: 'string', default: 'kl' },
    baseline: { type: 'string' },
    by: { type: 'string' },
    keep: { type: 'string', default: '0.25' },
    alias: { type: 'string', multiple: true, default: [] },
  },
})
const [folder] = positionals
const measures = ['kl', 'flips', 'score'] as const
const measure = measures.find((name) => name === values.measure)
if (folder === undefined || measure === undefined || (values.by !== undefined && values.by !== 'data'))
  throw new RangeError(`give a run's folder, --measure ${measures.join(' or ')}, and --by data or nothing`)

const { settings, contexts } = await readRun(folder)
const { pooled, groups } = summarise(settings, contexts, {
  by: 'data',
  ...(values.baseline && { baseline: values.baseline }),
})

const isShare = measure !== 'kl'
const number = (value: number): string => (isShare ? (100 * value).toFixed(1) : value.toFixed(3))
const text = (interval: Interval | undefined): string =>
  interval ? `${number(interval.mean)} (${number(interval.low)} … ${number(interval.high)})` : '–'

const shown = (row: SummaryRow | undefined): string => {
  if (!row) return '–'
  if (values.baseline === undefined) return text(row[measure])
  return text(measure === 'score' ? row.toBaseline : row.klToBaseline)
}
const methodOf = ({ variant }: SummaryRow): string => variant.slice(0, variant.lastIndexOf('@'))

const aliases = values.alias.map((text) => text.split(/=(.*)/s) as [string, string])
const labelOf = (method: string): string => {
  const [name, start] = aliases.find(([, begin]) => method === begin || method.startsWith(`${begin}&`)) ?? []
  if (name === undefined || start === undefined) return `\`${method}\``
  return method === start ? name : `${name}, \`${method.slice(start.length + 1)}\``
}

const keeps = [...new Set(settings.variants.map(({ keep }) => keep))]
const methods = [...new Set(settings.variants.map(({ name }) => name.slice(0, name.lastIndexOf('@'))))]
const columns: readonly (readonly [title: string, rows: readonly SummaryRow[]])[] =
  values.by === 'data'
    ? groups.map(({ name, rows }) => [name, rows.filter(({ keep }) => keep === Number(values.keep))])
    : keeps.map((keep) => [`keep ${keep}`, pooled.filter((row) => row.keep === keep)])

process.stdout.write(`${contexts.length} contexts\n\n`)
process.stdout.write(
  markdownTable(
    ['method', ...columns.map(([title]) => title)],
    methods.map((method) => [
      labelOf(method),
      ...columns.map(([, rows]) => shown(rows.find((row) => methodOf(row) === method))),
    ]),
  ),
)
