/**
 * Walks the contexts of a run and writes each one's numbers as it is done. What stands in the folder already is not
 * computed again. Not here: which contexts (subset.ts), what is measured on one (measure.ts), tables (aggregate.ts).
 */
import { checkDocumentFit } from '../engine/fit.ts'
import type { Example } from './example.ts'
import { type Machine, machine } from './machine.ts'
import { measureContext } from './measure.ts'
import type { ContextResult, Measure, Protocol, RunSettings } from './result.ts'
import { appendContext, openRunFolder, type Run } from './run-folder.ts'
import { documentIds, questionIds, type Subject } from './subject.ts'
import { checkVariants, settingsOf, type Variant } from './variant.ts'

/** A data set's subset, in the order it is run. */
export interface DataSet {
  readonly name: string
  readonly sha256: string
  readonly examples: readonly Example[]
}

export interface RunRequest {
  readonly data: readonly DataSet[]
  readonly variants: readonly Variant[]
  readonly protocol: Protocol
  readonly measures: readonly Measure[]
  readonly seed: number
  readonly questionsPerContext: number // what `data` was cut to; told, not applied
  readonly maxNewTokens: number
  readonly shaded?: number // contexts of each data set whose tokens are told; default 0
  readonly activations: string
  readonly threads: number
  readonly folder: string
  readonly onProgress?: (progress: RunProgress) => void
}

/** After each context, and once before the first. Tokens are of documents. */
export interface RunProgress {
  readonly doneContexts: number
  readonly contexts: number
  readonly doneTokens: number
  readonly currentTokens: number // of the context that is measured next; 0 after the last
  readonly tokens: number
  readonly secondsLeft: number | undefined // unknown before the first context is done
  readonly last: string | undefined // id
}

interface Task {
  readonly data: string
  readonly example: Example
  readonly tokens: number
  readonly round: number
}

/** Throws CompactorError: 'usage', 'document-too-long', 'aborted', 'write-failed'. */
export const runEvaluation = async (subject: Subject, request: RunRequest): Promise<Run> => {
  checkVariants(request.variants)
  const tasks = tasksOf(subject, request)
  const { folder, shaded = 0, onProgress } = request
  const { settings, contexts } = await openRunFolder(folder, runSettings(subject, request, machine()))
  const found = new Map(contexts.map((result) => [keyOf(result), result]))
  const progress = progressOf(tasks, found)
  onProgress?.(progress(undefined))
  for (const { data, example, round } of tasks) {
    if (found.has(keyOf({ data, id: example.id }))) continue
    subject.control.report(0, 0)
    const result = { data, ...(await measureContext(subject, example, { ...request, tellsTokens: round < shaded })) }
    await appendContext(folder, result)
    found.set(keyOf(result), result)
    onProgress?.(progress(example.id))
  }
  // In the run's order, however often it was stopped.
  const ordered = tasks.flatMap(({ data, example }) => found.get(keyOf({ data, id: example.id })) ?? [])
  return { settings, contexts: ordered }
}

const keyOf = ({ data, id }: Pick<ContextResult, 'data' | 'id'>): string => JSON.stringify([data, id])

/**
 * All contexts with their lengths, every data set's first, then every one's second, …, so that a run that was stopped has
 * seen something of each. One that the model cannot hold is refused before hours are spent.
 */
const tasksOf = (subject: Subject, { data, maxNewTokens }: RunRequest): Task[] => {
  const { file, template } = subject
  const tasks = data.flatMap(({ name, examples }) =>
    examples.map((example, round) => {
      const tokens = documentIds(subject, example).length
      const questions = example.questions.map((question) => questionIds(subject, example, question).length)
      checkDocumentFit({
        model: `${file.name} (context ${example.id} of ${name})`,
        contextLength: file.model.config.contextLength,
        headTokens: template.head.length,
        documentTokens: tokens,
        reserve: Math.max(0, ...questions) + Math.min(maxNewTokens, example.maxNewTokens),
      })
      return { data: name, example, tokens, round }
    }),
  )
  return tasks.sort((a, b) => a.round - b.round)
}

const runSettings = (subject: Subject, request: RunRequest, on: Machine): RunSettings => {
  const { file, template, precision } = subject
  return {
    version: 1,
    protocol: request.protocol,
    measures: request.measures,
    model: { name: file.name, sha256: file.fingerprint, templateHash: template.templateHash },
    data: request.data.map(({ name, sha256, examples }) => ({ name, sha256, contexts: examples.map(({ id }) => id) })),
    seed: request.seed,
    questionsPerContext: request.questionsPerContext,
    maxNewTokens: request.maxNewTokens,
    ...(request.shaded ? { shaded: request.shaded } : {}),
    precision,
    activations: request.activations,
    variants: request.variants.map(settingsOf),
    machine: { cpu: on.cpu, features: on.features, threads: request.threads },
    commit: on.commit,
  }
}

const progressOf = (tasks: readonly Task[], found: ReadonlyMap<string, unknown>) => {
  const sumOf = (some: readonly Task[]): number => some.reduce((sum, { tokens }) => sum + tokens, 0)
  const isDone = ({ data, example }: Task): boolean => found.has(keyOf({ data, id: example.id }))
  const tokens = sumOf(tasks)
  const before = sumOf(tasks.filter(isDone))
  const begun = performance.now()
  return (last: string | undefined): RunProgress => {
    const done = tasks.filter(isDone)
    const doneTokens = sumOf(done)
    const seconds = (performance.now() - begun) / 1000
    const rate = doneTokens > before ? (doneTokens - before) / seconds : undefined
    const secondsLeft = rate === undefined ? undefined : (tokens - doneTokens) / rate
    const currentTokens = tasks.find((task) => !isDone(task))?.tokens ?? 0
    return { doneContexts: done.length, contexts: tasks.length, doneTokens, currentTokens, tokens, secondsLeft, last }
  }
}
