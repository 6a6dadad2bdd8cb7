/** What a document will cost before it is paid: tokens counted exactly, bytes planned, seconds from a calibration. */
import { describeKeep } from './budget.ts'
import {
  type Calibration,
  calibrate,
  recallCalibration,
  rememberCalibration,
  secondsFor,
  secondsWith,
  type TimedRun,
} from './calibration.ts'
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
  readonly fingerprint: string
  readonly contextLength: number
  readonly home: string
  /** Everything of the machine and the engine's settings that speed depends on. */
  readonly machine: string
  readonly plan: (request: CompressRequest) => Promise<SizePlan>
  readonly compress: (options: CompressOptions) => Promise<Context>
}

export const estimate = async (
  model: Estimated,
  { measureAgain = false, ...options }: EstimateOptions,
): Promise<Estimate> => {
  if ('remember' in options) throw new TypeError('estimate has no option "remember"; nothing is made that could be')
  const request = compressRequest(options)
  const size = await model.plan(request)
  const key = keyOf(model, request)
  const remembered = measureAgain ? undefined : await recallCalibration(model.home, key)
  const calibration = remembered ?? (await measure(model, options, size))
  if (!remembered) await rememberCalibration(model.home, key, calibration)
  const { start, prefill, compress, firstToken, nextToken, measuredAt } = calibration
  return {
    model: model.name,
    method: request.method,
    keep: describeKeep(request.keep),
    ...size,
    seconds: {
      prefill: start + secondsFor(prefill, size.documentTokens),
      // Where everything stays nothing is chosen.
      compress: start + secondsFor(size.keptTokens < size.documentTokens ? compress : prefill, size.documentTokens),
      firstToken: secondsWith(firstToken, size.keptTokens),
      nextToken: secondsWith(nextToken, size.keptTokens),
    },
    measuredAt,
    isRemembered: remembered !== undefined,
  }
}

const keyOf = ({ fingerprint, machine }: Estimated, request: CompressRequest): string => {
  const { method, methodOptions, precision, selection } = request
  return JSON.stringify([fingerprint, machine, version, method, methodOptions, precision, selection.heads])
}

const reserve = 64 // for the question of a measurement
const question = 'What is this about?'
const answerTokens = 12
const measuredKeep = 0.25

/** With the document's own words, repeated when there are too few: how long they take does not depend on them. */
const measure = (model: Estimated, options: CompressOptions, size: SizePlan): Promise<Calibration> => {
  const { signal, method, methodOptions, heads, precision } = options
  const chosen = { reserve, signal, method, methodOptions, precision, ...(heads && { heads }) }
  const document = typeof options.document === 'string' ? options.document : options.document.text
  const charactersPerToken = document.length / size.documentTokens
  const most = model.contextLength - size.headTokens - 2 * reserve
  const run = async (tokens: number, choosing: boolean): Promise<TimedRun> => {
    const length = Math.max(1, Math.floor(tokens * charactersPerToken))
    const text = document.repeat(Math.ceil(length / document.length)).slice(0, length)
    const begun = performance.now()
    const keep = choosing ? measuredKeep : 1
    const context = await model.compress({ ...chosen, document: text, keep })
    const seconds = (performance.now() - begun) / 1000
    try {
      const { usage, timings } = await context.ask(question, { maxTokens: answerTokens, signal }).done
      const { originalTokens, keptTokens } = context.stats
      const nextTokenSeconds = timings.answerMs / 1000 / Math.max(1, usage.outputTokens - 1)
      return {
        tokens: originalTokens,
        keptTokens,
        seconds,
        firstTokenSeconds: timings.questionMs / 1000,
        nextTokenSeconds,
      }
    } finally {
      await context.dispose()
    }
  }
  return calibrate(run, Math.max(1, Math.floor(most * 0.8))) // other words may be more tokens
}
