/** Short documents read and short questions asked, to measure by. Not here: how many of them, what is made of the times. */
import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CompactorError } from '../error.ts'
import { askRequest } from './ask-options.ts'
import { type AskingRun, askedOf, askingRun } from './asking-calibration.ts'
import type { RunTimed } from './calibration.ts'
import type { CompressOptions } from './compress-request.ts'
import type { Context } from './context.ts'
import type { AskRequest, Reading, Results } from './protocol.ts'
import type { SizePlan } from './size-plan.ts'
import { type Spent, spending } from './spending.ts'

/** What short runs need of a model. */
export interface ShortModel {
  readonly contextLength: number
  readonly compress: (options: CompressOptions) => Promise<{ readonly context: Context; readonly reading: Reading }>
  /** Of a saved context, as a new process would. */
  readonly firstAnswer: (path: string, asked: ShortQuestion) => Promise<Results['ask']>
}

interface ShortQuestion {
  readonly request: AskRequest
  readonly signal?: AbortSignal | undefined
}

const reserve = 64 // for the question of a measurement
const question = 'Tell everything that is said here, in detail.' // what small models answer at some length
const answerTokens = 24
const measuredKeep = 0.5
const otherWords = 0.8 // the same number of characters may be more tokens

export const mostTokens = ({ contextLength }: ShortModel, { headTokens }: SizePlan): number =>
  Math.max(1, Math.floor((contextLength - headTokens - 2 * reserve) * otherWords))

/** With the document's own words, repeated when there are too few: how long they take does not depend on them. */
export const shortRuns = (model: ShortModel, options: CompressOptions, size: SizePlan): RunTimed => {
  const { signal, method, methodOptions, heads, precision } = options
  const chosen = { reserve, signal, method, methodOptions, precision, ...(heads && { heads }) }
  const document = typeof options.document === 'string' ? options.document : options.document.text
  const charactersPerToken = document.length / size.documentTokens
  return async (tokens, { choosing, firstAnswers = 0 }) => {
    const length = Math.max(1, Math.floor(tokens * charactersPerToken))
    const text = document.repeat(Math.ceil(length / document.length)).slice(0, length)
    const { context, reading } = await model.compress({ ...chosen, document: text, keep: choosing ? measuredKeep : 1 })
    try {
      const answers = await askFirst(model, context, { count: firstAnswers, signal })
      return { tokens: context.stats.originalTokens, ...reading, ...answers }
    } finally {
      await context.dispose()
    }
  }
}

interface Answers {
  readonly asked: readonly AskingRun[]
  readonly asking: readonly Spent[]
}

/** Where no file can be written it is later answers that are measured, which are faster. */
const askFirst = async (
  model: ShortModel,
  context: Context,
  { count, signal }: { readonly count: number; readonly signal: AbortSignal | undefined },
): Promise<Answers> => {
  if (count === 0) return { asked: [], asking: [] }
  const { request } = askRequest('ask', question, { maxTokens: answerTokens })
  const answers = await withSaved(context, signal, async (path) => {
    const answers: Results['ask'][] = []
    for (let asked = 0; asked < count; asked++)
      answers.push(
        path === undefined
          ? await laterAnswer(context, request, signal)
          : await model.firstAnswer(path, { request, signal }),
      )
    return answers
  })
  return {
    asked: answers.map((answer) => askingRun(askedOf(context.stats), answer)),
    asking: answers.map(({ asking }) => asking),
  }
}

/** Saved for as long as `body` runs, in a folder that is the user's alone. `body` gets no path where nothing can be written. */
const withSaved = async <T>(
  context: Context,
  signal: AbortSignal | undefined,
  body: (path: string | undefined) => Promise<T>,
): Promise<T> => {
  const folder = await mkdtemp(join(tmpdir(), 'compactor-')).catch(() => undefined)
  if (folder === undefined) return body(undefined)
  const removeNow = (): void => rmSync(folder, { recursive: true, force: true })
  process.once('exit', removeNow) // a process that ends on a signal does not wait for `finally`
  try {
    const path = join(folder, 'context.cctx')
    return await body((await isSaved(context, path, signal)) ? path : undefined)
  } finally {
    await rm(folder, { recursive: true, force: true })
    process.off('exit', removeNow)
  }
}

const isSaved = (context: Context, path: string, signal: AbortSignal | undefined): Promise<boolean> =>
  context.save(path, { signal }).then(
    () => true,
    (error) => {
      if (error instanceof CompactorError && error.code === 'write-failed') return false
      throw error
    },
  )

const laterAnswer = async (
  context: Context,
  { question, maxTokens }: AskRequest,
  signal: AbortSignal | undefined,
): Promise<Results['ask']> => {
  const spent = spending()
  const info = await context.ask(question, { maxTokens, signal }).done
  return { info, asking: { ...spent(), steps: info.usage.outputTokens, isFirst: false } }
}
