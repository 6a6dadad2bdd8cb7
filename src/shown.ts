/**
 * Text from files, names and messages made safe to show: what would move the cursor, colour the screen or turn the reading
 * direction is shown as its escape; in a sentence it is kept short, too. Answers are not touched: whoever pipes them wants
 * every character. A leaf: every folder may import it.
 */

const unsafe = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]|\p{Cs}/gu

const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`

/** One line of text without control characters. */
export const printable = (text: string): string => text.replace(unsafe, escaped)

/** The same for text that was laid out in lines. */
export const printableLines = (text: string): string => text.split('\n').map(printable).join('\n')

const mostCharacters = 60

/** In quotation marks, at most so many characters of it. */
export const quoted = (text: string, most: number = mostCharacters): string =>
  printable(JSON.stringify(text.length > most ? `${text.slice(0, most)}…` : text))

const plain = /^[\w.:/-]{1,60}$/

/** A name or value for a sentence: as it stands where that is plain, else described or in quotation marks. */
export const shown = (value: unknown): string => {
  if (typeof value === 'string') return plain.test(value) ? value : quoted(value)
  if (typeof value === 'number' && !Number.isFinite(value))
    return Number.isNaN(value) ? 'a value that is not a number' : 'an infinite value'
  if (Array.isArray(value)) return value.length === 1 ? 'a list of one' : `a list of ${value.length}`
  if (value === undefined) return 'nothing'
  return typeof value === 'object' && value !== null ? 'an object' : String(value)
}
