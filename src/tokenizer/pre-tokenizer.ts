/**
 * Splits text into the words that BPE never merges across, as `tokenizer.ggml.pre` names it. The definitions are regular
 * expressions (quoted at each); they are walked by hand because JS has no (?i:), its \s is not Unicode's White_Space, and
 * its engine keeps a backtracking step for every character of a long run.
 */
import { CompactorError } from '../error.ts'
import { shown } from '../shown.ts'

/** The end of the word that begins at `start` (UTF-16 indices, start < text.length). */
export type PreTokenizer = (text: string, start: number) => number

const LETTER = 1 // \p{L}
const NUMBER = 2 // \p{N}
const SPACE = 3 // \p{White_Space} but for the two newlines
const NEWLINE = 4 // \r \n
const OTHER = 5 // lone surrogates too
const SPACE_CHARACTER = ' '

const classify = (character: string): number => {
  if (character === '\r' || character === '\n') return NEWLINE
  if (/\p{L}/u.test(character)) return LETTER
  if (/\p{N}/u.test(character)) return NUMBER
  return /\p{White_Space}/u.test(character) ? SPACE : OTHER
}

/** Character classes, each code point looked up once; and runs of a class. */
class Classes {
  readonly #known = new Uint8Array(0x110000) // 0 = not yet asked; the system gives only the pages touched

  /** 0 at the end of the text. */
  at(text: string, index: number): number {
    const codePoint = text.codePointAt(index)
    if (codePoint === undefined) return 0
    const known = this.#known[codePoint] as number
    if (known !== 0) return known
    const found = classify(String.fromCodePoint(codePoint))
    this.#known[codePoint] = found
    return found
  }

  /** The end of the run of `wanted` that begins at `start`, at most so many characters long. */
  run(text: string, start: number, wanted: number, most: number = Number.POSITIVE_INFINITY): number {
    let end = start
    for (let count = 0; count < most && this.at(text, end) === wanted; count++) end = after(text, end)
    return end
  }

  /** The end of the run of white space, newlines included. */
  spaceRun(text: string, start: number): number {
    let end = start
    for (let found = this.at(text, end); found === SPACE || found === NEWLINE; found = this.at(text, end)) end++
    return end
  }
}

const after = (text: string, index: number): number => index + ((text.codePointAt(index) ?? 0) > 0xffff ? 2 : 1)

// \s+(?!\S)|\s+ : a run of white space leaves its last character to the word behind it, unless there is none.
const endOfSpace = (start: number, end: number, isBeforeWord: boolean): number =>
  isBeforeWord && end - start > 1 ? end - 1 : end

/**
 * (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,D}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
 * with D digits: 1 for qwen2, 3 for llama-bpe (Llama 3).
 */
const upToDigits = (mostDigits: number) => (): PreTokenizer => {
  const classes = new Classes()
  const contraction = /'(?:s|t|re|ve|m|ll|d)/iuy
  return (text, start) => {
    contraction.lastIndex = start
    if (text[start] === "'" && contraction.test(text)) return contraction.lastIndex
    const first = classes.at(text, start)
    const next = after(text, start)
    if (first === LETTER) return classes.run(text, next, LETTER)
    if (first === NUMBER) return classes.run(text, next, NUMBER, mostDigits - 1)
    const second = classes.at(text, next)
    if (first !== NEWLINE && second === LETTER) return classes.run(text, next, LETTER)
    if (first === OTHER || (text[start] === SPACE_CHARACTER && second === OTHER))
      return classes.run(text, classes.run(text, next, OTHER), NEWLINE)
    const end = classes.spaceRun(text, start)
    let newline = end
    while (newline > start && classes.at(text, newline - 1) !== NEWLINE) newline--
    return newline > start ? newline : endOfSpace(start, end, end < text.length)
  }
}

/**
 * \p{N} first, each alone; between them 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ as if the text
 * began and ended there.
 */
const smollm = (): PreTokenizer => {
  const classes = new Classes()
  const contraction = /'(?:s|t|re|ve|m|ll|d)/y
  return (text, start) => {
    contraction.lastIndex = start
    if (text[start] === "'" && contraction.test(text)) return contraction.lastIndex
    const first = classes.at(text, start)
    const next = after(text, start)
    if (first === NUMBER) return next
    if (first === LETTER || first === OTHER) return classes.run(text, next, first)
    const second = classes.at(text, next)
    if (text[start] === SPACE_CHARACTER && (second === LETTER || second === OTHER))
      return classes.run(text, next, second)
    const end = classes.spaceRun(text, start)
    return endOfSpace(start, end, end < text.length && classes.at(text, end) !== NUMBER)
  }
}

const preTokenizers: Readonly<Record<string, () => PreTokenizer>> = {
  qwen2: upToDigits(1),
  'llama-bpe': upToDigits(3),
  smollm,
}

/** Throws CompactorError('model-unsupported') with the list of what works. */
export const createPreTokenizer = (name: unknown): PreTokenizer => {
  const create = typeof name === 'string' && Object.hasOwn(preTokenizers, name) ? preTokenizers[name] : undefined
  if (create) return create()
  const list = Object.keys(preTokenizers).join(', ')
  throw new CompactorError(
    'model-unsupported',
    `pre-tokenizer ${name === undefined ? '(none named)' : shown(name)} is not supported; take a model with one that is: ${list}`,
  )
}
