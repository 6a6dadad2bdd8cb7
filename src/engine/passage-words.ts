/**
 * How much of what a question and its answer say each passage says too. Words are tokens without case and space, so that no
 * language has to be known; one that many passages hold counts little. Not here: attention (passage-shares.ts).
 */
import type { Passage, TokenText } from './passages.ts'

/** [passages] each: what the words tell that a passage holds of those said; one tells ln(passages / passages that hold it). */
export interface SharedWords {
  readonly question: readonly number[]
  /** Of what the answer says and the question does not. */
  readonly answer: readonly number[]
}

export const sharedWords = (
  passages: readonly Passage[],
  document: TokenText,
  said: { readonly question: TokenText; readonly answer: TokenText },
): SharedWords => {
  const words = wordsOf(document)
  const held = passages.map(({ from, to }) => present(words.slice(from, to)))
  const holders = new Map<string, number>()
  for (const own of held) for (const word of own) holders.set(word, (holders.get(word) ?? 0) + 1)
  const tells = (word: string): number => Math.log(passages.length / (holders.get(word) ?? passages.length))
  const toldBy = (all: ReadonlySet<string>): number[] =>
    held.map((own) => [...own].reduce((sum, word) => sum + (all.has(word) ? tells(word) : 0), 0))
  const question = present(wordsOf(said.question))
  const answer = [...present(wordsOf(said.answer))].filter((word) => !question.has(word))
  return { question: toldBy(question), answer: toldBy(new Set(answer)) }
}

const present = (words: readonly (string | undefined)[]): Set<string> =>
  new Set(words.filter((word) => word !== undefined))

/** The word that each token is; undefined for one without a letter or digit. → [tokens] */
const wordsOf = ({ bytes, starts }: TokenText): (string | undefined)[] =>
  Array.from({ length: starts.length - 1 }, (_, token) => {
    const spelt = Buffer.from(bytes.subarray(starts[token], starts[token + 1])).toString()
    return /[\p{L}\p{N}]/u.test(spelt) ? spelt.trim().toLowerCase() : undefined
  })
