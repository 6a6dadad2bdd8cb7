/**
 * How much computing a model is on this machine, from short runs and from every document that is really read after them.
 * It is held in seconds of processor time, which other work on the machine changes little where it changes the clock's
 * threefold. Not here: what is made of it (estimate.ts), where it is remembered (calibration-memory.ts).
 */
import { robustFit } from './robust-fit.ts'

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
  readonly asked: readonly AskingRun[]
  /** Documents that were read since, the newest last. */
  readonly wholeSince: readonly ReadingRun[]
  readonly chosenSince: readonly ReadingRun[]
}

/** What a run of the measurement gives: the clock's seconds too. */
export interface TimedRun extends Spent {
  readonly tokens: number
  readonly asked: AskingRun
}

/** What reading a document took. */
export interface Spent extends Pick<ReadingRun, 'processorSeconds' | 'isFirst'> {
  readonly seconds: number
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
    asked: runs.slice(1).map(({ asked }) => asked), // the first of all is one of a kind
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

/** Processor seconds for n tokens: start + perToken · n + perPair · n². */
export interface ReadingCurve {
  readonly start: number
  readonly perToken: number
  readonly perPair: number
}

/** Processor seconds with n tokens kept: fixed + perKept · n. */
export interface AskingLine {
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

export const askingLine = (runs: readonly AskingRun[], what: 'firstTokenSeconds' | 'nextTokenSeconds'): AskingLine => {
  const points = runs.map((run) => ({ columns: [1, run.keptTokens], value: run[what] }))
  const [fixed = 0, perKept = 0] = robustFit(points.filter(({ value }) => value > 0)) // an answer may have one token
  return { fixed, perKept }
}

export const secondsFor = ({ start, perToken, perPair }: ReadingCurve, tokens: number): number =>
  start + perToken * tokens + perPair * tokens * tokens

export const secondsWith = ({ fixed, perKept }: AskingLine, keptTokens: number): number => fixed + perKept * keptTokens
