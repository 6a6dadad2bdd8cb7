/** Where charts put their marks. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Element, readMarkup } from '../../../test/fixtures/markup.ts'
import { type Chart, curveStyles, drawChart, drawKey } from './curves.ts'
import { colourCount } from './style.ts'

const point = (x: number, mean: number): Chart['curves'][number]['points'][number] => ({
  x,
  mean,
  low: mean * 0.9,
  high: mean * 1.1,
  label: `at ${x}`,
})

const chart = (points: Chart['curves'][number]['points'], more: Partial<Chart> = {}): Chart => ({
  title: 'a chart',
  curves: [{ name: 'compactor', points }],
  references: [],
  xTitle: 'x',
  yTitle: 'y',
  yText: String,
  ...more,
})

const draw = (drawn: Chart): Element[] => readMarkup(drawChart(drawn, curveStyles(['compactor'])).text)

/** [x, y] of every mark. */
const marksOf = (elements: readonly Element[]): [number, number][] =>
  elements
    .filter(({ attributes }) => attributes.class === 'mark')
    .map(({ attributes }) => {
      const [, x, y] = /translate\((\S+) (\S+)\)/.exec(attributes.transform ?? '') ?? []
      return [Number(x), Number(y)]
    })

describe('scales', () => {
  test('halving the bytes is the same step everywhere, within 0.1 of a unit', () => {
    const xs = marksOf(draw(chart([0.5, 0.25, 0.125, 0.0625].map((x) => point(x, 1))))).map(([x]) => x)
    const steps = xs.slice(1).map((x, i) => x - (xs[i] ?? 0))
    assert.equal(steps.length, 3)
    for (const step of steps) assert.ok(step > 20 && Math.abs(step - (steps[0] ?? 0)) <= 0.11, String(steps))
  })

  test('y is linear from 0, and logarithmic where allowed and more than a decade is spanned', () => {
    const heights = (means: readonly number[], yMayBeLog: boolean): number[] => {
      const marks = marksOf(
        draw(
          chart(
            means.map((mean, i) => point(0.1 * (i + 1), mean)),
            { yMayBeLog },
          ),
        ),
      )
      return marks.slice(1).map(([, y], i) => (marks[i]?.[1] ?? 0) - y)
    }
    const [a = 0, b = 0] = heights([0.01, 0.1, 1], true)
    assert.ok(a > 20 && Math.abs(a - b) < 0.2, `${a} ${b}`)
    const [c = 0, d = 0] = heights([0.01, 0.1, 1], false)
    assert.ok(Math.abs(d / c - 10) < 0.5, `${c} ${d}`)
    const [e = 0, f = 0] = heights([0.5, 1, 1.5], true)
    assert.ok(Math.abs(e - f) < 0.2, `${e} ${f}`)
  })

  test('every mark, whisker and level lies inside the picture, also with 1 point and values of 0', () => {
    for (const points of [[point(0.25, 0)], [point(1, 0.3)], [point(0.001, 5), point(1.5, 0.0001)]]) {
      const elements = draw(chart(points, { yMayBeLog: true, references: [{ name: 'full', y: 0.7 }] }))
      const numbers = elements.flatMap(({ attributes }) =>
        ['x1', 'x2', 'y1', 'y2'].flatMap((name) => attributes[name] ?? []),
      )
      assert.ok(numbers.length > 10)
      for (const text of [...numbers, ...marksOf(elements).flat().map(String)])
        assert.ok(Number(text) >= 0 && Number(text) <= 460, text)
    }
  })
})

test('a curve of 3 points has 3 marks with their labels, 3 whiskers, 1 band of 6 corners', () => {
  const elements = draw(chart([point(0.1, 3), point(0.5, 1), point(0.25, 2)]))
  assert.equal(elements.filter(({ attributes }) => attributes.class === 'whisker').length, 3)
  const [band] = elements.filter(({ name }) => name === 'polygon')
  assert.equal(band?.attributes.points?.split(' ').length, 6)
  const labels = elements.filter(({ name }) => name === 'title').map(({ text }) => text)
  assert.deepEqual(labels, ['at 0.1', 'at 0.25', 'at 0.5'])
})

test(`${3 * colourCount} methods are drawn in ${3 * colourCount} different ways, grey ones take no colour`, () => {
  const names = Array.from({ length: 3 * colourCount }, (_, i) => `method ${i}`)
  const style = curveStyles(['random', ...names], ['random'])
  assert.equal(new Set(names.map((name) => JSON.stringify(style(name)))).size, names.length)
  assert.equal(style('random').colour, '')
  assert.deepEqual(style('method 0'), curveStyles(names)('method 0'))
  const key = readMarkup(drawKey(['random', ...names], style).text)
  assert.deepEqual(
    key.filter(({ name }) => name === 'li').map(({ text }) => text),
    ['random', ...names],
  )
})
