/**
 * A measure against bytes kept, as SVG: a line for each method, bands and whiskers for its intervals. Drawn when the report
 * is made: vectors print sharply, follow the page's colours and need no script. Not here: what the numbers mean (plots.ts).
 */
import { type ScaleContinuousNumeric, scaleLinear, scaleLog } from 'd3-scale'
import { type Html, html } from './html.ts'
import { colourCount } from './style.ts'

export interface CurvePoint {
  readonly x: number // above 0
  readonly mean: number
  readonly low: number
  readonly high: number
  readonly label: string // shown when pointed at
}

export interface Curve {
  readonly name: string
  readonly points: readonly CurvePoint[]
}

export interface Chart {
  readonly title: string // read out in place of the picture
  readonly curves: readonly Curve[]
  /** Levels across the whole width: the full cache, no document. */
  readonly references: readonly { readonly name: string; readonly y: number }[]
  readonly xTitle: string
  readonly yTitle: string
  readonly yText: (value: number) => string
  /** What the y axis must show, also where no point lies. */
  readonly yDomain?: readonly [low: number, high: number]
  /** Logarithmic y where every value and bound is above 0 and they span more than a decade. Default false. */
  readonly yMayBeLog?: boolean
}

/** How the curve of a name is drawn on every chart of a page. */
export type CurveStyle = (name: string) => { readonly colour: string; readonly shape: string; readonly dash: string }

const box = { width: 460, height: 320, left: 54, right: 14, top: 12, bottom: 44 }
const shapes = [
  'M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0',
  'M-3.5,-3.5h7v7h-7z',
  'M0,-5L5,0L0,5L-5,0z',
  'M0,-4.5L4.5,4H-4.5z',
]
const dashes = ['', '7 3', '2 3', '9 3 2 3']

/** Colours first, then shapes and dashes, so that more methods than colours stay apart; names in `grey` take no colour. */
export const curveStyles = (names: readonly string[], grey: readonly string[] = []): CurveStyle => {
  const coloured = names.filter((name) => !grey.includes(name))
  return (name) => {
    const i = coloured.indexOf(name)
    if (i < 0) return { colour: '', shape: shapes[0] ?? '', dash: '4 3' }
    const turn = Math.floor(i / colourCount)
    return {
      colour: ` s${i % colourCount}`,
      shape: shapes[(i + turn) % shapes.length] ?? '',
      dash: dashes[turn % dashes.length] ?? '',
    }
  }
}

type Scale = ScaleContinuousNumeric<number, number>

export const drawChart = (chart: Chart, style: CurveStyle): Html => {
  const points = chart.curves.flatMap((curve) => curve.points)
  const x = xScale(points)
  const { scale: y, ticks } = yScale(chart, points)
  const curves = chart.curves.map((curve) => drawCurve(curve, { x, y }, style))
  return html`<svg class="plot" viewBox="0 0 ${box.width} ${box.height}" role="img" aria-label="${chart.title}">
${drawAxes(chart, { x, y, yTicks: ticks })}
${chart.references.map(({ name, y: level }, i) => drawReference(`${name}: ${chart.yText(level)}`, y(level), i))}
${curves}
</svg>`
}

/** What the lines of a page mean. */
export const drawKey = (names: readonly string[], style: CurveStyle): Html => {
  const entries = names.map((name) => {
    const { colour, shape, dash } = style(name)
    const sample = html`<svg viewBox="-15 -6 30 12" aria-hidden="true"><path class="curve" d="M-15,0H15" stroke-dasharray="${dash}"/><path class="mark" d="${shape}"/></svg>`
    return html`<li class="series${colour}">${sample}<span>${name}</span></li>`
  })
  return html`<ul class="key">${entries}</ul>`
}

// -- scales -------------------------------------------------------------------------------------------------------

const xScale = (points: readonly CurvePoint[]): Scale => {
  const least = Math.min(0.5, ...points.map(({ x }) => x))
  const most = Math.max(1, ...points.map(({ x }) => x))
  return scaleLog([least * 0.88, most * 1.06], [box.left, box.width - box.right])
}

const yScale = (
  { yDomain, yMayBeLog = false, references }: Chart,
  points: readonly CurvePoint[],
): { readonly scale: Scale; readonly ticks: readonly number[] } => {
  const values = [...points.flatMap(({ low, mean, high }) => [low, mean, high]), ...references.map(({ y }) => y)]
  const [least, most] = [Math.min(...values, ...(yDomain ?? [])), Math.max(...values, ...(yDomain ?? []))]
  const range = [box.height - box.bottom, box.top]
  if (yMayBeLog && least > 0 && most > 10 * least) {
    const scale = scaleLog([least * 0.9, most * 1.1], range)
    return { scale, ticks: roundTicks(scale.ticks(), most / least > 1000 ? [1] : [1, 2, 5]) }
  }
  const scale = scaleLinear(
    [Number.isFinite(least) ? Math.min(0, least) : 0, most > least || most > 0 ? most : 1],
    range,
  ).nice(5)
  return { scale, ticks: scale.ticks(5) }
}

/** Those of a logarithmic scale whose first digit is one of these. */
const roundTicks = (ticks: readonly number[], digits: readonly number[]): number[] =>
  ticks.filter((tick) => digits.includes(Number(tick.toExponential(0).charAt(0))))

// -- marks --------------------------------------------------------------------------------------------------------

const fixed = (value: number): string => value.toFixed(1)

const shareText = (share: number): string => `${Number((share * 100).toPrecision(3))} %`

const drawAxes = (
  { xTitle, yTitle, yText }: Chart,
  { x, y, yTicks }: { readonly x: Scale; readonly y: Scale; readonly yTicks: readonly number[] },
): Html => {
  const bottom = box.height - box.bottom
  const right = box.width - box.right
  const rows = yTicks.map(
    (tick) => html`<line class="grid" x1="${box.left}" x2="${right}" y1="${fixed(y(tick))}" y2="${fixed(y(tick))}"/>
<text x="${box.left - 6}" y="${fixed(y(tick) + 4)}" text-anchor="end">${yText(tick)}</text>`,
  )
  const wide = roundTicks(x.ticks(), [1, 2, 5])
  const columns = (wide.length > 3 ? wide : roundTicks(x.ticks(), [1, 2, 3, 5, 7])).map(
    (tick) => html`<line class="grid" x1="${fixed(x(tick))}" x2="${fixed(x(tick))}" y1="${box.top}" y2="${bottom}"/>
<text x="${fixed(x(tick))}" y="${bottom + 16}" text-anchor="middle">${shareText(tick)}</text>`,
  )
  return html`${rows}${columns}<line class="axis" x1="${box.left}" x2="${right}" y1="${bottom}" y2="${bottom}"/>
<text x="${(box.left + right) / 2}" y="${box.height - 8}" text-anchor="middle">${xTitle}</text>
<text transform="translate(12 ${(box.top + bottom) / 2}) rotate(-90)" text-anchor="middle">${yTitle}</text>`
}

const drawReference = (name: string, at: number, i: number): Html => {
  const dash = i > 0 && html` style="stroke-dasharray: 2 4"`
  return html`<g><title>${name}</title><line class="reference" x1="${box.left}" x2="${box.width - box.right}" y1="${fixed(at)}" y2="${fixed(at)}"${dash}/>
<text class="level" x="${box.width - box.right - 2}" y="${fixed(at - 4)}" text-anchor="end">${name}</text></g>`
}

const drawCurve = (
  { name, points }: Curve,
  { x, y }: { readonly x: Scale; readonly y: Scale },
  style: CurveStyle,
): Html => {
  const { colour, shape, dash } = style(name)
  const sorted = points.toSorted((a, b) => a.x - b.x)
  const path = (ys: readonly (readonly [number, number])[]): string =>
    ys.map(([px, py]) => `${fixed(x(px))},${fixed(y(py))}`).join(' ')
  const low = sorted.map((point) => [point.x, point.low] as const)
  const high = sorted.map((point) => [point.x, point.high] as const)
  const whiskers = sorted.map(
    (point) =>
      html`<line class="whisker" x1="${fixed(x(point.x))}" x2="${fixed(x(point.x))}" y1="${fixed(y(point.low))}" y2="${fixed(y(point.high))}"/>`,
  )
  const marks = sorted.map(
    (point) =>
      html`<path class="mark" transform="translate(${fixed(x(point.x))} ${fixed(y(point.mean))})" d="${shape}"><title>${point.label}</title></path>\n`,
  )
  return html`<g class="series${colour}">
${
  sorted.length > 1 &&
  html`<polygon class="band" points="${path([...low, ...high.toReversed()])}"/>
<polyline class="curve" points="${path(sorted.map((point) => [point.x, point.mean]))}" stroke-dasharray="${dash}"/>`
}
${whiskers}${marks}</g>
`
}
