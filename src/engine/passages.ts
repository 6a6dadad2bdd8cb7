/**
 * A document's tokens cut into passages that can be quoted: at ends of paragraphs, lines and sentences, else between words.
 * Not here: what a passage is worth (sources.ts), what its place is called (documents/place.ts).
 */
import type { Tokenizer } from '../tokenizer/tokenizer.ts'

/** Tokens `from` … `to` of a document, the last not among them. */
export interface Passage {
  readonly from: number
  readonly to: number
}

/** A document as its tokens spell it. */
export interface TokenText {
  readonly bytes: Uint8Array // UTF-8
  readonly starts: Uint32Array // [tokens + 1], where each token's bytes begin; the last is the end of all
}

/** What tokens spell, joined. */
export const readTokens = (ids: ArrayLike<number>, tokenizer: Pick<Tokenizer, 'decodeBytes'>): TokenText => {
  const pieces = Array.from(ids, (id) => tokenizer.decodeBytes(id))
  const starts = new Uint32Array(pieces.length + 1)
  for (const [i, { length }] of pieces.entries()) starts[i + 1] = (starts[i] ?? 0) + length
  const bytes = new Uint8Array(starts[pieces.length] ?? 0)
  for (const [i, piece] of pieces.entries()) bytes.set(piece, starts[i])
  return { bytes, starts }
}

/** Tokens from which on a passage ends at such a place. */
const never = Number.POSITIVE_INFINITY
const enough = { paragraph: 12, line: 24, sentence: 32, wrapped: never, word: never, letter: never } as const
/** A passage of so many ends at the best place in its second half. */
const mostTokens = 64

type Cut = keyof typeof enough
const worth: Readonly<Record<Cut, number>> = { paragraph: 5, line: 4, sentence: 3, wrapped: 2, word: 1, letter: 0 }

/** Passages in order that together are the whole document. `breaks`: tokens at which one begins whatever its length. */
export const cutPassages = (text: TokenText, breaks: ReadonlySet<number> = new Set()): Passage[] => {
  const tokens = text.starts.length - 1
  const passages: Passage[] = []
  let from = 0
  for (let token = 1; token < tokens; token++) {
    const length = token - from
    const cut = cutBefore(text, token)
    const isEnd = cut !== undefined && (breaks.has(token) || length >= enough[cut])
    if (!isEnd && length < mostTokens) continue
    const to = isEnd ? token : bestCut(text, from, token)
    passages.push({ from, to })
    from = to
  }
  const last = passages.at(-1)
  // A few words that are left say nothing alone.
  if (last && !breaks.has(from) && tokens - from < enough.paragraph && tokens - last.from <= mostTokens) {
    passages.pop()
    from = last.from
  }
  if (from < tokens) passages.push({ from, to: tokens })
  return passages
}

/** The best place to end in the second half of a passage that may not grow; the last of equals. */
const bestCut = (text: TokenText, from: number, token: number): number => {
  let [best, bestWorth] = [token, -1]
  for (let at = token; at > from + mostTokens / 2; at--) {
    const cut = cutBefore(text, at)
    if (cut === undefined || worth[cut] <= bestWorth) continue
    best = at
    bestWorth = worth[cut]
  }
  return best
}

/** What ends before a token; undefined inside a character. */
const cutBefore = ({ bytes, starts }: TokenText, token: number): Cut | undefined => {
  const at = starts[token] ?? bytes.length
  if (at < bytes.length && isContinuation(bytes[at])) return undefined
  let [before, behind, lines] = [at, at, 0]
  while (before > 0 && isSpace(bytes[before - 1])) if (bytes[--before] === newline) lines++
  while (behind < bytes.length && isSpace(bytes[behind])) if (bytes[behind++] === newline) lines++
  // A closing brace or a rule belongs to what stands before it.
  if (lines > 0 && behind < bytes.length && !says(bytes, behind)) return 'word'
  if (lines > 1) return 'paragraph'
  const isIndented = bytes[behind - 1] !== newline // as code is
  if (lines === 1) return !isIndented && goesOn(bytes[before - 1], bytes[behind]) ? 'wrapped' : 'line'
  if (endsWideSentence(bytes, before)) return 'sentence'
  if (behind === before) return 'letter'
  return endsSentence(bytes, before) ? 'sentence' : 'word'
}

const newline = 10
const isSpace = (byte: number | undefined): boolean => byte === 32 || (byte !== undefined && byte >= 9 && byte <= 13)
const isContinuation = (byte: number | undefined): boolean => byte !== undefined && (byte & 0xc0) === 0x80

/** A line of prose that was broken where the page ended, as in a PDF: the next one begins in the middle of its sentence. */
const goesOn = (last: number | undefined, next: number | undefined): boolean =>
  (isLetter(last) || last === comma) && (isDigit(next) || (isLetter(next) && next !== undefined && (next & 32) !== 0))

const comma = 44
const isDigit = (byte = 0): boolean => byte >= 48 && byte <= 57
const isLetter = (byte = 0): boolean => (byte | 32) >= 97 && (byte | 32) <= 122

/** Whether a letter or digit of any writing stands between here and the line's end. */
const says = (bytes: Uint8Array, from: number): boolean => {
  for (let at = from; at < bytes.length && bytes[at] !== newline; at++) {
    if ((bytes[at] ?? 0) >= 128 || isDigit(bytes[at]) || isLetter(bytes[at])) return true
  }
  return false
}

const ends = new Set([...'.!?:'].map((mark) => mark.codePointAt(0)))
const closings = new Set([...`"')]`].map((mark) => mark.codePointAt(0)))

const endsSentence = (bytes: Uint8Array, end: number): boolean => {
  let at = end
  while (at > 0 && closings.has(bytes[at - 1])) at--
  return at > 0 && ends.has(bytes[at - 1])
}

/** 。！？ end a sentence without a space behind them. */
const wideEnds = ['。', '！', '？'].map((mark) => new TextEncoder().encode(mark))

const endsWideSentence = (bytes: Uint8Array, end: number): boolean =>
  wideEnds.some((mark) => mark.every((byte, i) => bytes[end - mark.length + i] === byte))
