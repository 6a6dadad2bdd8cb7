/** A few contexts as shaded text, for what no number shows: which words a method keeps. */
import { type ContextResult, fullBytesOf, type Protocol, type RunSettings, type VariantSettings } from '../result.ts'
import { type Html, html } from './html.ts'
import { folded } from './page.ts'
import { shadedText } from './shaded-text.ts'

/** Of every context that holds its tokens, each variant that tells. Undefined when there is none. */
export const drawExamples = (
  { variants, protocol }: RunSettings,
  contexts: readonly ContextResult[],
): Html | undefined => {
  const examples = contexts.flatMap((context) => {
    const texts = variants.flatMap((variant) => {
      const drawn = drawExample(context, variant, protocol)
      return drawn ? [{ name: variant.name, drawn }] : []
    })
    const parts = texts.map(({ name, drawn }, i) => folded(name, drawn, i === 0 ? 'open' : 'closed'))
    return texts.length > 0 ? [html`<h4>${context.dataset}: ${context.id}</h4>\n${parts}`] : []
  })
  return examples.length > 0 ? html`${examples}` : undefined
}

const drawExample = (
  { tokens, kept }: ContextResult,
  variant: VariantSettings,
  protocol: Protocol,
): Html | undefined => {
  const counts = tokens?.kept[variant.name]
  const size = kept[variant.name]
  if (!tokens || !counts || !size) return undefined
  const { protectFirst, protectLast } = variant.selection
  return shadedText({
    tokens: tokens.texts,
    kept: counts,
    kvHeads: tokens.kvHeads,
    protectFirst,
    protectLast,
    bytes: size.bytes,
    fullBytes: fullBytesOf(size),
    facts: [
      ['variant', variant.name],
      ['protocol', protocol],
    ],
  })
}
