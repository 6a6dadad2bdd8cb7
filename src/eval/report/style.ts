/** How a page looks: one sheet for screen (light and dark, wide and narrow) and paper. No colour is named outside of it. */

/** Series colours that stay apart for colour-blind eyes; charts name them by number. */
const light = ['#0b6fb8', '#d55e00', '#00806a', '#a9388f', '#8a6d00', '#5b4bc4', '#c2334d', '#4d7c0f']
const dark = ['#5cb2f2', '#ff9447', '#3ecfae', '#e58bd0', '#d9b93b', '#a79bff', '#ff8095', '#a3d45a']

export const colourCount: number = light.length

const series = (colours: readonly string[]): string => colours.map((colour, i) => `--c${i}: ${colour};`).join(' ')

/** Shades of a token, by level: the same hue, more of it. */
const shades = Array.from(
  { length: 16 },
  (_, i) => `.k${i} { background: rgb(var(--kept) / ${((i / 15) * 0.95).toFixed(2)}) }`,
).join('\n')

const lightColours = `color-scheme: light; --page: #fcfcfa; --ink: #1d1f22; --soft: #5d646d; --line: #dcdedf; --card: #fff; --kept: 98 190 150; --heat: 11 111 184; --on-heat: #fff; ${series(light)}`
const darkColours = `color-scheme: dark; --page: #15171a; --ink: #e6e7e8; --soft: #9aa2ab; --line: #33383e; --card: #1c1f23; --kept: 22 118 84; --heat: 92 178 242; --on-heat: #0b1116; ${series(dark)}`

export const style: string = `
:root { ${lightColours} }
@media (prefers-color-scheme: dark) { :root { ${darkColours} } }
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; -webkit-text-size-adjust: 100% }
main { max-width: 1200px; margin: 0 auto; padding: 24px 16px 64px }
h1 { font-size: 26px; line-height: 1.2; margin: 0 0 4px; overflow-wrap: anywhere }
h2 { font-size: 19px; margin: 40px 0 8px; padding-top: 12px; border-top: 1px solid var(--line) }
h3 { font-size: 17px; margin: 32px 0 6px }
h4 { font-size: 15px; margin: 18px 0 4px }
p { margin: 6px 0; max-width: 75ch }
.label, figcaption, caption { color: var(--soft); font-size: 13px; text-align: left }
code { font: 12.5px/1.4 ui-monospace, monospace; overflow-wrap: anywhere }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 2px 16px; margin: 8px 0 }
dt { color: var(--soft) }
dd { margin: 0; overflow-wrap: anywhere }
td, th, dd, code, .text, .head-part { unicode-bidi: isolate }
details { margin: 6px 0 }
summary { cursor: pointer; color: var(--soft) }
summary:hover { color: var(--ink) }
.wide { overflow-x: auto; margin: 8px 0 }
.wide:focus-visible { outline: 2px solid var(--c0) }
table { border-collapse: collapse; font-size: 13.5px; font-variant-numeric: tabular-nums }
th, td { padding: 3px 8px; text-align: left; vertical-align: baseline; white-space: nowrap }
th { color: var(--soft); font-weight: 600; vertical-align: bottom; white-space: normal }
thead { border-bottom: 1px solid var(--ink) }
tbody tr { border-bottom: 1px solid var(--line) }
.number { text-align: right }
.range { display: block; color: var(--soft); font-size: 11.5px; line-height: 1.2 }
.wide table:not(.heat) td:first-child { position: sticky; left: 0; background: var(--page) }
.settings td { white-space: normal }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 380px), 1fr)); gap: 12px 24px }
figure { margin: 8px 0; break-inside: avoid; min-width: 0 }
figcaption b { color: var(--ink) }
svg.plot { display: block; width: 100%; height: auto; max-width: 640px; overflow: visible }
svg.plot text { font: 12px system-ui, sans-serif; fill: var(--soft) }
svg.plot .level { paint-order: stroke; stroke: var(--page); stroke-width: 3px }
svg.plot .grid { stroke: var(--line); stroke-width: 1 }
svg.plot .axis { stroke: var(--soft); stroke-width: 1 }
svg.plot .reference { stroke: var(--ink); stroke-width: 1.2; stroke-dasharray: 5 4 }
.series { color: var(--soft) }
${light.map((_, i) => `.s${i} { color: var(--c${i}) }`).join(' ')}
.series .band { fill: currentColor; opacity: .1 }
.series .curve { fill: none; stroke: currentColor; stroke-width: 1.8 }
.series .whisker { stroke: currentColor; stroke-width: 1; opacity: .55 }
.series .mark { fill: currentColor; stroke: var(--page); stroke-width: 1 }
svg.interval { width: 220px; height: 14px; vertical-align: middle }
svg.interval line { stroke: var(--c0); stroke-width: 2 }
svg.interval circle { fill: var(--c0) }
.key { display: flex; flex-wrap: wrap; gap: 2px 18px; font-size: 13px; list-style: none; padding: 0; margin: 8px 0 }
.key span { color: var(--ink) }
.key svg { width: 30px; height: 12px; vertical-align: -1px; margin-right: 5px }
table.heat { font-size: 11px; margin: 2px 0 }
table.heat td { padding: 0; min-width: 26px; height: 20px; text-align: center; vertical-align: middle; border: 1px solid var(--page); background: rgb(var(--heat) / var(--v)) }
table.heat td.strong { color: var(--on-heat) }
table.heat th { white-space: nowrap; padding: 0 6px; font-weight: 400; text-align: center; vertical-align: middle }
table.heat th[scope=row] { text-align: right }
table.heat tbody tr { border: 0 }
table.heat thead { border: 0 }
.heats { display: flex; flex-wrap: wrap; gap: 4px 28px }
.text, .head-part { white-space: pre-wrap; overflow-wrap: anywhere; font-size: 15px; line-height: 1.75; background: var(--card); border: 1px solid var(--line); border-radius: 4px; padding: 12px 14px; margin: 6px 0 }
.head-part { border-left: 4px solid var(--soft); color: var(--soft); font-size: 13px; line-height: 1.5 }
.text span { border-radius: 2px }
.text .n::before { content: '↵'; color: var(--soft); font-size: 11px }
.k0 { color: var(--soft) }
.p { text-decoration: underline 2px var(--c3); text-underline-offset: 4px }
.legend span { padding: 1px 6px; border-radius: 2px; white-space: nowrap }
.layers { font-size: 14px; color: var(--soft) }
${shades}
[class*=k1], .heat td, .legend span { -webkit-print-color-adjust: exact; print-color-adjust: exact }
@media print {
  :root { ${lightColours} --page: #fff }
  body { font-size: 10pt }
  main { max-width: none; padding: 0 }
  .wide { overflow: visible }
  h2, h3, h4, summary, .key { break-after: avoid }
  table { font-size: 7pt }
  .range { font-size: 6pt }
  th, td { padding: 1px 4px }
  .text span { -webkit-print-color-adjust: exact; print-color-adjust: exact }
  .layers { display: none }
  details.paper::details-content { content-visibility: visible; display: block }
}
@media (max-width: 560px) {
  main { padding: 14px 10px 48px }
  h1 { font-size: 22px }
  dl { grid-template-columns: minmax(0, 1fr); gap: 0 }
  dd { margin-bottom: 6px }
  th, td { padding: 3px 6px }
  .wide table:not(.heat) td:first-child { white-space: normal; max-width: 38vw; overflow-wrap: anywhere }
}
`
