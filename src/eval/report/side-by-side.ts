/** All variants of one nominal keep under each other, best first, each interval drawn beside its numbers: for many options. */
import { type ScaleLinear, scaleLinear } from 'd3-scale'
import type { SummaryRow } from '../aggregate.ts'
import type { Interval } from '../statistics.ts'
import { type Html, html } from './html.ts'
import { counted, folded, scrolling, table } from './page.ts'
import { intervalText, isMeasured, type Measured, measuredAs } from './summary.ts'

interface Ranked {
  readonly row: SummaryRow
  readonly interval: Interval
}

/** By KL where it was measured, else by score. Undefined when no keep has two variants to compare. */
export const drawSideBySide = (pooled: readonly SummaryRow[]): Html | undefined => {
  const keeps = [...new Set(pooled.flatMap(({ keep }) => keep ?? []))].sort((a, b) => b - a)
  const measure = pooled.some(({ kl }) => isMeasured(kl)) ? measuredAs.kl : measuredAs.score
  const blocks = keeps.flatMap((keep) => {
    const ranked = pooled.flatMap((row): Ranked[] => {
      const interval = measure.value(row)
      return row.keep === keep && isMeasured(interval) ? [{ row, interval }] : []
    })
    if (ranked.length < 2) return []
    const better = measure === measuredAs.kl ? 1 : -1
    ranked.sort((a, b) => better * (a.interval.mean - b.interval.mean))
    const title = `keep ${keep}: ${counted(ranked.length, 'variant')} by ${measure.title}, best first`
    return [folded(title, drawRanking(title, ranked, measure))]
  })
  return blocks.length > 0 ? html`${blocks}` : undefined
}

const width = 220

const drawRanking = (title: string, ranked: readonly Ranked[], { title: unit, text }: Measured): Html => {
  const ends = ranked.flatMap(({ interval: { mean, low, high } }) => [mean, low, high]).filter(Number.isFinite)
  const x = scaleLinear([Math.min(...ends), Math.max(...ends)], [5, width - 5])
  const rows = ranked.map(({ row, interval }) => [
    row.variant,
    drawInterval(interval, x),
    intervalText(interval, text),
    String(interval.n),
  ])
  const columns = [
    { title: 'variant' },
    { title: `${text(Math.min(...ends))} … ${text(Math.max(...ends))}` },
    { title: unit, numeric: true },
    { title: 'contexts', numeric: true },
  ]
  return scrolling(title, table(columns, rows))
}

const drawInterval = ({ mean, low, high }: Interval, x: ScaleLinear<number, number>): Html => {
  const isRange = Number.isFinite(low) && Number.isFinite(high)
  const line = html`<line x1="${x(low).toFixed(1)}" x2="${x(high).toFixed(1)}" y1="7" y2="7"/>`
  return html`<svg class="interval" viewBox="0 0 ${width} 14" aria-hidden="true">${isRange && line}<circle cx="${x(mean).toFixed(1)}" cy="7" r="4"/></svg>`
}
