/** A grid of shares as a table whose cells are coloured: the picture and its numbers are one thing. */
import { type Html, html } from './html.ts'

export interface HeatMap {
  readonly caption: Html | string
  readonly rowTitle: string
  readonly columnTitle: string
  readonly rows: readonly string[]
  readonly columns: readonly string[]
  /** The share with the full colour. Default 1. */
  readonly most?: number
  /** 0 … 1 with what is shown when pointed at; undefined where nothing was measured. */
  readonly cell: (row: number, column: number) => { readonly share: number; readonly title: string } | undefined
}

export const heatMap = ({ caption, rowTitle, columnTitle, rows, columns, most = 1, cell }: HeatMap): Html => {
  const lines = rows.map((row, i) => {
    const cells = columns.map((_, j) => heatCell(cell(i, j), most))
    return html`<tr><th scope="row">${row}</th>${cells}</tr>\n`
  })
  const heads = columns.map((column) => html`<th scope="col">${column}</th>`)
  return html`<table class="heat"><caption>${caption}</caption>
<thead><tr><th>${rowTitle} ↓ ${columnTitle} →</th>${heads}</tr></thead>
<tbody>
${lines}</tbody></table>`
}

/** From here on the colour is so strong that text on it takes the colour for that. */
const strong = 0.6

const heatCell = (measured: ReturnType<HeatMap['cell']>, most: number): Html => {
  if (!measured || !Number.isFinite(measured.share)) return html`<td style="--v:0">–</td>`
  const shade = Math.min(1, Math.max(0, measured.share / most))
  const kind = shade >= strong && html` class="strong"`
  return html`<td${kind} style="--v:${shade.toFixed(2)}" title="${measured.title}">${Math.round(measured.share * 100)}</td>`
}
