/** The two heat maps of a run, cell by cell, from contexts made by hand. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { madeUpRun } from '../../../test/fixtures/made-up-run.ts'
import { type Element, readMarkup } from '../../../test/fixtures/markup.ts'
import type { ContextResult } from '../result.ts'
import type { Html } from './html.ts'
import { drawKeptHeads } from './kept-heads.ts'
import { drawNeedleGrids } from './needle-grid.ts'

const { settings, contexts } = madeUpRun({
  families: ['a'],
  keeps: [0.5],
  contextsEach: 1,
  datasets: [{ name: 'needles', full: 1 }],
})
const [sample] = contexts

const contextOf = (change: Partial<ContextResult>): ContextResult => ({ ...(sample as ContextResult), ...change })

/** Lines of the first map that `drawn` holds, heads of rows and columns included. */
const linesOf = (drawn: Html | undefined): { readonly cells: string[][]; readonly elements: Element[] } => {
  const elements = readMarkup(drawn?.text ?? '')
  const cells: string[][] = []
  for (const { name, text } of elements) {
    if (name === 'tr') cells.push([])
    if (name === 'th' || name === 'td') cells.at(-1)?.push(text)
  }
  return { cells, elements }
}

test('needle grid: 2 depths × 2 lengths, means over contexts and their questions, a dash where nothing was asked', () => {
  const placed = (depth: number, targetTokens: number, ...scores: number[]): ContextResult =>
    contextOf({
      depth,
      targetTokens,
      questions: scores.map((score, i) => ({ qid: String(i), results: { 'a@0.5': { answer: '', score } } })),
    })
  const grid = [placed(0, 512, 1), placed(0, 512, 0.5, 0), placed(1, 512, 0), placed(1, 2048, 0.25)]
  const { cells, elements } = linesOf(drawNeedleGrids(settings, grid))
  assert.deepEqual(cells, [
    ['depth ↓ tokens →', '512', '2,048'],
    ['0 %', '63', '–'],
    ['100 %', '0', '25'],
  ])
  const titles = elements.flatMap(({ attributes }) => attributes.title ?? [])
  assert.deepEqual(titles, ['62.5, 2 contexts', '0.0, 1 context', '25.0, 1 context'])
  assert.equal(elements.filter(({ name }) => name === 'table').length, 1) // neither full nor closed-book was judged
})

test('kept share: heads down, 3 layers across, mean of 2 contexts, the largest share has the full colour', () => {
  const kept = (...heads: number[][]): ContextResult =>
    contextOf({ kept: { 'a@0.5': { share: 0.5, bytes: 1, heads } } })
  const two = [kept([0.1, 0.2], [0.3, 0.4], [0.5, 0.6]), kept([0.3, 0], [0.3, 0.2], [0.5, 0.2])]
  const { cells, elements } = linesOf(drawKeptHeads(settings, two))
  assert.deepEqual(cells, [
    ['KV head ↓ layer →', '0', '1', '2'],
    ['0', '20', '30', '50'],
    ['1', '10', '30', '40'],
  ])
  const shades = elements.filter(({ name }) => name === 'td').map(({ attributes }) => attributes.style)
  assert.deepEqual(shades, ['--v:0.40', '--v:0.60', '--v:1.00', '--v:0.20', '--v:0.60', '--v:0.80'])
  const caption = elements.find(({ name }) => name === 'caption')?.text
  assert.equal(caption, 'a@0.5: % kept, mean of 2 contexts; all heads 30.0 %, darkest 50.0 %')
})
