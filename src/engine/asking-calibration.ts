/**
 * How much computing the first answer of a process is, from answers of new workers and from every one that was really
 * asked for since: what people see is the first answer of a process, slower than those that follow it, whose code is
 * compiled. In seconds of processor time, as in calibration.ts. It depends on what is kept, not on how it was chosen.
 */
import type { Results } from './protocol.ts'
import { robustFit } from './robust-fit.ts'
import type { ContextStats } from './stats.ts'

/** A short question that was answered first in its process; 0 where it does not tell. */
export interface AskingRun {
  readonly keptTokens: number
  readonly isWhole: boolean // nothing was chosen
  readonly firstTokenSeconds: number // processor seconds
  readonly nextTokenSeconds: number
}

export interface AskingCalibration {
  readonly asked: readonly AskingRun[]
  /** Answers that were asked for since, the newest last. */
  readonly askedSince: readonly AskingRun[]
}

const leastSteps = 8 // the first steps of a process are the slowest, and how slow they are is not all the same
const mostQuestionTokens = 64 // with those of the template

/** What a context is to a question. */
export type Asked = Pick<AskingRun, 'keptTokens' | 'isWhole'>

export const askedOf = ({ keptTokens, keptShare }: Pick<ContextStats, 'keptTokens' | 'keptShare'>): Asked => ({
  keptTokens,
  isWhole: keptShare === 1,
})

export const askingRun = (
  asked: Asked,
  { info: { usage, timings }, asking: { processorSeconds, steps } }: Results['ask'],
): AskingRun => {
  const { questionMs, answerMs } = timings
  const perMs = processorSeconds / Math.max(1e-3, questionMs + answerMs)
  const isShort = usage.inputTokens - usage.cachedInputTokens <= mostQuestionTokens
  return {
    ...asked,
    firstTokenSeconds: isShort ? perMs * questionMs : 0,
    nextTokenSeconds: steps >= leastSteps ? (perMs * answerMs) / steps : 0,
  }
}

const rememberedRuns = 12

/** With one more first answer that was really asked for. */
export const learnAsking = ({ asked, askedSince }: AskingCalibration, run: AskingRun): AskingCalibration => ({
  asked,
  askedSince: [...askedSince, run].slice(-rememberedRuns),
})

/** Processor seconds of the first answer of a process. */
export const answerSeconds = ({ asked, askedSince }: AskingCalibration, about: Asked): Omit<AskingRun, keyof Asked> => {
  const runs = [...asked, ...askedSince]
  return {
    firstTokenSeconds: secondsWith(runs, 'firstTokenSeconds', about),
    nextTokenSeconds: secondsWith(runs, 'nextTokenSeconds', about),
  }
}

type Answering = 'firstTokenSeconds' | 'nextTokenSeconds'

/**
 * fixed + perKept · n. What was chosen differs from head to head and takes longer to look through than as many tokens of
 * a whole, so each has its own perKept.
 */
const secondsWith = (runs: readonly AskingRun[], what: Answering, about: Asked): number => {
  const points = runs.map((run) => ({ columns: columnsOf(run), value: run[what] }))
  const weights = robustFit(points.filter(({ value }) => value > 0))
  return columnsOf(about).reduce((sum, column, index) => sum + column * (weights[index] ?? 0), 0)
}

const columnsOf = ({ keptTokens, isWhole }: Asked): number[] => [1, isWhole ? 0 : keptTokens, isWhole ? keptTokens : 0]
