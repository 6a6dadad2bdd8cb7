/** Logits to a token. Order of the filters: top-k, top-p, min-p, temperature (llama.cpp's default order). */
import { requireCount } from './check-options.ts'
import { type Allows, largestOf, likeliest } from './likeliest.ts'
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
    const filters = { topK: topK >= logits.length ? 0 : topK, topP, minP }
    if (filters.topK === 0 && topP >= 1 && minP === 0) return drawFromAll(logits, { temperature, uniform, allows })
    const candidates = likeliest(logits, filters, allows)
    const best = candidates[0]?.logit ?? 0
    const weights = candidates.map(({ logit }) => Math.exp((logit - best) / temperature))
    return candidates[pick(weights, uniform())]?.id ?? argmax(logits, allows)
  }
}

export const argmax: Sampler = (logits, allows) => {
  const largest = largestOf(logits)
  const first = largest === Number.NEGATIVE_INFINITY ? 0 : logits.indexOf(largest) // as the op of that name
  if (!allows || allows(first)) return first // mostly allowed, and asking about a token costs more than all logits
  let best = -1
  let bestLogit = Number.NEGATIVE_INFINITY
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id] as number
    if (logit > bestLogit && allows(id)) {
      bestLogit = logit
      best = id
    }
  }
  return best >= 0 ? best : logits.findIndex((_, id) => allows(id)) // every logit is −∞ or NaN
}

interface Draw {
  readonly temperature: number
  readonly uniform: () => number
  readonly allows: Allows | undefined
}

/** Draws that may be refused before every token is asked. */
const mostRefusals = 64

/**
 * A draw without any filter. The token is drawn from all of them, and again without it if it is not allowed. That is a draw
 * from the allowed ones alone: whatever was refused before, an allowed token's chance of being the next drawn is its weight over
 * that of all tokens left, so that between two allowed ones the odds are always those of their weights, and the first one
 * allowed is each with the chance of its weight over the sum of theirs (rejection sampling without replacement). After many refusals the
 * allowed ones are found out and drawn from, which is the same again.
 */
const drawFromAll = (logits: Float32Array, { temperature, uniform, allows }: Draw): number => {
  const largest = largestOf(logits)
  const weights = new Float64Array(logits.length)
  for (let id = 0; id < logits.length; id++)
    weights[id] = Math.exp(((logits[id] as number) - largest) / temperature) || 0 // NaN: never drawn
  for (let refused = 0; refused < mostRefusals; refused++) {
    const id = pick(weights, uniform())
    if ((weights[id] ?? 0) === 0) break
    if (!allows || allows(id)) return id
    weights[id] = 0
  }
  if (allows) for (const id of weights.keys()) if (weights[id] !== 0 && !allows(id)) weights[id] = 0
  const id = pick(weights, uniform())
  return (weights[id] ?? 0) === 0 ? argmax(logits, allows) : id
}

/** Index of a weight, with its chance among them; one that is 0 only if all are. */
const pick = (weights: ArrayLike<number>, uniform: number): number => {
  let target = 0
  for (let i = 0; i < weights.length; i++) target += weights[i] as number
  target *= uniform
  let sum = 0
  let last = 0
  for (let i = 0; i < weights.length; i++) {
    const weight = weights[i] as number
    if (weight === 0) continue
    last = i
    sum += weight
    if (sum >= target) return i
  }
  return last // rounding kept the sum below
}
