/**
 * The frame of every page that is drawn here: one file that loads nothing, in light and dark, on a phone and on paper.
 * A policy in its head forbids every script but our own, named by its hash, so that even an escape that failed would be
 * harmless. Not here: what stands in it.
 */
import { createHash } from 'node:crypto'
import { Html, html } from './html.ts'
import { layerScript } from './layer-script.ts'
import { style } from './style.ts'

export const page = (title: string, body: Html): string => {
  const scriptHash = createHash('sha256').update(layerScript).digest('base64')
  const policy = `default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-${scriptHash}'`
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<style>${new Html(style)}</style>
</head>
<body>
<main>
${body}
</main>
<script>${new Html(layerScript)}</script>
</body>
</html>
`.text
}

/** Something wide that scrolls by itself, so that the page does not. The label says what it is to who cannot see it. */
export const scrolling = (label: string, content: Html): Html =>
  html`<div class="wide" role="region" aria-label="${label}" tabindex="0">${content}</div>`

/** Closed on the screen; printed open with 'paper', which is the default, as it stands with 'closed' and 'open'. */
export const folded = (summary: string, content: Html, kind: 'paper' | 'closed' | 'open' = 'paper'): Html =>
  html`<details class="${kind}"${kind === 'open' && new Html(' open')}><summary>${summary}</summary>${content}</details>`

export interface Named {
  readonly name: string
  readonly content: Html
}

/** The first of many open, the others behind their names. */
export const firstOpen = (things: readonly Named[], openCount: number): Html => {
  const rest = things.slice(openCount)
  const names = rest.map(({ name }) => name).join(', ')
  const contents = (list: readonly Named[]): Html =>
    html`<div class="heats">${list.map(({ content }) => content)}</div>`
  return html`${contents(things.slice(0, openCount))}${
    rest.length > 0 && folded(`${counted(rest.length, 'more variant')}: ${names}`, contents(rest), 'closed')
  }`
}

export interface Column {
  readonly title: string
  readonly numeric?: boolean
}

export const table = (columns: readonly Column[], rows: readonly (readonly (Html | string)[])[]): Html => {
  const kind = (i: number): Html => html`${columns[i]?.numeric === true && new Html(' class="number"')}`
  const heads = columns.map(({ title }, i) => html`<th scope="col"${kind(i)}>${title}</th>`)
  const lines = rows.map((row) => html`<tr>${row.map((cell, i) => html`<td${kind(i)}>${cell}</td>`)}</tr>\n`)
  return html`<table><thead><tr>${heads}</tr></thead>\n<tbody>\n${lines}</tbody></table>`
}

export const facts = (pairs: readonly (readonly [name: string, value: Html | string])[]): Html =>
  html`<dl>${pairs.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>\n`)}</dl>`

/** "1 context", "40 contexts". */
export const counted = (count: number, noun: string): string =>
  `${count.toLocaleString('en-US')} ${noun}${count === 1 ? '' : 's'}`
