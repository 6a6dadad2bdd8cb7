/** What a document will cost before it is paid: tokens counted exactly, bytes planned, seconds from a calibration. */
import { describeKeep } from './budget.ts'
import {
  askingLine,
  type Calibration,
  calibrate,
  learn,
  type ReadingCurve,
  readingCurve,
  type Spent,
  secondsFor,
  secondsWith,
  type TimedRun,
} from './calibration.ts'
import { recallCalibration, rememberCalibration } from './calibration-memory.ts'
import { type CompressOptions, compressRequest } from './compress-request.ts'
import type { Context } from './context.ts'
import type { CompressRequest } from './protocol.ts'
import type { SizePlan } from './size-plan.ts'
import { version } from './version.ts'

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
  readonly plan: (request: CompressRequest) => Promise<SizePlan>
  readonly compress: (options: CompressOptions) => Promise<{ readonly context: Context; readonly spent: Spent }>
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
  const size = await model.plan(request)
  const key = keyOf(model.place, request)
  const { home } = model.place
  const run = shortRuns(model, options, size)
  const remembered = measureAgain ? undefined : await recallCalibration(home, key)
  const { calibration, secondsPerProcessorSecond } = remembered
    ? { calibration: remembered, secondsPerProcessorSecond: await probe(run, remembered) }
    : await measure(run, mostTokens(model, size))
  if (!remembered) await rememberCalibration(home, key, calibration)
  const { chosen, chosenSince, whole, wholeSince, asked, measuredAt } = calibration
  const compress = readingCurve([...chosen, ...chosenSince])
  // The first reading of a process costs as much more, whatever is kept of it.
  const prefill = { ...readingCurve([...whole, ...wholeSince]), start: compress.start }
  const reading = (curve: ReadingCurve): number => secondsPerProcessorSecond * secondsFor(curve, size.documentTokens)
  const asking = (what: 'firstTokenSeconds' | 'nextTokenSeconds'): number =>
    secondsPerProcessorSecond * secondsWith(askingLine(asked, what), size.keptTokens)
  return {
    model: model.name,
    method: request.method,
    keep: describeKeep(request.keep),
    ...size,
    seconds: {
      prefill: reading(prefill),
      // Where everything stays nothing is chosen.
      compress: reading(size.keptTokens < size.documentTokens ? compress : prefill),
      firstToken: asking('firstTokenSeconds'),
      nextToken: asking('nextTokenSeconds'),
    },
    measuredAt,
    isRemembered: remembered !== undefined,
  }
}

const keyOf = ({ fingerprint, machine }: CalibrationPlace, request: CompressRequest): string => {
  const { method, methodOptions, precision, selection } = request
  return JSON.stringify([fingerprint, machine, version, method, methodOptions, precision, selection.heads])
}

/** A document that was really read makes the calibration better, if there is one. */
export const learnReading = async (
  place: CalibrationPlace,
  request: CompressRequest,
  read: { readonly spent: Spent; readonly tokens: number; readonly keptTokens: number },
): Promise<void> => {
  const key = keyOf(place, request)
  const calibration = await recallCalibration(place.home, key)
  if (!calibration) return
  const { tokens, keptTokens } = read
  const { processorSeconds, isFirst } = read.spent
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

type RunShort = (tokens: number, choosing: boolean, asks: boolean) => Promise<TimedRun>

/** With the document's own words, repeated when there are too few: how long they take does not depend on them. */
const shortRuns = (model: Estimated, options: CompressOptions, size: SizePlan): RunShort => {
  const { signal, method, methodOptions, heads, precision } = options
  const chosen = { reserve, signal, method, methodOptions, precision, ...(heads && { heads }) }
  const document = typeof options.document === 'string' ? options.document : options.document.text
  const charactersPerToken = document.length / size.documentTokens
  return async (tokens, choosing, asks) => {
    const length = Math.max(1, Math.floor(tokens * charactersPerToken))
    const text = document.repeat(Math.ceil(length / document.length)).slice(0, length)
    const { context, spent } = await model.compress({ ...chosen, document: text, keep: choosing ? measuredKeep : 1 })
    try {
      const { originalTokens, keptTokens } = context.stats
      const asked = asks ? await askShort(context, signal) : { firstTokenSeconds: 0, nextTokenSeconds: 0 }
      return { tokens: originalTokens, ...spent, asked: { keptTokens, ...asked } }
    } finally {
      await context.dispose()
    }
  }
}

const processorSecondsSince = (begun: NodeJS.CpuUsage): number => {
  const { user, system } = process.cpuUsage(begun)
  return (user + system) / 1e6
}

const askShort = async (
  context: Context,
  signal: AbortSignal | undefined,
): Promise<Omit<TimedRun['asked'], 'keptTokens'>> => {
  const begun = process.cpuUsage()
  const { usage, timings } = await context.ask(question, { maxTokens: answerTokens, signal }).done
  const { questionMs, answerMs } = timings
  const perMs = processorSecondsSince(begun) / (questionMs + answerMs)
  const steps = Math.max(1, usage.outputTokens - 1)
  return { firstTokenSeconds: perMs * questionMs, nextTokenSeconds: (perMs * answerMs) / steps }
}

interface Measurement {
  readonly calibration: Calibration
  readonly secondsPerProcessorSecond: number
}

const measure = async (run: RunShort, most: number): Promise<Measurement> => {
  const { calibration, runs } = await calibrate((tokens, choosing) => run(tokens, choosing, true), most)
  return { calibration, secondsPerProcessorSecond: clockOf(runs.slice(1)) }
}

const probeSeconds = 1 // of all threads together
const [leastProbe, mostProbe] = [32, 384]

/** How fast the clock runs beside the processors now: other work on the machine takes its share. */
const probe = async (run: RunShort, { chosen }: Calibration): Promise<number> => {
  const { perToken } = readingCurve(chosen)
  const tokens = Math.min(mostProbe, Math.max(leastProbe, Math.round(probeSeconds / perToken)))
  await run(tokens, true, false)
  return clockOf([await run(tokens, true, false)])
}

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
