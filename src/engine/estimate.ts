/** What a document will cost before it is paid: tokens counted exactly, bytes planned, seconds from a calibration. */
import { version } from '../version.ts'
import { describeKeep } from './budget.ts'
import {
  type AskingRun,
  answerSeconds,
  type Calibration,
  calibrate,
  learn,
  type ReadingCurve,
  type RunTimed,
  readingCurve,
  secondsFor,
  type TimedRun,
} from './calibration.ts'
import { recallCalibration, rememberCalibration } from './calibration-memory.ts'
import { type CompressOptions, compressRequest } from './compress-request.ts'
import type { Context } from './context.ts'
import type { CompressRequest, Reading, Results } from './protocol.ts'
import type { SizePlan } from './size-plan.ts'
import { type Spent, spending } from './spending.ts'

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
    /** Each token after that. */
    readonly nextToken: number
  }
  readonly measuredAt: string // ISO 8601, when this machine was measured
  readonly isRemembered: boolean // the measurement was there already
}

/** What an estimate asks of its model. */
export interface Estimated {
  readonly name: string
  readonly contextLength: number
  readonly place: CalibrationPlace
  readonly plan: (request: CompressRequest) => Promise<Results['plan']>
  readonly compress: (options: CompressOptions) => Promise<{ readonly context: Context; readonly reading: Reading }>
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
  const key = keyOf(model.place, request)
  const { home } = model.place
  const run = shortRuns(model, options, size)
  const remembered = measureAgain ? undefined : await recallCalibration(home, key)
  const { calibration, runs } = remembered
    ? { calibration: remembered, runs: await probe(run, remembered) }
    : await calibrate(run, mostTokens(model, size))
  if (!remembered) await rememberCalibration(home, key, calibration)
  return {
    model: model.name,
    method: request.method,
    keep: describeKeep(request.keep),
    ...size,
    seconds: secondsOf(calibration, { runs, size, planSeconds }),
    measuredAt: calibration.measuredAt,
    isRemembered: remembered !== undefined,
  }
}

interface Now {
  readonly runs: readonly TimedRun[] // done just now
  readonly size: SizePlan
  readonly planSeconds: number // counting the document's tokens
}

const secondsOf = (calibration: Calibration, { runs, size, planSeconds }: Now): Estimate['seconds'] => {
  const { chosen, chosenSince, whole, wholeSince, asked } = calibration
  const { documentTokens, keptTokens } = size
  const compress = readingCurve([...chosen, ...chosenSince])
  const clock = clockOf(runs.slice(1))
  const before = planSeconds + startSeconds(runs[0], compress, clock)
  const reading = (curve: ReadingCurve): number => before + clock * secondsFor(curve, documentTokens)
  const prefill = reading(readingCurve([...whole, ...wholeSince]))
  // Threads wait for one another at every token: other work costs answers more than reading.
  const askingClock = clockOf(runs.slice(1).map(({ asking }) => asking))
  const { firstTokenSeconds, nextTokenSeconds } = answerSeconds(asked, keptTokens)
  return {
    prefill,
    // Where everything stays nothing is chosen.
    compress: keptTokens < documentTokens ? reading(compress) : prefill,
    firstToken: askingClock * firstTokenSeconds,
    nextToken: askingClock * nextTokenSeconds,
  }
}

/** The first run of a process waits more than later ones, for pages of the weights. Between bounds, for it is one run. */
const startSeconds = (first: TimedRun | undefined, curve: ReadingCurve, clock: number): number => {
  if (!first?.isFirst) return 0
  const more = first.seconds - clock * secondsFor(curve, first.tokens)
  const usual = clock * curve.start
  return Math.min(3 * usual, Math.max(usual, more))
}

const keyOf = ({ fingerprint, machine }: CalibrationPlace, request: CompressRequest): string => {
  const { method, methodOptions, precision, selection } = request
  return JSON.stringify([fingerprint, machine, version, method, methodOptions, precision, selection.heads])
}

/** A document that was really read makes the calibration better, if there is one. */
export const learnReading = async (
  place: CalibrationPlace,
  request: CompressRequest,
  read: { readonly reading: Reading; readonly tokens: number; readonly keptTokens: number },
): Promise<void> => {
  const key = keyOf(place, request)
  const calibration = await recallCalibration(place.home, key)
  if (!calibration) return
  const { tokens, keptTokens } = read
  const { processorSeconds, isFirst } = read.reading
  const learnt = learn(calibration, { tokens, processorSeconds, isFirst }, keptTokens < tokens)
  await rememberCalibration(place.home, key, learnt)
}

const reserve = 64 // for the question of a measurement
const question = 'What is the most important thing said here?'
const answerTokens = 12
const measuredKeep = 0.25
const otherWords = 0.8 // the same number of characters may be more tokens

const mostTokens = ({ contextLength }: Estimated, { headTokens }: SizePlan): number =>
  Math.max(1, Math.floor((contextLength - headTokens - 2 * reserve) * otherWords))

/** With the document's own words, repeated when there are too few: how long they take does not depend on them. */
const shortRuns = (model: Estimated, options: CompressOptions, size: SizePlan): RunTimed => {
  const { signal, method, methodOptions, heads, precision } = options
  const chosen = { reserve, signal, method, methodOptions, precision, ...(heads && { heads }) }
  const document = typeof options.document === 'string' ? options.document : options.document.text
  const charactersPerToken = document.length / size.documentTokens
  return async (tokens, choosing) => {
    const length = Math.max(1, Math.floor(tokens * charactersPerToken))
    const text = document.repeat(Math.ceil(length / document.length)).slice(0, length)
    const { context, reading } = await model.compress({ ...chosen, document: text, keep: choosing ? measuredKeep : 1 })
    try {
      const { originalTokens, keptTokens } = context.stats
      const { asked, asking } = await askShort(context, signal)
      return { tokens: originalTokens, ...reading, asked: { keptTokens, ...asked }, asking }
    } finally {
      await context.dispose()
    }
  }
}

const askShort = async (
  context: Context,
  signal: AbortSignal | undefined,
): Promise<{ readonly asked: Omit<AskingRun, 'keptTokens'>; readonly asking: Spent }> => {
  const spent = spending()
  const { usage, timings } = await context.ask(question, { maxTokens: answerTokens, signal }).done
  const asking = spent()
  const { questionMs, answerMs } = timings
  const perMs = asking.processorSeconds / (questionMs + answerMs)
  const steps = Math.max(1, usage.outputTokens - 1)
  return { asked: { firstTokenSeconds: perMs * questionMs, nextTokenSeconds: (perMs * answerMs) / steps }, asking }
}

const probeSeconds = 1 // of all threads together
const [leastProbe, mostProbe] = [32, 384]

/** How busy the machine is now. */
const probe = async (run: RunTimed, { chosen }: Calibration): Promise<TimedRun[]> => {
  const { perToken } = readingCurve(chosen)
  const tokens = Math.min(mostProbe, Math.max(leastProbe, Math.round(probeSeconds / perToken)))
  return [await run(tokens, true), await run(tokens, true)]
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
