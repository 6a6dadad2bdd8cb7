/** A chart on two logarithmic axes as an SVG file, for the documentation: lines, and points that carry their names. */
import { type ScaleLogarithmic, scaleLog } from 'd3-scale'

export interface Line {
  readonly name: string
  readonly points: readonly (readonly [x: number, y: number])[]
  readonly isDashed?: boolean
}

export interface Mark {
  readonly name: string
  readonly x: number
  readonly y: number
}

export interface Plot {
  readonly title: string
  readonly xTitle: string
  readonly yTitle: string
  readonly x: readonly [least: number, most: number]
  readonly y: readonly [least: number, most: number]
  readonly lines: readonly Line[] // named at their right end
  readonly marks: readonly Mark[]
}

const box = { width: 720, height: 400, left: 64, right: 150, top: 34, bottom: 48 }
export const colours: readonly string[] = ['#1b6ca8', '#b5482a', '#2d7d46', '#7a4f9a', '#8a6d1d', '#4a4a4a']

const mostTicks = 12

type Scale = ScaleLogarithmic<number, number>

export const drawPlot = (plot: Plot): string => {
  const x = scaleLog([...plot.x], [box.left, box.width - box.right])
  const y = scaleLog([...plot.y], [box.height - box.bottom, box.top])
  const parts = [
    `<rect width="${box.width}" height="${box.height}" fill="white"/>`,
    `<text x="${box.left}" y="18" font-weight="bold">${escaped(plot.title)}</text>`,
    ...grid(x, y),
    text((box.left + box.width - box.right) / 2, box.height - 10, plot.xTitle, 'middle'),
    `<text transform="translate(14 ${(box.top + box.height - box.bottom) / 2}) rotate(-90)" text-anchor="middle">${escaped(plot.yTitle)}</text>`,
    ...plot.lines.map((line, i) => drawLine(line, { x, y, colour: colours[i % colours.length] ?? '' })),
    ...plot.marks.map((mark) => drawMark(mark, x, y)),
  ]
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${box.width} ${box.height}" font-family="sans-serif" font-size="12" fill="#222" role="img" aria-label="${escaped(plot.title)}">\n${parts.join('\n')}\n</svg>\n`
}

export const escaped = (words: string): string =>
  words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')

export const text = (x: number, y: number, words: string, anchor = 'start'): string =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${escaped(words)}</text>`

/** Ticks whose first digit is 1, 2 or 5; where that were too many, 1. */
const ticksOf = (scale: Scale): number[] => {
  const first = (digits: string): number[] =>
    scale.ticks().filter((tick) => digits.includes(tick.toExponential()[0] ?? ''))
  return first('125').length > mostTicks ? first('1') : first('125')
}

const grid = (x: Scale, y: Scale): string[] => {
  const [right, bottom] = [box.width - box.right, box.height - box.bottom]
  const stroke = (x1: number, y1: number, x2: number, y2: number): string =>
    `<path d="M${x1.toFixed(1)},${y1.toFixed(1)}L${x2.toFixed(1)},${y2.toFixed(1)}" stroke="#ddd"/>`
  return [
    ...ticksOf(x).flatMap((tick) => [
      stroke(x(tick), box.top, x(tick), bottom),
      text(x(tick), bottom + 16, tick.toLocaleString('en'), 'middle'),
    ]),
    ...ticksOf(y).flatMap((tick) => [
      stroke(box.left, y(tick), right, y(tick)),
      text(box.left - 6, y(tick) + 4, tick.toLocaleString('en'), 'end'),
    ]),
  ]
}

const drawLine = (
  { name, points, isDashed = false }: Line,
  { x, y, colour }: { readonly x: Scale; readonly y: Scale; readonly colour: string },
): string => {
  const path = points.map(([a, b]) => `${x(a).toFixed(1)},${y(b).toFixed(1)}`).join('L')
  const [, last = 1] = points.at(-1) ?? []
  const dash = isDashed ? ' stroke-dasharray="6 4"' : ''
  return `<path d="M${path}" fill="none" stroke="${colour}" stroke-width="2"${dash}/><g fill="${colour}">${text(box.width - box.right + 6, y(last) + 4, name)}</g>`
}

/** Its name stands where there is room. */
const drawMark = ({ name, x: a, y: b }: Mark, x: Scale, y: Scale): string => {
  const isRight = x(a) > box.width / 2
  const label = text(x(a) + (isRight ? -8 : 8), y(b) + 16, name, isRight ? 'end' : 'start')
  return `<circle cx="${x(a).toFixed(1)}" cy="${y(b).toFixed(1)}" r="4.5" fill="#222"/>${label}`
}
