/**
 * How strongly a question and its answer point to each passage, from the attention that its tokens received. Attention alone
 * favours the same tokens whatever is asked; what counts is how much more of it comes than usual, and from both.
 */
import type { SharedWords } from './passage-words.ts'
import type { Passage } from './passages.ts'

/** [documentTokens] each: what tokens receive from the question's queries, and from those that chose the answer's tokens. */
export interface Looks {
  readonly question: Float64Array
  readonly answer: Float64Array
}

/**
 * What each passage received beyond the usual, x·ln(x / usual), as a share of the document for question and answer; the
 * geometric mean of both as a share again. Chosen by measurement (docs/lab-book.md). → [passages], in sum 1 or all 0
 */
export const passageShares = (passages: readonly Passage[], looks: Looks, usual: Looks): number[] => {
  const gains = (['question', 'answer'] as const).map((who) => gainsOf(passages, looks[who], usual[who]))
  // So that a passage which one of both points to still comes before one that neither does.
  const floor = 0.1 / passages.length
  const [fromQuestion = [], fromAnswer = []] = gains
  if (gains.every((gain) => gain.every((value) => value === 0))) return passages.map(() => 0)
  return asShares(passages.map((_, i) => Math.sqrt(((fromQuestion[i] ?? 0) + floor) * ((fromAnswer[i] ?? 0) + floor))))
}

/** A word that stands in one passage of a hundred makes that passage this power of a hundred likelier. Measured (docs/lab-book.md). */
const wordPowers = { question: 0.75, answer: 0.1 } as const

/**
 * The same shares where words count too: attention finds the place also where it is said in other words, words the sentence
 * among its neighbours. → [passages], in sum 1 or all 0
 */
export const withWords = (shares: readonly number[], words: SharedWords): number[] =>
  asShares(
    shares.map((share, i) => {
      const [question = 0, answer = 0] = [words.question[i], words.answer[i]]
      return share * Math.exp(wordPowers.question * question + wordPowers.answer * answer)
    }),
  )

const gainsOf = (passages: readonly Passage[], seen: Float64Array, usually: Float64Array): number[] =>
  asShares(
    passages.map(({ from, to }) => {
      const [x, y] = [seen, usually].map((masses) => masses.subarray(from, to).reduce((total, mass) => total + mass, 0))
      return x && y && x > y ? x * Math.log(x / y) : 0
    }),
  )

const asShares = (values: readonly number[]): number[] => {
  const total = values.reduce((sum, value) => sum + value, 0)
  return total > 0 ? values.map((value) => value / total) : values.map(() => 0)
}
