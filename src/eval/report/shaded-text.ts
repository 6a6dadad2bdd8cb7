/**
 * A document as text, shaded by how much of every token was kept: the share of (layer, KV head) pairs, or of one layer's
 * heads. Not here: where the counts come from (cache/kept-tokens.ts) and the page around it (page.ts).
 */
import { bytesText, countText, percentText } from '../../number-text.ts'
import { type Html, html } from './html.ts'
import { page } from './page.ts'

export interface ShadedDocument {
  /** What was read before the document (template, system text): always kept whole, not counted. Default none. */
  readonly head?: string
  readonly tokens: readonly string[] // text of each; '' where a character ends in a later one
  readonly kept: readonly ArrayLike<number>[] // [layer][token], KV heads that keep it
  readonly kvHeads: number
  readonly protectFirst: number
  readonly protectLast: number
  readonly bytes: number // keys and values kept, without what precedes the document in layers that see everything
  readonly fullBytes: number // of the whole document at the same precision
  /** More lines for the legend, names and values. */
  readonly facts?: readonly (readonly [name: string, value: string])[]
}

/** Levels of shade above "nowhere"; one hexadecimal digit holds them. */
const levels = 15

/** 0 for nothing at all, then steps of 1/15. */
export const levelOf = (share: number): number =>
  share <= 0 ? 0 : Math.max(1, Math.min(levels, Math.round(share * levels)))

/** A page of its own. Throws RangeError when counts and tokens do not belong together. */
export const shadedTextPage = (title: string, document: ShadedDocument): string =>
  page(title, html`<h1>${title}</h1>\n${shadedText(document)}`)

/** A part of a page. Throws as shadedTextPage does. */
export const shadedText = (document: ShadedDocument): Html => {
  requireCounts(document)
  const { head = '', tokens, protectFirst, protectLast } = document
  const shares = averageShares(document)
  const isProtected = (i: number): boolean => i < protectFirst || i >= tokens.length - protectLast
  const spans = tokens.map((text, i) =>
    shadedToken(text, { number: i + 1, share: shares[i] ?? 0, isProtected: isProtected(i) }),
  )
  return html`<section class="shaded">
${legend(document)}
${layerChoice(document, shares)}
${head !== '' && html`<p class="label">Before the document (kept whole, not counted)</p><div class="head-part">${head}</div>\n`}
<div class="text">${spans}</div>
</section>`
}

const requireCounts = ({ tokens, kept, kvHeads }: ShadedDocument): void => {
  if (!(kvHeads >= 1)) throw new RangeError(`kvHeads must be at least 1, got ${kvHeads}`)
  const wrong = kept.findIndex(({ length }) => length !== tokens.length)
  if (wrong >= 0)
    throw new RangeError(
      `expected a count for each of ${tokens.length} tokens, layer ${wrong} has ${kept[wrong]?.length}`,
    )
}

/** Over all layers. → [token] */
const averageShares = ({ tokens, kept, kvHeads }: ShadedDocument): Float64Array => {
  const shares = new Float64Array(tokens.length)
  for (const layer of kept) for (let i = 0; i < shares.length; i++) shares[i] = (shares[i] ?? 0) + (layer[i] ?? 0)
  return shares.map((sum) => sum / (Math.max(1, kept.length) * kvHeads))
}

const shadedToken = (
  text: string,
  { number, share, isProtected }: { readonly number: number; readonly share: number; readonly isProtected: boolean },
): Html => {
  const classes = `k${levelOf(share)}${isProtected ? ' p' : ''}${text.includes('\n') ? ' n' : ''}`
  return html`<span class="${classes}" title="token ${number}: ${Math.round(share * 100)} %">${text}</span>`
}

const legend = ({
  tokens,
  kept,
  kvHeads,
  protectFirst,
  protectLast,
  bytes,
  fullBytes,
  facts = [],
}: ShadedDocument): Html => {
  const share = fullBytes > 0 ? bytes / fullBytes : 0
  const lines: (readonly [string, string])[] = [
    ...facts,
    ['tokens', `${countText(tokens.length)}, in ${countText(kept.length)} layers of ${countText(kvHeads)} KV heads`],
    ['kept', `${bytesText(bytes)} of ${bytesText(fullBytes)} (${percentText(share)})`],
  ]
  const steps = [0, 0.2, 0.4, 0.6, 0.8, 1].map(
    (step) => html`<span class="k${levelOf(step)}">${Math.round(step * 100)} %</span>`,
  )
  const ends = `first ${protectFirst} and last ${protectLast}`
  return html`<dl>${lines.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>\n`)}</dl>
<p class="legend">Share of KV heads that keep a token: ${steps} ${
    protectFirst + protectLast > 0 && html`<span class="p">protected: ${ends}</span>`
  }</p>`
}

/** One digit a token and layer; shown by the page's script, which alone can act on it. */
const layerChoice = ({ kept, kvHeads }: ShadedDocument, average: ArrayLike<number>): Html | undefined => {
  if (kept.length < 2) return undefined
  const digits = (shares: ArrayLike<number>): string =>
    Array.from(shares, (share) => levelOf(share).toString(16)).join('')
  const layers = kept.map((counts, layer) => {
    const shares = Array.from(counts, (count) => count / kvHeads)
    return html`<option data-levels="${digits(shares)}">layer ${layer}</option>\n`
  })
  const all = html`<option data-levels="${digits(average)}">all layers, average</option>\n`
  return html`<label class="layers" hidden>Shade by <select>${all}${layers}</select></label>`
}
