/**
 * From what a run left on disk to the rows of its tables: each variant on each data set and on all of them pooled, every
 * mean with its interval over contexts, every difference paired. Not here: how rows are shown (summary-markdown.ts,
 * report/) and how a context's questions become one value (context-values.ts).
 */
import { CompactorError } from '../error.ts'
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
  fullBytesOf,
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
  readonly bytesShare: number | undefined // of the whole cache's, windows included; mean over contexts
  readonly contexts: number
  readonly questions: number
  readonly kl?: Interval // nats a token
  readonly klToBaseline?: Interval // less that of the baseline at the same nominal keep
  readonly flips?: Interval // share of positions
  readonly nllRatio?: Interval // of the whole cache's answers: their negative log-likelihood, as a multiple of its own
  readonly score?: Interval // 0 … 1
  readonly toFull?: Interval // score less the whole cache's
  readonly toBaseline?: Interval // score less that of the baseline at the same nominal keep
}

export interface SummaryGroup {
  readonly name: string
  /** The whole cache scores below `leastFullScore`: its scores say nothing about compression, and are in no pooled score. */
  readonly isTooHard: boolean
  readonly rows: readonly SummaryRow[]
}

export interface Summary {
  readonly protocol: Protocol
  readonly baseline: string
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
  /** A method, with its options as the run names it, that every variant is paired with at the same keep. Default: random. */
  readonly baseline?: string
}

export const leastFullScore = 0.2

/** Throws CompactorError 'usage' for a baseline that the run does not have. */
export const summarise = (
  settings: RunSettings,
  contexts: readonly ContextResult[],
  { by = 'dataset', baseline, ...bootstrapOptions }: SummaryOptions = {},
): Summary => {
  if (baseline !== undefined)
    checkBaseline(
      baseline,
      settings.variants.map(({ name }) => name),
    )
  const bootstrap = createBootstrap(bootstrapOptions)
  const common = { baseline: baseline ?? 'random', bootstrap }
  const names = [...new Set(contexts.map((context) => context[by]))]
  const groups = names.map((name) => {
    const own = contexts.filter((context) => context[by] === name)
    const full = valuesOf(own, scoreOf(fullName))
    const isTooHard = full.length > 0 && mean(full) < leastFullScore
    return { name, isTooHard, rows: rowsOf(settings, { dataset: name, contexts: own, scored: own, ...common }) }
  })
  const tooHard = new Set(groups.filter(({ isTooHard }) => isTooHard).map(({ name }) => name))
  const scored = contexts.filter((context) => !tooHard.has(context[by]))
  const pooled = rowsOf(settings, { dataset: undefined, contexts, scored, ...common })
  return { protocol: settings.protocol, baseline: common.baseline, pooled, groups }
}

interface Sample {
  readonly dataset: string | undefined
  readonly contexts: readonly ContextResult[]
  readonly scored: readonly ContextResult[] // those whose scores count
  readonly baseline: string
  readonly bootstrap: Bootstrap
}

/** The whole cache and no document first, then the variants in the run's order; those without any result are left out. */
const rowsOf = (settings: RunSettings, sample: Sample): SummaryRow[] => {
  const lines = [{ name: fullName }, { name: closedBookName }, ...settings.variants]
  return lines
    .map((line) => rowOf(line, besideIt(line, sample.baseline, settings.variants), sample))
    .filter(({ contexts }) => contexts > 0)
}

type Line = { readonly name: string } & Partial<VariantSettings>

const methodText = (variant: string): string => variant.slice(0, variant.lastIndexOf('@'))

/** The baseline's variant of the same nominal keep; none for the baseline itself and for lines without a keep. */
const besideIt = (line: Line, baseline: string, variants: readonly VariantSettings[]): string | undefined =>
  line.keep === undefined || methodText(line.name) === baseline
    ? undefined
    : variants.find(({ name, keep }) => methodText(name) === baseline && keep === line.keep)?.name

/** Throws CompactorError 'usage' if none of the variants (METHOD@KEEP) is of that method. */
export const checkBaseline = (baseline: string, variants: readonly string[]): void => {
  const methods = [...new Set(variants.map(methodText))]
  if (!methods.includes(baseline))
    throw new CompactorError(
      'usage',
      `the baseline is one of the methods that are run, ${methods.join(', ')}; got ${JSON.stringify(baseline)}`,
    )
}

const rowOf = ({ name, keep }: Line, beside: string | undefined, sample: Sample): SummaryRow => {
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
    bytesShare: kept.length === 0 ? undefined : mean(kept.map((one) => one.bytes / fullBytesOf(one))),
    contexts: own.length,
    questions: own.reduce((sum, context) => sum + questionCount(context, name), 0),
    ...present({
      kl: over(contexts, distanceOf(name, 'kl')),
      klToBaseline: beside === undefined ? undefined : over(contexts, distanceDifference('kl', [name, beside])),
      flips: over(contexts, distanceOf(name, 'flips')),
      nllRatio: likelihoodRatio(contexts, name, bootstrap),
      score: over(scored, scoreOf(name)),
      toFull: name === fullName ? undefined : over(scored, scoreDifference(name, fullName)),
      toBaseline: beside === undefined ? undefined : over(scored, scoreDifference(name, beside)),
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
