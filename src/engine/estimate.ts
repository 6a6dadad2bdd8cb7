/** What a document will cost before it is paid: tokens counted exactly, bytes planned, seconds from a calibration. */

import type { Precision } from '../backends/ops.ts'
import { version } from '../version.ts'
import { type AskingCalibration, answerSeconds, askedOf, askingRun, learnAsking } from './asking-calibration.ts'
import { describeKeep } from './budget.ts'
import {
  type Calibrated,
  type Calibration,
  calibrate,
  learn,
  type ReadingCurve,
  type RunTimed,
  readingCurve,
  secondsFor,
  type TimedRun,
} from './calibration.ts'
import { recallAsking, recallCalibration, rememberCalibrations } from './calibration-memory.ts'
import { type CompressOptions, compressRequest } from './compress-request.ts'
import type { CompressRequest, Reading, Results } from './protocol.ts'
import { mostTokens, type ShortModel, shortRuns } from './short-runs.ts'
import type { SizePlan } from './size-plan.ts'
import type { Spent } from './spending.ts'
import type { ContextStats } from './stats.ts'

export interface EstimateOptions extends Omit<CompressOptions, 'remember'> {
  /** Measure this machine again although a measurement is remembered. Default false. */
  readonly measureAgain?: boolean | undefined
}

export interface Estimate extends SizePlan {
  readonly model: string
  readonly method: string
  readonly keep: string
  /** As busy with other work as the machine is now. */
  readonly seconds: {
    /** Reading the document with everything kept, as any engine has to. */
    readonly prefill: number
    /** Reading it and choosing what is kept, as `compress` does. */
    readonly compress: number
    /** From a short question to the first token of its answer. */
    readonly firstToken: number
    /** Each token after that, in an answer of some twenty. The first answer of a process, as both are. */
    readonly nextToken: number
  }
  readonly measuredAt: string // ISO 8601, when this machine was measured
  readonly isRemembered: boolean // the measurement was there already
}

/** What an estimate asks of its model. */
export interface Estimated extends ShortModel {
  readonly name: string
  readonly place: CalibrationPlace
  readonly plan: (request: CompressRequest) => Promise<Results['plan']>
}

/** Where a model's calibrations are. */
export interface CalibrationPlace {
  readonly home: string
  readonly fingerprint: string
  /** Everything of the machine and the engine's settings that speed depends on. */
  readonly machine: string
}

export const estimate = async (
  model: Estimated,
  { measureAgain = false, ...options }: EstimateOptions,
): Promise<Estimate> => {
  if ('remember' in options) throw new TypeError('estimate has no option "remember"; nothing is made that could be')
  const request = compressRequest(options)
  const { planSeconds, ...size } = await model.plan(request)
  const run = shortRuns(model, options, size)
  const remembered = measureAgain ? {} : recall(model.place, request)
  const { calibration, asking } = remembered
  const known = calibration && asking && { calibration, asking, runs: await probe(run, calibration) }
  const calibrated = known ?? withLearnt(await calibrate(run, mostTokens(model, size)), remembered)
  if (!known) remember(model.place, request, calibrated)
  return {
    model: model.name,
    method: request.method,
    keep: describeKeep(request.keep),
    ...size,
    seconds: secondsOf(calibrated, { size, planSeconds }),
    measuredAt: calibrated.calibration.measuredAt,
    isRemembered: known !== undefined,
  }
}

interface Remembered {
  readonly calibration?: Calibration | undefined
  readonly asking?: AskingCalibration | undefined
}

const recall = (place: CalibrationPlace, request: CompressRequest): Remembered => ({
  calibration: recallCalibration(place.home, keyOf(place, request)),
  asking: recallAsking(place.home, askingKeyOf(place, request.precision)),
})

/** What was learnt from real work is not forgotten where only a part of the measurement is there, or one of an older form. */
const withLearnt = (measured: Calibrated, { calibration, asking }: Remembered): Calibrated => ({
  ...measured,
  calibration: {
    ...measured.calibration,
    wholeSince: calibration?.wholeSince ?? [],
    chosenSince: calibration?.chosenSince ?? [],
  },
  asking: { ...measured.asking, askedSince: asking?.askedSince ?? [] },
})

const remember = (place: CalibrationPlace, request: CompressRequest, { calibration, asking }: Calibrated): void =>
  rememberCalibrations(place.home, {
    [keyOf(place, request)]: calibration,
    [askingKeyOf(place, request.precision)]: asking,
  })

interface Now {
  readonly size: SizePlan
  readonly planSeconds: number // counting the document's tokens
}

/** @param runs done just now */
const secondsOf = ({ calibration, asking, runs }: Calibrated, { size, planSeconds }: Now): Estimate['seconds'] => {
  const { chosen, chosenSince, whole, wholeSince } = calibration
  const { documentTokens, keptTokens } = size
  const compress = readingCurve([...chosen, ...chosenSince])
  const clock = clockOf(runs.slice(1))
  const before = planSeconds + clock * compress.start
  const reading = (curve: ReadingCurve): number => before + clock * secondsFor(curve, documentTokens)
  const prefill = reading(readingCurve([...whole, ...wholeSince]))
  // Threads wait for one another at every token: other work costs answers more than reading. It comes in bursts, which
  // one answer of three may meet, so the one in the middle counts.
  const askingClocks = runs.flatMap((run) => run.asking.map((answer) => clockOf([answer]))).sort((a, b) => a - b)
  const askingClock = askingClocks[askingClocks.length >> 1] ?? clock
  const { firstTokenSeconds, nextTokenSeconds } = answerSeconds(asking, {
    keptTokens,
    isWhole: keptTokens === documentTokens,
  })
  return {
    prefill,
    // Where everything stays nothing is chosen.
    compress: keptTokens < documentTokens ? reading(compress) : prefill,
    firstToken: askingClock * firstTokenSeconds,
    nextToken: askingClock * nextTokenSeconds,
  }
}

const keyOf = ({ fingerprint, machine }: CalibrationPlace, request: CompressRequest): string => {
  const { method, methodOptions, precision, selection } = request
  return JSON.stringify([fingerprint, machine, version, method, methodOptions, precision, selection.heads])
}

const askingKeyOf = ({ fingerprint, machine }: CalibrationPlace, precision: Precision): string =>
  JSON.stringify([fingerprint, machine, version, 'answers', precision])

/** A document that was really read makes the calibration better, if there is one. */
export const learnReading = (
  place: CalibrationPlace,
  request: CompressRequest,
  read: { readonly reading: Reading; readonly tokens: number; readonly keptTokens: number },
): void => {
  const key = keyOf(place, request)
  const calibration = recallCalibration(place.home, key)
  if (!calibration) return
  const { tokens, keptTokens } = read
  const { processorSeconds, isFirst } = read.reading
  const learnt = learn(calibration, { tokens, processorSeconds, isFirst }, keptTokens < tokens)
  rememberCalibrations(place.home, { [key]: learnt })
}

/** So does the first answer of a process, if answers were measured. */
export const learnAnswer = (place: CalibrationPlace, stats: ContextStats, answered: Results['ask']): void => {
  if (!answered.asking.isFirst) return
  const key = askingKeyOf(place, stats.precision)
  const calibration = recallAsking(place.home, key)
  if (!calibration) return
  const learnt = learnAsking(calibration, askingRun(askedOf(stats), answered))
  rememberCalibrations(place.home, { [key]: learnt })
}

const probeSeconds = 1 // of all threads together
const [leastProbe, mostProbe] = [32, 384]

/** How busy the machine is now. */
const probe = async (run: RunTimed, { chosen }: Calibration): Promise<TimedRun[]> => {
  const { perToken } = readingCurve(chosen)
  const tokens = Math.min(mostProbe, Math.max(leastProbe, Math.round(probeSeconds / perToken)))
  return [await run(tokens, { choosing: true }), await run(tokens, { choosing: true, firstAnswers: 3 })]
}

/** How fast the clock runs beside the processors: other work on the machine takes its share. */
const clockOf = (runs: readonly Spent[]): number => {
  const sum = (of: (run: Spent) => number): number => runs.reduce((total, run) => total + of(run), 0)
  return (
    sum(({ seconds }) => seconds) /
    Math.max(
      1e-6,
      sum(({ processorSeconds }) => processorSeconds),
    )
  )
}
