/**
 * An evaluation from names to results: checks all that was asked for, then runs it in a worker thread of its own, which can
 * be aborted at any moment and leaves a folder that a later call goes on with. Not here: what is measured (measure.ts).
 */
import type { Precision } from '../backends/ops.ts'
import { refuseUnknown, requireCount, requireText } from '../engine/check-options.ts'
import { Control } from '../engine/control.ts'
import { fromWire } from '../engine/protocol.ts'
import { type Backend, type ComputeOptions, settle } from '../engine/settings.ts'
import { abortedBy } from '../engine/turns.ts'
import { CompactorError } from '../error.ts'
import { type PulledModel, type PullProgress, pullModel } from '../hub/pull.ts'
import { startWorker } from '../start-worker.ts'
import type { Choice, Job, WorkerInput, WorkerMessage } from './job.ts'
import type { Measure, Protocol } from './result.ts'
import type { RunProgress } from './run.ts'
import type { Run } from './run-folder.ts'
import { readSources, type SourceOptions } from './sources.ts'
import { checkVariants, readVariant } from './variant.ts'

export interface EvaluationOptions extends Pick<ComputeOptions, 'threads' | 'backend'>, SourceOptions {
  /**
   * Default f32, unlike the engine's: with int8 the arithmetic depends on how many sequences step together, and a memory
   * that lost nothing is some 0.003 nats from itself.
   */
  readonly activations?: ComputeOptions['activations']
  /** Paths of JSONL files and names of tasks; `ruler` is all of RULER's that need no data of yours. */
  readonly data: readonly string[]
  /** "METHOD@KEEP" or "METHOD?option=value&…@KEEP". */
  readonly variants: readonly string[]
  /** Where the results go. One that holds the beginning of the same run is gone on with, another is refused. */
  readonly folder: string
  /** Default `context-only`. */
  readonly protocol?: Protocol | undefined
  /** Default `['distance']`. */
  readonly measures?: readonly Measure[] | undefined
  /** Of the choice of contexts and questions, the tasks and the methods; default 1. */
  readonly seed?: number | undefined
  /** At most so many contexts of each file, and of each task at each length; default all. */
  readonly limit?: number | undefined
  /** At most so many contexts of each `dataset` that the contexts name; default all. */
  readonly perDataset?: number | undefined
  /** At most so many questions of each context; default 4. */
  readonly questions?: number | undefined
  /** Contexts with fewer or more of the model's tokens are left out. */
  readonly minDocument?: number | undefined
  readonly maxDocument?: number | undefined
  /** No answer is longer; the tasks' own limits hold too. Default 512. */
  readonly maxNewTokens?: number | undefined
  /** The results of so many contexts of each data set hold the text and who kept it, for the report; default 0. */
  readonly shaded?: number | undefined
  /** Of keys and values; default f16. */
  readonly precision?: Precision | undefined
  readonly signal?: AbortSignal | undefined
  /** Before the first context, while one is measured and after each. */
  readonly onProgress?: ((progress: RunProgress) => void) | undefined
  /** A sentence about something that goes otherwise than one might think. */
  readonly onNote?: ((sentence: string) => void) | undefined
}

export interface EvaluateOptions extends EvaluationOptions {
  /** Name, `hf:user/repo:QUANT` or path of a GGUF file; what is not here is downloaded. */
  readonly model: string
  /** Folder of models. Default: COMPACTOR_HOME, else ~/.compactor. */
  readonly home?: string | undefined
  /** Checksum and download of the model. */
  readonly onPull?: ((progress: PullProgress) => void) | undefined
}

/** All that could be checked without the model is. */
export interface Evaluation {
  readonly backend: Backend
  run(model: Pick<PulledModel, 'name' | 'path' | 'sha256'>): Promise<Run>
}

/**
 * Everything at once: check, get the model, run. Throws TypeError and RangeError for options, CompactorError: 'usage',
 * 'file-unreadable', 'document-too-long', 'aborted', 'write-failed' and those of `pullModel`.
 */
export const evaluate = async ({ model, home, onPull, ...options }: EvaluateOptions): Promise<Run> => {
  requireText('model', model)
  const { signal, onNote } = options
  const evaluation = await prepareEvaluation(options)
  const pulled = await pullModel(model, {
    ...(home === undefined ? {} : { home }),
    ...(signal ? { signal } : {}),
    ...(onPull ? { onProgress: onPull } : {}),
    ...(onNote ? { onNote } : {}),
  })
  return evaluation.run(pulled)
}

/** For whoever gets the model in another way, or shows how it comes. Throws what `evaluate` does. */
export const prepareEvaluation = async (options: EvaluationOptions): Promise<Evaluation> => {
  refuseUnknown('evaluate', options, optionNames)
  const { threads, backend: name, activations = 'f32' } = options
  const { settings: engine, backend } = settle({ threads, backend: name, activations })
  if (requireText('folder', options.folder) === '')
    throw new CompactorError('usage', 'expected the folder to write results to, got an empty text')
  const checked = checkedOptions(options)
  const sources = await readSources(options.data, options)
  return {
    backend,
    run: ({ name, path, sha256: fingerprint }) =>
      runInWorker({ ...checked, engine, sources, folder: options.folder, model: { name, path, fingerprint } }, options),
  }
}

const optionNames: readonly string[] = [
  ...['data', 'variants', 'folder', 'protocol', 'measures', 'seed', 'limit', 'perDataset', 'questions', 'minDocument'],
  ...[
    'maxDocument',
    'maxNewTokens',
    'shaded',
    'precision',
    'signal',
    'onProgress',
    'onNote',
    'threads',
    'backend',
    'activations',
  ],
  ...['lengths', 'samples', 'haystack', 'taskOptions', 'subset'],
]

const checkedOptions = (options: EvaluationOptions): Omit<Job, 'engine' | 'sources' | 'folder' | 'model'> => {
  const { protocol = 'context-only', measures = ['distance'], precision = 'f16', maxNewTokens = 512 } = options
  const shaded = requireCount('shaded', options.shaded ?? 0)
  oneOf('protocol', protocol, ['context-only', 'joint-prefill'])
  oneOf('precision', precision, ['f16', 'f32'])
  if (measures.length === 0) throw new RangeError("measures must hold 'distance', 'score' or both, got none")
  for (const measure of measures) oneOf('each of measures', measure, ['distance', 'score'])
  checkVariants(options.variants.map(readVariant))
  atLeastOne('maxNewTokens', maxNewTokens)
  const order: readonly Measure[] = ['distance', 'score'] // the same run, however they were named
  return {
    protocol,
    measures: order.filter((measure) => measures.includes(measure)),
    precision,
    maxNewTokens,
    shaded,
    variants: options.variants,
    choice: choiceOf(options),
  }
}

const choiceOf = (options: EvaluationOptions): Choice => {
  const { seed = 1, questions = 4, limit, perDataset, minDocument, maxDocument, lengths, samples, subset } = options
  requireCount('seed', seed)
  for (const [name, value] of Object.entries({ questions, limit, perDataset, minDocument, maxDocument, samples }))
    if (value !== undefined) atLeastOne(name, value)
  for (const length of lengths ?? []) atLeastOne('each of lengths', length)
  if (minDocument !== undefined && maxDocument !== undefined && minDocument > maxDocument)
    throw new RangeError(`minDocument must not exceed maxDocument, got ${minDocument} and ${maxDocument}`)
  if (perDataset !== undefined && subset !== undefined)
    throw new CompactorError(
      'usage',
      'a subset says itself how many contexts of each data set there are; leave out perDataset',
    )
  return {
    seed,
    questions,
    ...(limit === undefined ? {} : { limit }),
    ...(perDataset === undefined ? {} : { perDataset }),
    ...(minDocument === undefined ? {} : { minTokens: minDocument }),
    ...(maxDocument === undefined ? {} : { maxTokens: maxDocument }),
  }
}

const oneOf = (name: string, value: string, words: readonly string[]): void => {
  if (!words.includes(value)) throw new RangeError(`${name} must be ${words.join(' or ')}, got ${String(value)}`)
}

const atLeastOne = (name: string, value: number): void => {
  if (requireCount(name, value) === 0) throw new RangeError(`${name} must be at least 1, got 0`)
}

/** How often progress within a context is told. */
const progressMs = 250

type Listeners = Pick<EvaluationOptions, 'signal' | 'onProgress' | 'onNote'>

const runInWorker = async (job: Job, { signal, onProgress, onNote }: Listeners): Promise<Run> => {
  if (signal?.aborted) throw abortedBy(signal)
  const control = new Control()
  const abort = (): void => control.abort()
  const input: WorkerInput = { job, control: control.buffer }
  const worker = startWorker(import.meta.url, 'worker', input)
  signal?.addEventListener('abort', abort, { once: true })
  const reading = new ReadingProgress(control, onProgress)
  let timer: NodeJS.Timeout | undefined
  try {
    return await new Promise<Run>((resolve, reject) => {
      const guarded = (tell: () => void): void => {
        try {
          tell() // what the caller's function throws ends the run
        } catch (error) {
          reject(error as Error)
        }
      }
      timer = setInterval(() => guarded(() => reading.tell()), progressMs)
      worker.on('message', (message: WorkerMessage) => {
        if (message.type === 'done') resolve(message.run)
        else if (message.type === 'error') reject(fromWire(message.error))
        else if (message.type === 'note') guarded(() => onNote?.(message.sentence))
        else guarded(() => reading.take(message.progress))
      })
      worker.on('error', (error) => reject(fromWire({ name: 'Error', message: error.message })))
      worker.on('exit', (code) =>
        reject(new CompactorError('worker-failed', `the evaluation's worker ended with code ${code}; run it again`)),
      )
    })
  } catch (error) {
    const isAborted = error instanceof CompactorError && error.code === 'aborted'
    throw signal?.aborted && isAborted ? abortedBy(signal) : error
  } finally {
    clearInterval(timer)
    signal?.removeEventListener('abort', abort)
    control.abort() // a kernel that still runs stops, so that the thread can end
    await worker.terminate()
  }
}

/** Adds to the contexts that are done how much of the current one is read; what is asked of it afterwards is not told. */
class ReadingProgress {
  readonly #control: Control
  readonly #listener: Listeners['onProgress']
  #last: RunProgress | undefined

  constructor(control: Control, listener: Listeners['onProgress']) {
    this.#control = control
    this.#listener = listener
  }

  take(progress: RunProgress): void {
    this.#last = progress
    this.#listener?.(progress)
  }

  tell(): void {
    if (!this.#last) return
    const { done, total } = this.#control.progress
    const read = total === 0 ? 0 : (this.#last.currentTokens * done) / total
    this.#listener?.({ ...this.#last, doneTokens: this.#last.doneTokens + read })
  }
}
