/**
 * From what a run left on disk to the rows of its tables: each variant on each data set and on all of them pooled, every
 * mean with its interval over contexts, every difference paired. Not here: how rows are shown (summary-markdown.ts,
 * report/) and how a context's questions become one value (context-values.ts).
 */
import {
  type ContextValue,
  distanceDifference,
  distanceOf,
  likelihoods,
  scoreDifference,
  scoreOf,
} from './context-values.ts'
import {
  type ContextResult,
  closedBookName,
  fullName,
  type Protocol,
  type RunSettings,
  type VariantSettings,
} from './result.ts'
import { type Bootstrap, type BootstrapOptions, createBootstrap, type Interval, mean } from './statistics.ts'

/** One variant on one data set, or on all of them. What was not measured is absent. */
export interface SummaryRow {
  readonly dataset: string | undefined // undefined: pooled
  readonly variant: string
  readonly keep: number | undefined // nominal; undefined for full and closed-book
  readonly share: number | undefined // effective, mean over contexts
  readonly bytes: number | undefined // mean over contexts
  readonly contexts: number
  readonly questions: number
  readonly kl?: Interval // nats a token
  readonly klToRandom?: Interval // less that of random eviction at the same nominal keep
  readonly flips?: Interval // share of positions
  readonly nllRatio?: Interval // of the whole cache's answers: their negative log-likelihood, as a multiple of its own
  readonly score?: Interval // 0 … 1
  readonly toFull?: Interval // score less the whole cache's
  readonly toRandom?: Interval // score less that of random eviction at the same nominal keep
}

export interface SummaryGroup {
  readonly name: string
  /** The whole cache scores below `leastFullScore`: its scores say nothing about compression, and are in no pooled score. */
  readonly isTooHard: boolean
  readonly rows: readonly SummaryRow[]
}

export interface Summary {
  readonly protocol: Protocol
  /** Distances over all contexts, scores over those of groups that are not too hard: see each interval's n. */
  readonly pooled: readonly SummaryRow[]
  readonly groups: readonly SummaryGroup[] // in the order of the contexts
}

export interface SummaryOptions extends BootstrapOptions {
  /**
   * What a group is: the `dataset` of its contexts (default), or the file or task that the run names (`data`). Groups of few
   * contexts are set apart by luck, those where the whole cache was unlucky; then `data` is the better choice.
   */
  readonly by?: 'dataset' | 'data'
}

export const leastFullScore = 0.2

export const summarise = (
  settings: RunSettings,
  contexts: readonly ContextResult[],
  { by = 'dataset', ...bootstrapOptions }: SummaryOptions = {},
): Summary => {
  const bootstrap = createBootstrap(bootstrapOptions)
  const names = [...new Set(contexts.map((context) => context[by]))]
  const groups = names.map((name) => {
    const own = contexts.filter((context) => context[by] === name)
    const full = valuesOf(own, scoreOf(fullName))
    const isTooHard = full.length > 0 && mean(full) < leastFullScore
    return { name, isTooHard, rows: rowsOf(settings, { dataset: name, contexts: own, scored: own, bootstrap }) }
  })
  const tooHard = new Set(groups.filter(({ isTooHard }) => isTooHard).map(({ name }) => name))
  const scored = contexts.filter((context) => !tooHard.has(context[by]))
  const pooled = rowsOf(settings, { dataset: undefined, contexts, scored, bootstrap })
  return { protocol: settings.protocol, pooled, groups }
}

interface Sample {
  readonly dataset: string | undefined
  readonly contexts: readonly ContextResult[]
  readonly scored: readonly ContextResult[] // those whose scores count
  readonly bootstrap: Bootstrap
}

/** The whole cache and no document first, then the variants in the run's order; those without any result are left out. */
const rowsOf = (settings: RunSettings, sample: Sample): SummaryRow[] => {
  const lines = [{ name: fullName }, { name: closedBookName }, ...settings.variants]
  return lines
    .map((line) => rowOf(line, randomBeside(line, settings.variants), sample))
    .filter(({ contexts }) => contexts > 0)
}

type Line = { readonly name: string } & Partial<VariantSettings>

/** The first random eviction of the same nominal keep; none for random itself and for lines without a keep. */
const randomBeside = (line: Line, variants: readonly VariantSettings[]): string | undefined =>
  line.keep === undefined || line.method === 'random'
    ? undefined
    : variants.find(({ method, keep }) => method === 'random' && keep === line.keep)?.name

const rowOf = ({ name, keep }: Line, random: string | undefined, sample: Sample): SummaryRow => {
  const { dataset, contexts, scored, bootstrap } = sample
  const own = contexts.filter(({ questions }) => questions.some(({ results }) => results[name] !== undefined))
  const kept = own.flatMap((context) => context.kept[name] ?? [])
  const over = (of: readonly ContextResult[], value: ContextValue): Interval | undefined => {
    const values = valuesOf(of, value)
    return values.length === 0 ? undefined : bootstrap(values)
  }
  return {
    dataset,
    variant: name,
    keep,
    share: kept.length === 0 ? undefined : mean(kept.map(({ share }) => share)),
    bytes: kept.length === 0 ? undefined : mean(kept.map(({ bytes }) => bytes)),
    contexts: own.length,
    questions: own.reduce((sum, context) => sum + questionCount(context, name), 0),
    ...present({
      kl: over(contexts, distanceOf(name, 'kl')),
      klToRandom: random === undefined ? undefined : over(contexts, distanceDifference('kl', [name, random])),
      flips: over(contexts, distanceOf(name, 'flips')),
      nllRatio: likelihoodRatio(contexts, name, bootstrap),
      score: over(scored, scoreOf(name)),
      toFull: name === fullName ? undefined : over(scored, scoreDifference(name, fullName)),
      toRandom: random === undefined ? undefined : over(scored, scoreDifference(name, random)),
    }),
  }
}

const valuesOf = (contexts: readonly ContextResult[], value: ContextValue): number[] =>
  contexts.flatMap((context) => value(context) ?? [])

const questionCount = ({ questions }: ContextResult, variant: string): number =>
  questions.filter(({ results }) => results[variant] !== undefined).length

/** Sum over sum: the whole cache is often sure of its own answer, and a mean of quotients would hang on those contexts. */
const likelihoodRatio = (
  contexts: readonly ContextResult[],
  variant: string,
  bootstrap: Bootstrap,
): Interval | undefined => {
  const pairs = contexts.flatMap((context) => {
    const pair = likelihoods(context, [variant, fullName])
    return pair ? [pair] : []
  })
  if (!pairs.some(([, full]) => full > 0)) return undefined
  return bootstrap(
    pairs.map(([own]) => own),
    pairs.map(([, full]) => full),
  )
}

/** Without the keys that have no value. */
const present = <Key extends string>(
  values: Readonly<Record<Key, Interval | undefined>>,
): { readonly [key in Key]?: Interval } =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    readonly [key in Key]?: Interval
  }
