/**
 * A task makes evaluation contexts of a given length from a seed. Pure: no model, no engine, tokens are counted by the
 * caller. Not here: the table (index.ts), contexts read from files (../read-examples.ts), judging answers (../metrics).
 */
import { CompactorError } from '../../error.ts'
import type { OptionDescription, OptionValue } from '../../methods/options.ts'
import { documentOf, type Example, type MetricName } from '../example.ts'
import { largestFit } from './largest-fit.ts'

export interface TaskRequest {
  countTokens(text: string): number
  /** Length of each example: document, longest question, opening of the answer and the tokens kept for the answer. */
  readonly tokens: number
  /** Examples; a grid makes as many for each of its cells. The first ones do not depend on how many are asked for. */
  readonly samples: number
  readonly seed: number
  /** Prose in place of the essays of this package; tasks without prose do not read it. */
  readonly haystack?: string
  readonly options: Readonly<Record<string, OptionValue>> // complete
}

export interface Task {
  readonly name: string // "ruler/vt"
  readonly summary: string
  readonly metric: MetricName
  readonly maxNewTokens: number
  /** Lengths in tokens where the user names none. */
  readonly lengths: readonly number[]
  readonly options: Readonly<Record<string, OptionDescription>>
  /** Throws CompactorError('usage') for a length below the task's own text. */
  generate(request: TaskRequest): Example[]
}

/** Tokens of document, longest question, opening of its answer, and those kept free for the answer. */
export const promptTokens = (example: Example, countTokens: (text: string) => number): number => {
  const asked = example.questions.map(({ question, answerPrefix = '' }) => question + answerPrefix)
  const sizes = asked.length === 1 ? [0] : asked.map(countTokens)
  const longest = asked[sizes.indexOf(Math.max(...sizes))] ?? ''
  const between = example.promptIsRaw ? '' : '\n\n'
  return countTokens(documentOf(example) + between + longest) + example.maxNewTokens
}

export interface Drafts {
  /** Fewest units (words, lines, documents) of haystack. */
  readonly least: number
  /** The same example with more or less haystack around it. */
  draft(units: number): Example
}

/** Each of the examples with as much haystack as fits. */
export const fitted = (name: string, request: TaskRequest, examples: readonly Drafts[]): Example[] => {
  const { tokens: limit, countTokens } = request
  const tokensOf = (example: Example): number => promptTokens(example, countTokens)
  let guess = 0
  return examples.map(({ least, draft }) => {
    const fit = largestFit({ least, guess, limit, build: draft, tokensOf })
    if (!fit) throw tooShort(name, limit, tokensOf(draft(least)))
    guess = fit.units
    return fit.built
  })
}

export const tooShort = (name: string, asked: number, least: number): CompactorError =>
  new CompactorError(
    'usage',
    `${name} cannot be made ${asked} tokens long: with its question and room for the answer it takes at least ${least}; ask for more`,
  )
