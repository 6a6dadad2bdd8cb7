/**
 * The tokens that top-k, top-p and min-p leave, found from the most likely one down and no further than it takes to know
 * them: asking whether a token is allowed costs more than anything else here, and there may be 150,000 of them. Not here:
 * which of them is drawn (sampler.ts).
 */

export type Allows = (id: number) => boolean

export interface Candidate {
  readonly id: number
  readonly logit: number
}

export interface Filters {
  /** 0: all. */
  readonly topK: number
  /** 1: all. */
  readonly topP: number
  /** 0: all. */
  readonly minP: number
}

/**
 * The same tokens as if every one had been asked: the k likeliest that are allowed, of these the fewest that together reach
 * `topP`, of these the ones not below `minP` times the first. What has not been asked yet can only add weight to the sum
 * that `topP` is a share of, and never more than its own; as soon as no such addition would change the result, that is it.
 * Largest first, ties to the lowest id; tokens whose logit is not a number are left out.
 */
export const likeliest = (logits: Float32Array, filters: Filters, allows: Allows = () => true): Candidate[] => {
  const largest = largestOf(logits)
  const search = new Search(logits, largest, filters)
  let checkAt = 1
  let seen = 0
  for (const candidate of descending(logits, largest)) {
    if (allows(candidate.id)) search.find(candidate)
    else search.pass(candidate)
    if (search.isFull) break
    if (++seen < checkAt) continue
    checkAt = Math.ceil(seen * 1.25)
    const settled = search.settled(candidate.logit)
    if (settled !== undefined) return search.found.slice(0, settled)
  }
  return search.found.slice(0, search.end)
}

class Search {
  readonly found: Candidate[] = []
  readonly #filters: Filters
  readonly #largest: number
  readonly #weights: number[] = [] // of what was found, of e^(logit − largest)
  #sum = 0
  #unasked: number // no less than the weight of all tokens not met yet

  constructor(logits: Float32Array, largest: number, filters: Filters) {
    this.#filters = filters
    this.#largest = largest
    // Only where k does not bound it: this looks at every logit.
    this.#unasked = filters.topK === 0 && filters.topP < 1 ? this.#weightOf(logits) : Number.POSITIVE_INFINITY
  }

  get isFull(): boolean {
    const { topK } = this.#filters
    return topK > 0 && this.found.length === topK
  }

  find(candidate: Candidate): void {
    const weight = this.pass(candidate)
    this.found.push(candidate)
    this.#weights.push(weight)
    this.#sum += weight
  }

  /** It is not allowed. → its weight */
  pass({ logit }: Candidate): number {
    const weight = Math.exp(logit - this.#largest)
    this.#unasked -= weight
    return weight
  }

  /** How many stay when nothing else is to come. */
  get end(): number {
    return Math.min(this.#nucleusEnd(this.#sum) ?? this.found.length, this.#floorEnd ?? this.found.length)
  }

  /** How many stay whatever else is to come, none of it likelier than `logit`; undefined if that is still open. */
  settled(logit: number): number | undefined {
    if (this.found.length === 0) return undefined
    const { topK, topP } = this.#filters
    const [least, most] = topP < 1 ? [this.#sum, this.#sum + this.#atMost(logit, topK)] : [undefined, undefined]
    const floorEnd = this.#floorEnd ?? (logit < this.#floor ? this.found.length : undefined)
    const [low, high] = [least, most].map((sum) =>
      lower(sum === undefined ? undefined : this.#nucleusEnd(sum), floorEnd),
    )
    return low === high ? low : undefined
  }

  /** The weight that may still be added. */
  #atMost(logit: number, topK: number): number {
    const ofCount = topK === 0 ? Number.POSITIVE_INFINITY : (topK - this.found.length) * Math.exp(logit - this.#largest)
    return Math.min(ofCount, Math.max(0, this.#unasked) + roundingOfSum)
  }

  get #floor(): number {
    return (this.found[0]?.logit ?? 0) + Math.log(this.#filters.minP)
  }

  get #floorEnd(): number | undefined {
    const floor = this.#floor
    const index = this.found.findIndex(({ logit }, i) => i > 0 && logit < floor)
    return index < 0 ? undefined : index
  }

  /** The fewest that reach top-p of a sum; undefined if what was found does not. */
  #nucleusEnd(sum: number): number | undefined {
    const { topP } = this.#filters
    if (topP >= 1) return undefined
    let reached = 0
    const index = this.#weights.findIndex((weight) => {
      reached += weight
      return reached >= topP * sum
    })
    return index < 0 ? undefined : index + 1
  }

  #weightOf(logits: Float32Array): number {
    let sum = 0
    for (let id = 0; id < logits.length; id++) sum += Math.exp((logits[id] as number) - this.#largest) || 0 // NaN: never met
    return sum
  }
}

/** Of a sum of e^(logit − largest) over a vocabulary, with much to spare. */
const roundingOfSum = 1e-9

const lower = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined || b === undefined ? (a ?? b) : Math.min(a, b)

/** −∞ if there is none. Four at a time: each comparison would wait for the one before. */
export const largestOf = (logits: Float32Array): number => {
  let [a, b, c, d] = [
    Number.NEGATIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
  ]
  const whole = logits.length - (logits.length % 4)
  for (let id = 0; id < whole; id += 4) {
    if ((logits[id] as number) > a) a = logits[id] as number
    if ((logits[id + 1] as number) > b) b = logits[id + 1] as number
    if ((logits[id + 2] as number) > c) c = logits[id + 2] as number
    if ((logits[id + 3] as number) > d) d = logits[id + 3] as number
  }
  for (let id = whole; id < logits.length; id++) if ((logits[id] as number) > a) a = logits[id] as number
  return Math.max(a, b, c, d)
}

/** How far below the largest logit the first tokens lie that are put in order together; then the next, then all others. */
const bands = [4, 10, Number.POSITIVE_INFINITY]

function* descending(logits: Float32Array, largest: number): Generator<Candidate, void> {
  let above = Number.POSITIVE_INFINITY
  for (const depth of bands) {
    const from = largest - depth
    const keys: number[] = []
    for (let id = 0; id < logits.length; id++) {
      const logit = logits[id] as number
      if (logit < above && (logit >= from || depth === Number.POSITIVE_INFINITY)) keys.push(keyOf(logit, id))
    }
    for (const key of Float64Array.from(keys).sort()) {
      const id = key % mostIds
      yield { id, logit: logits[id] as number }
    }
    above = from
  }
}

const mostIds = 2 ** 21
const float = new Float32Array(1)
const bits = new Uint32Array(float.buffer)

/** Sorted as numbers, which needs no comparing function: the larger logit first, then the lower id. Exact: 32 + 21 bits. */
const keyOf = (logit: number, id: number): number => {
  float[0] = logit + 0 // no −0
  const raw = bits[0] as number
  const rising = raw >= 2 ** 31 ? 2 ** 32 - 1 - raw : raw + 2 ** 31
  return (2 ** 32 - 1 - rising) * mostIds + id
}
