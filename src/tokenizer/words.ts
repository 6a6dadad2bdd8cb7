/**
 * Byte-level BPE of a text: split into words, each merged by itself and remembered. Not here: marks that are read whole
 * (tokenizer.ts), how words are found (pre-tokenizer.ts).
 */
import { BytePairs } from './byte-pairs.ts'
import { Merges } from './merges.ts'
import type { PreTokenizer } from './pre-tokenizer.ts'
import type { TokenList } from './token-list.ts'
import type { StringTable, Vocabulary } from './vocabulary.ts'

const CACHED_WORDS = 16_384
// UTF-16 units. V8 copies slices up to here; a longer one would keep the whole document in memory.
const LONGEST_CACHED_WORD = 12

export interface WordOptions {
  readonly nextWord: PreTokenizer
  readonly merges: StringTable
  /** A word that is a token is that token, whatever its merges give (Llama 3). */
  readonly wholeFirst: boolean
}

export class Words {
  readonly #vocabulary: Vocabulary
  readonly #nextWord: PreTokenizer
  readonly #pairs: BytePairs
  readonly #wholeFirst: boolean
  readonly #utf8 = new TextEncoder()
  // Tokens of words seen: [id, start, id, start, …, bytes of the word].
  readonly #seen = new Map<string, readonly number[]>()
  #scratch = new Uint8Array(1024)

  constructor(vocabulary: Vocabulary, { nextWord, merges, wholeFirst }: WordOptions) {
    this.#vocabulary = vocabulary
    this.#nextWord = nextWord
    this.#pairs = new BytePairs(new Merges(vocabulary, merges))
    this.#wholeFirst = wholeFirst
  }

  encode(text: string, out: TokenList): void {
    for (let start = 0; start < text.length; ) {
      const end = this.#nextWord(text, start)
      const word = text.slice(start, end)
      start = end
      const tokens = this.#seen.get(word) ?? this.#encodeWord(word)
      for (let index = 0; index < tokens.length - 1; index += 2)
        out.push(tokens[index] as number, out.byteCount + (tokens[index + 1] as number))
      out.byteCount += tokens.at(-1) as number
    }
  }

  #encodeWord(word: string): readonly number[] {
    if (this.#scratch.length < 3 * word.length) this.#scratch = new Uint8Array(3 * word.length)
    const bytes = this.#scratch
    const length = this.#utf8.encodeInto(word, bytes).written
    const tokens: number[] = []
    const whole = this.#wholeFirst ? this.#vocabulary.find(bytes, 0, length) : undefined
    if (whole !== undefined) tokens.push(whole, 0)
    else
      this.#pairs.split(bytes, length, (start, end) => {
        const id = this.#vocabulary.find(bytes, start, end)
        if (id !== undefined) tokens.push(id, start)
      })
    tokens.push(length)
    if (word.length <= LONGEST_CACHED_WORD) {
      if (this.#seen.size === CACHED_WORDS) this.#seen.clear()
      this.#seen.set(word, tokens)
    }
    return tokens
  }
}
