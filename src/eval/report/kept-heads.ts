/** Where a variant kept: its share in each layer and KV head, mean over contexts. */
import { percentText } from '../../number-text.ts'
import type { ContextResult, RunSettings } from '../result.ts'
import { heatMap } from './heat-map.ts'
import { type Html, html } from './html.ts'
import { counted, folded, scrolling } from './page.ts'

/** Undefined when no context tells. */
export const drawKeptHeads = (settings: RunSettings, contexts: readonly ContextResult[]): Html | undefined => {
  const maps = settings.variants.flatMap(({ name }) => {
    const shares = meanHeads(contexts, name)
    return shares ? [{ name, html: drawHeads(name, shares) }] : []
  })
  if (maps.length === 0) return undefined
  const shown = maps.slice(0, openMaps).map((map) => map.html)
  const rest = maps.slice(openMaps)
  return html`${shown}${
    rest.length > 0 &&
    folded(
      `${counted(rest.length, 'more variant')}: ${rest.map(({ name }) => name).join(', ')}`,
      html`${rest.map((map) => map.html)}`,
    )
  }`
}

const openMaps = 4

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
  const map = heatMap({
    caption: html`<b>${variant}</b>: % kept, mean of ${counted(count, 'context')}; all heads ${percentText(mean)}`,
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
