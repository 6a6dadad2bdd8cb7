/** One value of a variant for a context, from its questions; undefined where the run did not measure it. */
import type { ContextResult, Distance, QuestionResult } from './result.ts'
import { mean } from './statistics.ts'

export type ContextValue = (context: ContextResult) => number | undefined

type Results = QuestionResult['results'][string]

/** Results of several variants for each question that has them all. */
const questionsWith = (context: ContextResult, variants: readonly string[]): Results[][] =>
  context.questions.flatMap(({ results }) => {
    const found = variants.flatMap((variant) => results[variant] ?? [])
    return found.length === variants.length ? [found] : []
  })

const meanOrNone = (values: readonly number[]): number | undefined => (values.length === 0 ? undefined : mean(values))

/** Mean over questions, 0 … 1. */
export const scoreOf =
  (variant: string): ContextValue =>
  (context) =>
    meanOrNone(questionsWith(context, [variant]).flatMap(([own]) => own?.score ?? []))

/** Mean over the questions that both answered: a's score less b's. */
export const scoreDifference =
  (a: string, b: string): ContextValue =>
  (context) =>
    meanOrNone(
      questionsWith(context, [a, b]).flatMap(([own, other]) =>
        own?.score === undefined || other?.score === undefined ? [] : own.score - other.score,
      ),
    )

/** Mean over the tokens of all answers: sums over questions, then divided. */
export const distanceOf =
  (variant: string, key: 'kl' | 'flips'): ContextValue =>
  (context) =>
    perToken(questionsWith(context, [variant]).flatMap(([own]) => ratio(own, own?.[key])))

export const distanceDifference =
  (key: 'kl' | 'flips', [a, b]: readonly [a: string, b: string]): ContextValue =>
  (context) =>
    perToken(
      questionsWith(context, [a, b]).flatMap(([own, other]) =>
        ratio(own, own?.[key] === undefined || other?.[key] === undefined ? undefined : own[key] - other[key]),
      ),
    )

/** Negative log-likelihood of the whole cache's answers under both, nats. */
export const likelihoods = (
  context: ContextResult,
  [a, b]: readonly [a: string, b: string],
): readonly [number, number] | undefined => {
  const pairs = questionsWith(context, [a, b]).flatMap(([own, other]) =>
    own?.nll === undefined || other?.nll === undefined ? [] : [[own.nll, other.nll] as const],
  )
  if (pairs.length === 0) return undefined
  return [pairs.reduce((sum, [own]) => sum + own, 0), pairs.reduce((sum, [, other]) => sum + other, 0)]
}

interface Ratio {
  readonly value: number
  readonly tokens: number
}

const ratio = (own: Partial<Distance> | undefined, value: number | undefined): Ratio[] =>
  own?.tokens === undefined || value === undefined ? [] : [{ value, tokens: own.tokens }]

const perToken = (ratios: readonly Ratio[]): number | undefined => {
  const tokens = ratios.reduce((sum, part) => sum + part.tokens, 0)
  return tokens === 0 ? undefined : ratios.reduce((sum, part) => sum + part.value, 0) / tokens
}
