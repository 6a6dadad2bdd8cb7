/**
 * How much computing a model is on this machine, from short runs and from every document that is really read after them.
 * It is held in seconds of processor time, which other work on the machine changes little where it changes the clock's
 * threefold. Not here: what is made of it (estimate.ts), where it is remembered (calibration-memory.ts).
 */
import type { AskingCalibration, AskingRun } from './asking-calibration.ts'
import { robustFit } from './robust-fit.ts'
import type { Spent } from './spending.ts'

/** A document that was read. */
export interface ReadingRun {
  readonly tokens: number
  readonly processorSeconds: number // of all threads together
  /** Nothing was read with the model before in this process: weights are touched for the first time. */
  readonly isFirst: boolean
}

export interface Calibration {
  readonly measuredAt: string // ISO 8601
  /** With everything kept, and with the method choosing. */
  readonly whole: readonly ReadingRun[]
  readonly chosen: readonly ReadingRun[]
  /** Documents that were read since, the newest last. */
  readonly wholeSince: readonly ReadingRun[]
  readonly chosenSince: readonly ReadingRun[]
}

/** What a run of the measurement gives: the clock's seconds too. */
export interface TimedRun extends ReadingRun, Spent {
  readonly asked: readonly AskingRun[]
  readonly asking: readonly Spent[] // on each of these
}

export interface RunWish {
  readonly choosing: boolean
  /** Ask it so many times, as a new process would. Default 0. */
  readonly firstAnswers?: number
}

/** Reads a document of about so many tokens. */
export type RunTimed = (tokens: number, wish: RunWish) => Promise<TimedRun>

export interface Calibrated {
  readonly calibration: Calibration
  readonly asking: AskingCalibration
  readonly runs: readonly TimedRun[]
}

const nearTokens = 384
const farTokens = 3072
const leastFarTokens = 768
/** A run that takes longer than this is not done to know better. */
const farSeconds = 8
const firstAnswers = 3

/**
 * What looks back at every token costs more the longer the document is, which cannot be seen at a few hundred tokens.
 * @param mostTokens that the model can read
 */
export const calibrate = async (run: RunTimed, mostTokens: number): Promise<Calibrated> => {
  const choosing = { choosing: true }
  const chosen = [await run(Math.min(nearTokens, mostTokens), choosing)]
  const near = chosen[0]?.tokens ?? 1
  const again = await run(near, choosing)
  chosen.push(again, await run(near, { ...choosing, firstAnswers }))
  const affordable = Math.round((farSeconds / again.seconds) * near)
  const far = Math.min(mostTokens, Math.max(leastFarTokens, Math.min(farTokens, affordable)))
  chosen.push(await run(far, { ...choosing, firstAnswers }))
  const keeping = { choosing: false }
  const whole = [await run(near, keeping), await run(far, { ...keeping, firstAnswers }), await run(near, keeping)]
  chosen.push(await run(far, choosing))
  const runs = [...chosen, ...whole]
  const calibration = {
    measuredAt: new Date().toISOString(),
    whole: whole.map(readingOf),
    chosen: chosen.map(readingOf),
    wholeSince: [],
    chosenSince: [],
  }
  const asked = runs.flatMap((one) => one.asked)
  return { calibration, asking: { asked, askedSince: [] }, runs }
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

export const readingCurve = (runs: readonly ReadingRun[]): ReadingCurve => {
  const points = runs.map(({ tokens, processorSeconds, isFirst }) => ({
    columns: [tokens, tokens * tokens, isFirst ? 1 : 0],
    value: processorSeconds,
  }))
  const [perToken = 0, perPair = 0, start = 0] = robustFit(points.filter(({ value }) => value > 0))
  return { start, perToken, perPair }
}

/** Without the start. */
export const secondsFor = ({ perToken, perPair }: ReadingCurve, tokens: number): number =>
  perToken * tokens + perPair * tokens * tokens
