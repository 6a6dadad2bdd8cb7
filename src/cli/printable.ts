/**
 * Text from files, names and messages made safe to show: what would move the cursor, colour the screen or turn the reading
 * direction is shown as its escape. Answers are not touched: whoever pipes them wants every character.
 */

const unsafe = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu

const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`

/** One line of text without control characters. */
export const printable = (text: string): string => text.replace(unsafe, escaped)

/** The same for text that was laid out in lines. */
export const printableLines = (text: string): string => text.split('\n').map(printable).join('\n')
