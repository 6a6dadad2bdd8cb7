/**
 * Attention in the reference: over segments, and the attention that keys receive from queries over segments or inside
 * their chunk.
 *
 * Rules for what is not finite: a key that is hidden, or whose logit is −∞, does not count, whatever its value holds. A
 * query that counts no key gets zeros. A logit of NaN or +∞ makes that query head's output NaN. A value that is not
 * finite makes that component of the output not finite, unless its key's weight is below e^-87: then it may not count.
 */
import { checkAttend, checkChunkMass } from './checks.ts'
import type { Ops, Segment } from './ops.ts'
import { numbers, softmax, type Workplace } from './reference-values.ts'
import { checkReceived } from './scoring-checks.ts'

/** headDim numbers of an array. */
interface Row {
  readonly from: Float32Array
  readonly start: number
}

/** What one query head sees: logits, and beside them the values and where in its run each key stands. */
interface Sight {
  readonly logits: number[]
  readonly values: Row[]
  readonly keys: number[]
}

export const referenceAttention = ({
  pool,
  pause,
}: Workplace): Pick<Ops, 'attend' | 'attentionReceived' | 'chunkAttentionMass'> => ({
  attend(q, segments, options) {
    const { n, heads, headDim, kvHeads } = checkAttend(q, segments, options)
    const out = pool.take([n, heads, headDim], 'f32')
    const [from, runs] = [numbers(q), segments.map(runOf)]
    for (let i = 0; i < n; i++) {
      pause()
      for (let head = 0; head < heads; head++) {
        const start = (i * heads + head) * headDim
        const query = { from, start, headDim, number: i, index: options.firstIndex + i, scale: options.scale }
        const sight: Sight = { logits: [], values: [], keys: [] }
        for (const run of runs) look(query, run, Math.floor(head / (heads / kvHeads)), sight)
        const weights = softmax(sight.logits)
        for (let d = 0; d < headDim; d++) {
          let sum = 0
          for (const [j, value] of sight.values.entries())
            sum += (weights[j] as number) * (value.from[value.start + d] as number)
          out.data[start + d] = sum
        }
      }
    }
    return out
  },

  attentionReceived(q, segments, options) {
    const { n, heads, headDim, kvHeads, count } = checkReceived(q, segments, options)
    const received = new Float64Array(kvHeads * count)
    const [from, [first, ...others]] = [numbers(q), segments.map(runOf)]
    for (let i = 0; i < n; i++) {
      pause()
      for (let head = 0; head < heads; head++) {
        const kvHead = Math.floor(head / (heads / kvHeads))
        const start = (i * heads + head) * headDim
        const query = { from, start, headDim, number: i, index: options.firstIndex + i, scale: options.scale }
        const sight: Sight = { logits: [], values: [], keys: [] }
        if (first) look(query, first, kvHead, sight)
        const seen = sight.keys.slice()
        for (const run of others) look(query, run, kvHead, sight)
        const weights = softmax(sight.logits)
        for (const [j, key] of seen.entries()) {
          const [at, weight] = [kvHead * count + key, weights[j] as number]
          const before = received[at] as number
          received[at] = options.reduce === 'sum' ? before + weight : Math.max(before, weight)
        }
      }
    }
    const out = pool.take([kvHeads, count], 'f32')
    out.data.set(received)
    return out
  },

  chunkAttentionMass(q, k, options) {
    const { n, heads, headDim, kvHeads } = checkChunkMass(q, k, options)
    const mass = new Float64Array(kvHeads * n)
    const [queries, keys] = [numbers(q), numbers(k)]
    for (let i = 0; i < n; i++) {
      pause()
      const first = i - (i % options.chunkTokens)
      const end = Math.min(first + options.chunkTokens, n)
      for (let head = 0; head < heads; head++) {
        const kvHead = Math.floor(head / (heads / kvHeads))
        const query = { from: queries, start: (i * heads + head) * headDim }
        const logits: number[] = []
        for (let j = first; j < end; j++)
          logits.push(dot(query, { from: keys, start: (j * kvHeads + kvHead) * headDim }, headDim) * options.scale)
        const at = kvHead * n + first
        for (const [j, weight] of softmax(logits).entries()) mass[at + j] = (mass[at + j] as number) + weight
      }
    }
    const out = pool.take([kvHeads, n], 'f32')
    out.data.set(mass)
    return out
  },
})

const dot = (a: Row, b: Row, count: number): number => {
  let sum = 0
  for (let i = 0; i < count; i++) sum += (a.from[a.start + i] as number) * (b.from[b.start + i] as number)
  return sum
}

/** A segment with its tensors as numbers. */
interface Run {
  readonly k: Float32Array
  readonly v: Float32Array
  readonly bias: Float32Array | undefined
  readonly segment: Segment
}

const runOf = (segment: Segment): Run => ({
  k: numbers(segment.k),
  v: numbers(segment.v),
  bias: segment.bias && numbers(segment.bias),
  segment,
})

interface Query extends Row {
  readonly headDim: number
  readonly number: number
  readonly index: number
  readonly scale: number
}

/** Adds the keys of a segment that count for a query. */
const look = (query: Query, { k, v, bias, segment }: Run, kvHead: number, sight: Sight): void => {
  const { starts, counts, causalFrom, window = Number.POSITIVE_INFINITY, firstQuery = 0, queryCount } = segment
  if (query.number < firstQuery || query.number >= firstQuery + (queryCount ?? Number.POSITIVE_INFINITY)) return
  for (let j = 0; j < (counts[kvHead] ?? 0); j++) {
    if (causalFrom !== undefined && causalFrom + j > query.index) return
    if (causalFrom !== undefined && causalFrom + j <= query.index - window) continue
    const row = (starts[kvHead] ?? 0) + j
    const start = row * query.headDim
    const logit = dot(query, { from: k, start }, query.headDim) * query.scale + (bias?.[row] ?? 0)
    if (logit === Number.NEGATIVE_INFINITY) continue
    sight.logits.push(logit)
    sight.values.push({ from: v, start })
    sight.keys.push(j)
  }
}
