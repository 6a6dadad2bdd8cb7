/** The passages that an answer comes from, as the terminal shows them, and the flag that asks for them. */
import { InvalidArgumentError, Option } from 'commander'
import type { Source } from '../index.ts'
import { printable } from '../shown.ts'
import { percentText } from './figures.ts'

export const usualCount = 3
const longestQuote = 300 // most passages whole

export const sourcesFlag = (): Option =>
  new Option('--sources [count]', `print the passages that the answer comes from (${usualCount} if no count is given)`)
    .preset(String(usualCount))
    .argParser((text) => {
      // Another word was meant to be the question.
      if (!/^[+-]?\d+$/.test(text.trim()))
        throw new InvalidArgumentError('expected a whole number; --sources alone goes behind the question')
      return Number(text)
    })

/** A numbered list: place, share and the beginning of the passage. */
export const describeSources = (sources: readonly Source[]): string => {
  if (sources.length === 0) return 'Sources: none, no passage stands out'
  const entries = sources.map(({ place, share, text }, i) => {
    const name = `${i + 1}. ${printable(place)} (${percentText(share)})`
    return `  ${name}\n     "${printable(shorten(text.replace(/\s+/g, ' ')))}"`
  })
  return `Sources:\n${entries.join('\n')}`
}

const shorten = (text: string): string => {
  const characters = [...text]
  return characters.length <= longestQuote ? text : `${characters.slice(0, longestQuote - 1).join('')}…`
}
