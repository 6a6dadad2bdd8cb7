/** Logits to a token. Order of the filters: top-k, top-p, min-p, temperature (llama.cpp's default order). */
import { requireCount } from './check-options.ts'
import { uniformNumbers } from './random.ts'

export interface SamplingOptions {
  /** 0 (default) = greedy: the most likely token, ties to the lowest id. */
  readonly temperature?: number | undefined
  /** Keep the k most likely tokens; 0 = all. Default 40. */
  readonly topK?: number | undefined
  /** Keep the smallest set of tokens whose probability reaches p. Default 0.95; 1 = all. */
  readonly topP?: number | undefined
  /** Drop tokens less likely than p × the most likely one. Default 0.05; 0 = none. */
  readonly minP?: number | undefined
  /** Default 0; the same seed gives the same answer. */
  readonly seed?: number | undefined
}

/** Chooses among the tokens that are allowed; all are if nothing is said. −1 if none is. */
export type Sampler = (logits: Float32Array, allows?: Allows) => number
export type Allows = (id: number) => boolean

const inRange = (name: string, value: number, [low, high]: readonly [number, number]): number => {
  if (!(value >= low && value <= high)) throw new RangeError(`${name} must be between ${low} and ${high}, got ${value}`)
  return value
}

/** With the defaults for what is not said. Throws RangeError for a value out of range. */
export const samplingOf = (options: SamplingOptions): { readonly [K in keyof SamplingOptions]-?: number } => {
  const temperature = inRange('temperature', options.temperature ?? 0, [0, 100])
  const topK = inRange('topK', options.topK ?? 40, [0, 2 ** 31])
  const topP = inRange('topP', options.topP ?? 0.95, [0, 1])
  const minP = inRange('minP', options.minP ?? 0.05, [0, 1])
  if (!Number.isInteger(topK)) throw new RangeError(`topK must be a whole number, got ${topK}`)
  return { temperature, topK, topP, minP, seed: requireCount('seed', options.seed ?? 0) }
}

/** Throws RangeError for a value out of range. */
export const createSampler = (options: SamplingOptions = {}): Sampler => {
  const { temperature, topK, topP, minP, seed } = samplingOf(options)
  if (temperature === 0) return argmax
  const uniform = uniformNumbers(seed)
  return (logits, allows) => {
    const candidates = minimum(nucleus(mostLikely(logits, topK, allows), topP), minP)
    const best = candidates[0]?.logit ?? 0
    const weights = candidates.map(({ logit }) => Math.exp((logit - best) / temperature))
    return candidates[pick(weights, uniform())]?.id ?? argmax(logits, allows)
  }
}

export const argmax: Sampler = (logits, allows) => {
  let best = allows ? logits.findIndex((_, id) => allows(id)) : 0 // where every logit is −∞ or NaN
  let bestLogit = -Infinity
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id] as number
    if (logit > bestLogit && (!allows || allows(id))) {
      bestLogit = logit
      best = id
    }
  }
  return best
}

interface Candidate {
  readonly id: number
  readonly logit: number
}

const byLogit = (a: Candidate, b: Candidate): number => b.logit - a.logit || a.id - b.id

/** The k largest, largest first. k = 0: all of them. One pass, no full sort while k is small. */
const mostLikely = (logits: Float32Array, k: number, allows: Allows = () => true): Candidate[] => {
  if (k === 0 || k > 1024) {
    const all = Array.from(logits, (logit, id) => ({ id, logit }))
      .filter(({ id }) => allows(id))
      .sort(byLogit)
    return k === 0 ? all : all.slice(0, k)
  }
  const kept: Candidate[] = []
  let threshold = -Infinity
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id] as number
    if ((kept.length === k && !(logit > threshold)) || !allows(id)) continue
    if (kept.length === k) kept.pop()
    kept.splice(insertionPoint(kept, logit), 0, { id, logit })
    threshold = kept.at(-1)?.logit ?? -Infinity
  }
  return kept
}

const insertionPoint = (sorted: readonly Candidate[], logit: number): number => {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((sorted[middle] as Candidate).logit >= logit) low = middle + 1
    else high = middle
  }
  return low
}

const nucleus = (candidates: readonly Candidate[], topP: number): readonly Candidate[] => {
  if (topP >= 1) return candidates
  const best = candidates[0]?.logit ?? 0
  const weights = candidates.map(({ logit }) => Math.exp(logit - best))
  const target = topP * weights.reduce((sum, weight) => sum + weight, 0)
  const end = firstReaching(weights, target)
  return candidates.slice(0, end + 1)
}

/** Index of the first weight at which the running sum reaches `target`; the last one if rounding keeps it below. */
const firstReaching = (weights: readonly number[], target: number): number => {
  let sum = 0
  const index = weights.findIndex((weight) => {
    sum += weight
    return sum >= target
  })
  return index < 0 ? weights.length - 1 : index
}

const minimum = (candidates: readonly Candidate[], minP: number): readonly Candidate[] => {
  const floor = (candidates[0]?.logit ?? 0) + Math.log(minP)
  return candidates.filter(({ logit }, i) => i === 0 || logit >= floor)
}

const pick = (weights: readonly number[], uniform: number): number =>
  firstReaching(weights, uniform * weights.reduce((sum, weight) => sum + weight, 0))
