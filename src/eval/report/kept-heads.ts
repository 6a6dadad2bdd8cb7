/** Where a variant kept: its share in each layer and KV head, mean over contexts. */
import { percentText } from '../../number-text.ts'
import type { ContextResult, RunSettings } from '../result.ts'
import { heatMap } from './heat-map.ts'
import { type Html, html } from './html.ts'
import { counted, firstOpen, scrolling } from './page.ts'

/** Undefined when no context tells. */
export const drawKeptHeads = (settings: RunSettings, contexts: readonly ContextResult[]): Html | undefined => {
  const maps = settings.variants.flatMap(({ name }) => {
    const heads = meanHeads(contexts, name)
    return heads ? [{ name, content: drawHeads(name, heads) }] : []
  })
  return maps.length > 0 ? firstOpen(maps, 4) : undefined
}

interface MeanHeads {
  readonly shares: readonly (readonly number[])[] // [layer][kvHead]
  readonly count: number // contexts
}

/** Undefined when no context tells. */
export const meanHeads = (contexts: readonly ContextResult[], variant: string): MeanHeads | undefined => {
  const grids = contexts.map(({ kept }) => kept[variant]?.heads).filter((heads) => heads !== undefined)
  const [first = []] = grids
  if (first.flat().length === 0) return undefined
  const shares = first.map((row, layer) =>
    row.map((_, head) => grids.reduce((sum, heads) => sum + (heads[layer]?.[head] ?? Number.NaN), 0) / grids.length),
  )
  return { shares, count: grids.length }
}

/** Layers run across: there are more of them than heads, and a phone scrolls sideways. */
const drawHeads = (variant: string, { shares, count }: MeanHeads): Html => {
  const heads = shares[0]?.length ?? 0
  const all = shares.flat()
  const mean = all.reduce((sum, share) => sum + share, 0) / all.length
  const most = Math.max(...all)
  const range = `all heads ${percentText(mean)}, darkest ${percentText(most)}`
  const map = heatMap({
    caption: html`<b>${variant}</b>: % kept, mean of ${counted(count, 'context')}; ${range}`,
    most,
    rowTitle: 'KV head',
    columnTitle: 'layer',
    rows: Array.from({ length: heads }, (_, head) => String(head)),
    columns: shares.map((_, layer) => String(layer)),
    cell: (head, layer) => {
      const share = shares[layer]?.[head]
      return share === undefined ? undefined : { share, title: `layer ${layer}, head ${head}: ${percentText(share)}` }
    },
  })
  return scrolling(`share kept by ${variant} in each layer and head`, map)
}
