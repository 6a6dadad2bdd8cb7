/**
 * How much computing a model is on this machine, from short runs and from every document that is really read after them.
 * It is held in seconds of processor time, which other work on the machine changes little where it changes the clock's
 * threefold. Not here: what is made of it (estimate.ts), where it is remembered (calibration-memory.ts).
 */
import { robustFit } from './robust-fit.ts'
import type { Spent } from './spending.ts'

/** A document that was read. */
export interface ReadingRun {
  readonly tokens: number
  readonly processorSeconds: number // of all threads together
  /** Nothing was read with the model before in this process: weights are touched for the first time. */
  readonly isFirst: boolean
}

/** A short question that was answered. */
export interface AskingRun {
  readonly keptTokens: number
  readonly firstTokenSeconds: number // processor seconds
  readonly nextTokenSeconds: number
}

export interface Calibration {
  readonly measuredAt: string // ISO 8601
  /** With everything kept, and with the method choosing. */
  readonly whole: readonly ReadingRun[]
  readonly chosen: readonly ReadingRun[]
  readonly asked: readonly AskingRun[] // the first of them the first of its process
  /** Documents that were read since, the newest last. */
  readonly wholeSince: readonly ReadingRun[]
  readonly chosenSince: readonly ReadingRun[]
}

/** What a run of the measurement gives: the clock's seconds too. */
export interface TimedRun extends ReadingRun, Spent {
  readonly asked: AskingRun
  readonly asking: Spent // on question and answer
}

/** Reads a document of about so many tokens and asks it a short question. */
export type RunTimed = (tokens: number, choosing: boolean) => Promise<TimedRun>

const nearTokens = 384
const farTokens = 3072
const leastFarTokens = 768
/** A run that takes longer than this is not done to know better. */
const farSeconds = 8

/**
 * What looks back at every token costs more the longer the document is, which cannot be seen at a few hundred tokens.
 * @param mostTokens that the model can read
 */
export const calibrate = async (
  run: RunTimed,
  mostTokens: number,
): Promise<{ readonly calibration: Calibration; readonly runs: readonly TimedRun[] }> => {
  const chosen = [await run(Math.min(nearTokens, mostTokens), true)]
  const near = chosen[0]?.tokens ?? 1
  const again = await run(near, true)
  chosen.push(again, await run(near, true))
  const affordable = Math.round((farSeconds / again.seconds) * near)
  const far = Math.min(mostTokens, Math.max(leastFarTokens, Math.min(farTokens, affordable)))
  chosen.push(await run(far, true))
  const whole = [await run(near, false), await run(far, false), await run(near, false)]
  chosen.push(await run(far, true))
  const runs = [...chosen, ...whole]
  const calibration = {
    measuredAt: new Date().toISOString(),
    whole: whole.map(readingOf),
    chosen: chosen.map(readingOf),
    asked: runs.map(({ asked }) => asked),
    wholeSince: [],
    chosenSince: [],
  }
  return { calibration, runs }
}

const readingOf = ({ tokens, processorSeconds, isFirst }: TimedRun): ReadingRun => ({
  tokens,
  processorSeconds,
  isFirst,
})

const rememberedRuns = 12

/** With one more document that was really read. */
export const learn = (calibration: Calibration, run: ReadingRun, choosing: boolean): Calibration => {
  const list = choosing ? 'chosenSince' : 'wholeSince'
  return { ...calibration, [list]: [...calibration[list], run].slice(-rememberedRuns) }
}

/** Processor seconds for n tokens: perToken · n + perPair · n²; `start` more for the first document of a process. */
export interface ReadingCurve {
  readonly start: number
  readonly perToken: number
  readonly perPair: number
}

/** Processor seconds with n tokens kept: fixed + perKept · n. */
interface AskingLine {
  readonly fixed: number
  readonly perKept: number
}

export const readingCurve = (runs: readonly ReadingRun[]): ReadingCurve => {
  const points = runs.map(({ tokens, processorSeconds, isFirst }) => ({
    columns: [tokens, tokens * tokens, isFirst ? 1 : 0],
    value: processorSeconds,
  }))
  const [perToken = 0, perPair = 0, start = 0] = robustFit(points.filter(({ value }) => value > 0))
  return { start, perToken, perPair }
}

type Answering = 'firstTokenSeconds' | 'nextTokenSeconds'

/** Processor seconds of the first answer of a process, which touches weights for the first time, and of those after it. */
export const answerSeconds = (runs: readonly AskingRun[], keptTokens: number): Omit<AskingRun, 'keptTokens'> => {
  const [first, ...others] = runs
  const begin = askingLine(others, 'firstTokenSeconds')
  const more = first ? Math.max(0, first.firstTokenSeconds - secondsWith(begin, first.keptTokens)) : 0
  return {
    firstTokenSeconds: secondsWith(begin, keptTokens) + more,
    nextTokenSeconds: secondsWith(askingLine(others, 'nextTokenSeconds'), keptTokens),
  }
}

const askingLine = (runs: readonly AskingRun[], what: Answering): AskingLine => {
  const points = runs.map((run) => ({ columns: [1, run.keptTokens], value: run[what] }))
  const [fixed = 0, perKept = 0] = robustFit(points.filter(({ value }) => value > 0)) // an answer may have one token
  return { fixed, perKept }
}

/** Without the start. */
export const secondsFor = ({ perToken, perPair }: ReadingCurve, tokens: number): number =>
  perToken * tokens + perPair * tokens * tokens

const secondsWith = ({ fixed, perKept }: AskingLine, keptTokens: number): number => fixed + perKept * keptTokens
