/** The words of a passage and where they stand, without white space around them and without lines that say nothing. */
import type { Passage, TokenText } from './passages.ts'

export interface Quote {
  readonly text: string
  /** In bytes of the source, which may have had characters that no token stands for. */
  readonly start: number
  readonly end: number
  /** Of the document's text, from 1. */
  readonly line: number
}

/** @param sourceOffsets [tokens], where each token begins in the source */
export const quote = ({ bytes, starts }: TokenText, sourceOffsets: Uint32Array, { from, to }: Passage): Quote => {
  const whole = Buffer.from(bytes.subarray(starts[from], starts[to])).toString()
  const text = sayingLines(whole)
  const first = (starts[from] ?? 0) + Buffer.byteLength(whole.slice(0, text === '' ? 0 : whole.indexOf(text)))
  const end = first + Buffer.byteLength(text)
  const inSource = (byte: number): number => {
    let token = from
    while (token + 1 < to && (starts[token + 1] ?? 0) <= byte) token++
    // From the token's end: the first one may begin with a space that its tokenizer added.
    const next = sourceOffsets[token + 1]
    if (next === undefined) return (sourceOffsets[token] ?? 0) + byte - (starts[token] ?? 0)
    return next - ((starts[token + 1] ?? 0) - byte)
  }
  let line = 1
  for (let at = 0; at < first; at++) if (bytes[at] === 10) line++
  return { text, start: inSource(first), end: text === '' ? inSource(first) : inSource(end - 1) + 1, line }
}

/** From the first to the last line with a letter or digit: a closing brace or a rule before them belongs to something else. */
const sayingLines = (whole: string): string => {
  const lines = whole.split('\n')
  const says = (line: string): boolean => /[\p{L}\p{N}]/u.test(line)
  return lines
    .slice(lines.findIndex(says), lines.findLastIndex(says) + 1)
    .join('\n')
    .trim()
}
