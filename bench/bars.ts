/** Bars cut into named shares as an SVG file, for the documentation. */
import { colours, escaped, text } from './plot.ts'

export interface Bar {
  readonly name: string
  readonly shares: ReadonlyMap<string, number> // of 1
}

const box = { width: 720, left: 190, right: 20, top: 64, bar: 26, gap: 14 }
const leastWritten = 0.06 // a share too narrow for its figure

/** @param kinds of shares, in their order; one colour each */
export const drawBars = (title: string, kinds: readonly string[], bars: readonly Bar[]): string => {
  const height = box.top + bars.length * (box.bar + box.gap)
  const width = box.width - box.left - box.right
  const parts = [
    `<rect width="${box.width}" height="${height}" fill="white"/>`,
    `<text x="14" y="18" font-weight="bold">${escaped(title)}</text>`,
    ...kinds.flatMap((kind, i) => {
      const x = 14 + (i * (box.width - 28)) / kinds.length
      return [`<rect x="${x}" y="32" width="12" height="12" fill="${colours[i]}"/>`, text(x + 17, 42, kind)]
    }),
    ...bars.flatMap(({ name, shares }, row) => {
      const y = box.top + row * (box.bar + box.gap)
      let x = box.left
      return [
        text(box.left - 10, y + box.bar / 2 + 4, name, 'end'),
        ...kinds.flatMap((kind, i) => {
          const share = shares.get(kind) ?? 0
          const at = x
          x += share * width
          const drawn = `<rect x="${at.toFixed(1)}" y="${y}" width="${(share * width).toFixed(1)}" height="${box.bar}" fill="${colours[i]}"/>`
          const figure = text(at + (share * width) / 2, y + box.bar / 2 + 4, `${(share * 100).toFixed(0)} %`, 'middle')
          return share < leastWritten ? [drawn] : [drawn, `<g fill="white">${figure}</g>`]
        }),
      ]
    }),
  ]
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${box.width} ${height}" font-family="sans-serif" font-size="12" fill="#222" role="img" aria-label="${escaped(title)}">\n${parts.join('\n')}\n</svg>\n`
}
