/** Charts of a run: score and KL against bytes kept, for whatever was measured. Not here: how a chart is drawn (curves.ts). */
import { percentText } from '../../number-text.ts'
import type { SummaryRow } from '../aggregate.ts'
import { closedBookName, fullName } from '../result.ts'
import type { Interval } from '../statistics.ts'
import { type Curve, type CurvePoint, type CurveStyle, drawChart, drawKey } from './curves.ts'
import { familyOf } from './families.ts'
import { type Html, html } from './html.ts'
import { counted } from './page.ts'
import { isMeasured, natsText } from './summary.ts'

interface Measure {
  readonly title: string
  readonly value: (row: SummaryRow) => Interval | undefined
  readonly text: (value: number) => string
  readonly isScore: boolean
}

const tickText = (value: number): string => String(Number(value.toPrecision(2)))
const scoreText = (value: number): string => String(Math.round(value * 1000) / 10)

const measures: readonly Measure[] = [
  { title: 'score', value: ({ score }) => score, text: scoreText, isScore: true },
  { title: 'KL, nats a token', value: ({ kl }) => kl, text: natsText, isScore: false },
]

export interface PlotInput {
  readonly name: string // of the data: "pooled", "squad_multi"
  readonly rows: readonly SummaryRow[]
  readonly families: readonly string[]
  readonly style: CurveStyle
  readonly precision: string // of the cache that was measured
}

/** Side by side, with the key of their lines. Undefined when there is nothing to draw. */
export const drawPlots = (inputs: readonly PlotInput[]): Html | undefined => {
  const figures = inputs.flatMap((input) => measures.flatMap((measure) => drawFigure(measure, input) ?? []))
  const [first] = inputs
  if (!first || figures.length === 0) return undefined
  const drawn = new Set(inputs.flatMap(({ rows }) => rows.map(({ variant }) => familyOf(variant))))
  const key = drawKey(
    first.families.filter((family) => drawn.has(family)),
    first.style,
  )
  return html`${key}<div class="plots">${figures}</div>`
}

const drawFigure = (measure: Measure, input: PlotInput): Html | undefined => {
  const { name, rows, families, style, precision } = input
  const curves = families
    .map((family) => ({ name: family, points: pointsOf(family, measure, input) }))
    .filter(({ points }) => points.length > 0)
  if (curves.length === 0) return undefined
  const references = measure.isScore ? [fullName, closedBookName].flatMap((line) => levelOf(line, rows)) : []
  const contexts = counted(Math.max(...rows.map((row) => measure.value(row)?.n ?? 0)), 'context')
  const chart = {
    title: `${measure.title} against bytes kept, ${name}, ${contexts}; the numbers are in the table of the summary`,
    curves: curves satisfies Curve[],
    references,
    xTitle: xTitle(precision),
    yTitle: measure.title,
    yText: measure.isScore ? measure.text : tickText,
    ...(measure.isScore ? { yDomain: [0, 0] as const } : { yMayBeLog: true }),
  }
  const caption = html`<b>${name}</b>: ${measure.title}, ${contexts}, 95 % intervals`
  return html`<figure><figcaption>${caption}</figcaption>${drawChart(chart, style)}</figure>`
}

/** Bytes of a cached value beside f16's. */
const besideF16: Readonly<Record<string, number>> = { f16: 1, f32: 2 }

const xTitle = (precision: string): string =>
  besideF16[precision] === undefined
    ? `pairs kept in ${precision}, share of the full cache (log)`
    : 'bytes kept, share of the full f16 cache (log)'

const pointsOf = (family: string, { value, text, title }: Measure, { rows, precision }: PlotInput): CurvePoint[] =>
  rows.flatMap((row) => {
    const interval = value(row)
    const { variant, bytesShare: share = 0, keep } = row
    if (familyOf(variant) !== family || !isMeasured(interval) || !(share > 0)) return []
    const { mean, low, high, n } = interval
    const isRange = Number.isFinite(low) && Number.isFinite(high)
    const x = share * (besideF16[precision] ?? 1)
    const range = isRange ? ` (${text(low)} … ${text(high)})` : ''
    const kept = `nominal keep ${keep ?? '–'}, measured ${percentText(x)}`
    const label = `${variant}: ${title} ${text(mean)}${range}; ${kept}; ${counted(n, 'context')}`
    return [{ x, mean, low: isRange ? low : mean, high: isRange ? high : mean, label }]
  })

const levelOf = (name: string, rows: readonly SummaryRow[]): { name: string; y: number }[] => {
  const score = rows.find(({ variant }) => variant === name)?.score
  return isMeasured(score) ? [{ name, y: score.mean }] : []
}
