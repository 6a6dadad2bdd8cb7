/**
 * The part of a data set that a run uses: the same for everybody, whatever the order of the file, and growing with the
 * limit (a smaller subset is the beginning of a larger one, so that a run can be extended).
 *
 * Items stand in the order of sha256 of UTF-8 `SEED\nID`, as hexadecimal; the first ones are taken.
 */
import { createHash } from 'node:crypto'
import type { Example, Question } from './example.ts'

export interface ContextChoice {
  readonly seed: number
  /** At most so many contexts; all if absent. */
  readonly limit?: number
  /** At most so many of each `dataset`. They then stand in rounds: every data set's first, every one's second, … */
  readonly perDataset?: number
  /** Contexts of other lengths are left out before anything is chosen. */
  readonly tokens?: { readonly of: (example: Example) => number; readonly min?: number; readonly max?: number }
}

export const chooseContexts = (examples: readonly Example[], choice: ContextChoice): Example[] => {
  const { seed, limit = Number.POSITIVE_INFINITY, perDataset, tokens } = choice
  checkLimit('limit', choice.limit)
  checkLimit('perDataset', perDataset)
  const { min = 0, max = Number.POSITIVE_INFINITY } = tokens ?? {}
  const fitting = tokens ? examples.filter((example) => isWithin(tokens.of(example), min, max)) : examples
  const drawn = inDrawnOrder(fitting, (example) => `${seed}\n${example.id}`)
  return (perDataset === undefined ? drawn : inRounds(drawn, perDataset)).slice(0, limit)
}

/** The example with at most `limit` of its questions (all if absent), in the order drawn. */
export const chooseQuestions = (
  example: Example,
  { seed, limit = Number.POSITIVE_INFINITY }: { readonly seed: number; readonly limit?: number },
): Example => {
  checkLimit('limit', limit === Number.POSITIVE_INFINITY ? undefined : limit)
  const drawn = inDrawnOrder(example.questions, ({ qid }: Question) => `${seed}\n${example.id}\n${qid}`)
  return { ...example, questions: drawn.slice(0, limit) }
}

const isWithin = (value: number, min: number, max: number): boolean => value >= min && value <= max

const checkLimit = (name: string, value: number | undefined): void => {
  if (value !== undefined && (!Number.isInteger(value) || value < 1))
    throw new RangeError(`${name} must be a whole number from 1, got ${value}`)
}

const inDrawnOrder = <T>(items: readonly T[], keyOf: (item: T) => string): T[] =>
  items
    .map((item) => ({ item, draw: createHash('sha256').update(keyOf(item)).digest('hex') }))
    .sort((a, b) => (a.draw < b.draw ? -1 : a.draw > b.draw ? 1 : 0))
    .map(({ item }) => item)

/** Sorted by rank within the data set; the order drawn decides inside a round. */
const inRounds = (drawn: readonly Example[], perDataset: number): Example[] => {
  const counts = new Map<string, number>()
  const ranked = drawn.map((example) => {
    const rank = counts.get(example.dataset) ?? 0
    counts.set(example.dataset, rank + 1)
    return { example, rank }
  })
  return ranked
    .filter(({ rank }) => rank < perDataset)
    .sort((a, b) => a.rank - b.rank)
    .map(({ example }) => example)
}
