/**
 * The two softmax ops of the reference: attention over segments, and the attention each key receives inside its chunk.
 *
 * Rules for what is not finite: a key that is hidden, or whose logit is −∞, does not count, whatever its value holds. A
 * query that counts no key gets zeros. A logit of NaN or +∞ makes that query head's output NaN; a value that is not
 * finite makes that component of the output not finite.
 */
import { checkAttend, checkChunkMass } from './checks.ts'
import type { Ops, Segment } from './ops.ts'
import { reader, type Workplace } from './reference.ts'

/** A key that counts for a query: its logit and where its value is. */
interface Seen {
  readonly logit: number
  readonly value: (d: number) => number
}

export const referenceAttention = ({ pool, pause }: Workplace): Pick<Ops, 'attend' | 'chunkAttentionMass'> => ({
  attend(q, segments, options) {
    const { n, heads, headDim, kvHeads } = checkAttend(q, segments, options)
    const out = pool.take([n, heads, headDim], 'f32')
    const at = reader(q)
    for (let i = 0; i < n; i++) {
      pause()
      for (let head = 0; head < heads; head++) {
        const start = (i * heads + head) * headDim
        const kvHead = Math.floor(head / (heads / kvHeads))
        const query = Array.from({ length: headDim }, (_, d) => at(start + d))
        const seen = segments.flatMap((segment) =>
          look(query, segment, { kvHead, scale: options.scale, index: options.firstIndex + i }),
        )
        const weights = softmax(seen.map((key) => key.logit))
        for (let d = 0; d < headDim; d++)
          out.data[start + d] = seen.reduce((sum, key, j) => sum + (weights[j] ?? 0) * key.value(d), 0)
      }
    }
    return out
  },

  chunkAttentionMass(q, k, options) {
    const { n, heads, headDim, kvHeads } = checkChunkMass(q, k, options)
    const mass = new Float64Array(kvHeads * n)
    const [queryAt, keyAt] = [reader(q), reader(k)]
    for (let i = 0; i < n; i++) {
      pause()
      const first = i - (i % options.chunkTokens)
      const count = Math.min(options.chunkTokens, n - first)
      for (let head = 0; head < heads; head++) {
        const kvHead = Math.floor(head / (heads / kvHeads))
        const logits = Array.from({ length: count }, (_, j) => {
          let dot = 0
          for (let d = 0; d < headDim; d++)
            dot += queryAt((i * heads + head) * headDim + d) * keyAt(((first + j) * kvHeads + kvHead) * headDim + d)
          return dot * options.scale
        })
        for (const [j, weight] of softmax(logits).entries())
          mass[kvHead * n + first + j] = (mass[kvHead * n + first + j] ?? 0) + weight
      }
    }
    const out = pool.take([kvHeads, n], 'f32')
    out.data.set(mass)
    return out
  },
})

/** The keys of a segment that count for a query. */
const look = (
  query: readonly number[],
  segment: Segment,
  { kvHead, scale, index }: { kvHead: number; scale: number; index: number },
): Seen[] => {
  const { starts, counts, causalFrom } = segment
  const [k, v, bias] = [reader(segment.k), reader(segment.v), segment.bias ? reader(segment.bias) : () => 0]
  const seen: Seen[] = []
  for (let j = 0; j < (counts[kvHead] ?? 0); j++) {
    if (causalFrom !== undefined && causalFrom + j > index) break
    const row = (starts[kvHead] ?? 0) + j
    const dot = query.reduce((sum, x, d) => sum + x * k(row * query.length + d), 0)
    const logit = dot * scale + bias(row)
    if (logit !== Number.NEGATIVE_INFINITY) seen.push({ logit, value: (d) => v(row * query.length + d) })
  }
  return seen
}

/** All logits of −∞ give weights of 0; NaN or +∞ anywhere gives NaN. */
const softmax = (logits: readonly number[]): number[] => {
  const largest = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
  const weights = logits.map((logit) => (logit === Number.NEGATIVE_INFINITY ? 0 : Math.exp(logit - largest)))
  const sum = weights.reduce((a, b) => a + b, 0)
  return weights.map((weight) => (sum === 0 ? 0 : weight / sum))
}
