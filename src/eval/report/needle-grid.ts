/** The needle grid: score by where the evidence stands and how long the context is, a map for each variant. */
import { type ContextResult, closedBookName, fullName, type RunSettings } from '../result.ts'
import { heatMap } from './heat-map.ts'
import { type Html, html } from './html.ts'
import { counted, firstOpen, scrolling } from './page.ts'

type Placed = ContextResult & { readonly depth: number; readonly targetTokens: number }

/** Undefined when no context says where its needle is, or none was judged. */
export const drawNeedleGrids = (settings: RunSettings, contexts: readonly ContextResult[]): Html | undefined => {
  const placed = contexts.filter(
    (context): context is Placed => context.depth !== undefined && context.targetTokens !== undefined,
  )
  const names = [fullName, closedBookName, ...settings.variants.map(({ name }) => name)]
  const maps = names.flatMap((name) => {
    const judged = placed.filter((context) => scoresOf(context, name).length > 0)
    return judged.length > 0 ? [{ name, content: drawGrid(name, judged, settings) }] : []
  })
  return maps.length > 0 ? firstOpen(maps, 8) : undefined
}

const drawGrid = (variant: string, contexts: readonly Placed[], { protocol }: RunSettings): Html => {
  const depths = distinct(contexts.map(({ depth }) => depth))
  const lengths = distinct(contexts.map(({ targetTokens }) => targetTokens))
  const map = heatMap({
    caption: html`<b>${variant}</b>: mean score, ${counted(contexts.length, 'context')}, ${protocol}`,
    rowTitle: 'depth',
    columnTitle: 'tokens',
    rows: depths.map((depth) => `${Math.round(depth * 100)} %`),
    columns: lengths.map((length) => length.toLocaleString('en-US')),
    cell: (row, column) => {
      const here = contexts.filter(
        ({ depth, targetTokens }) => depth === depths[row] && targetTokens === lengths[column],
      )
      const scores = here.map((context) => mean(scoresOf(context, variant)))
      const share = mean(scores)
      return here.length === 0
        ? undefined
        : { share, title: `${(share * 100).toFixed(1)}, ${counted(here.length, 'context')}` }
    },
  })
  return scrolling(`needle grid of ${variant}`, map)
}

const scoresOf = ({ questions }: ContextResult, variant: string): number[] =>
  questions.map(({ results }) => results[variant]?.score).filter((score) => score !== undefined)

const distinct = (values: readonly number[]): number[] => [...new Set(values)].sort((a, b) => a - b)

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
