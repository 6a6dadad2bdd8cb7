/**
 * How much of a document's tokens queries see through a block: the attention that every kept pair receives, as in decoding,
 * told by token. Not here: whose queries, and what follows from it (sources.ts).
 */
import type { Ops, Segment, Tensor } from '../backends/ops.ts'
import { type Block, type Piece, sum } from '../cache/block.ts'
import type { Control } from './control.ts'
import type { Look, Sequence } from './sequence.ts'

/** Rows of the ids that are read. */
export interface Span {
  readonly from: number
  readonly count: number
}

export interface Observation {
  /** Stands behind the block; takes the ids in. */
  readonly sequence: Sequence
  readonly ids: Uint32Array
  readonly spans: readonly Span[]
}

/**
 * Each span's mean over its queries of the attention paid to each token, summed over query heads and layers; layers with a
 * sliding window do not count. → [span][documentTokens]. Throws CompactorError('aborted').
 */
export const documentAttention = async (
  ops: Ops,
  block: Block,
  { sequence, ids, spans }: Observation,
  control: Control,
): Promise<Float64Array[]> => {
  const attention = spans.map(() => new Float64Array(block.documentTokens))
  const reads: Promise<void>[] = []
  const begun = sequence.length
  sequence.watch(ids, control, (look) => {
    if (block.shape.windows?.[look.layer] !== undefined) return
    const row = sequence.length - begun // of the first query
    for (let head = 0; head < block.shape.kvHeadCount; head++) {
      const kept = keptOf(ops, block, look.layer, head)
      if (!kept) continue
      for (const [index, { from, count }] of spans.entries()) {
        const [first, end] = [Math.max(from, row), Math.min(from + count, row + rowsOf(look))]
        if (first >= end) continue
        const received = receivedBy(ops, block, { look, head, kept, from: first - row, count: end - first })
        reads.push(
          ops.read(received).then((masses) => {
            const into = attention[index] as Float64Array
            kept.positions.forEach((token, i) => {
              into[token] = (into[token] ?? 0) + (masses[i] ?? 0) / count
            })
          }),
        )
      }
    }
  })
  await Promise.all(reads)
  return attention
}

const rowsOf = ({ q }: Look): number => q.shape[0] ?? 0

/** The kept pairs of one head as one run. */
interface Kept {
  readonly segment: Segment
  readonly positions: Uint32Array // [rows], from the document's first token
}

const keptOf = (ops: Ops, { tiers, shape }: Block, layer: number, head: number): Kept | undefined => {
  const runs = tiers.flatMap((tier) => {
    const piece = tier[layer]
    const [start, count] = [piece?.starts[head] ?? 0, piece?.counts[head] ?? 0]
    return piece && count > 0 ? [{ piece, start, count }] : []
  })
  const rows = sum(runs.map(({ count }) => count))
  if (rows === 0) return undefined
  const k = ops.zeros([rows, shape.headDim], shape.precision)
  const bias = runs.some(({ piece }) => piece.bias) ? ops.zeros([rows], 'f32') : undefined
  const positions = new Uint32Array(rows)
  let at = 0
  for (const { piece, start, count } of runs) {
    ops.copy(ops.slice(k, at, count), ops.slice(piece.k, start, count))
    if (bias && piece.bias) ops.copy(ops.slice(bias, at, count), ops.slice(piece.bias, start, count))
    positions.set(piece.positions.subarray(start, start + count), at)
    at += count
  }
  const run = { k, v: k, starts: Uint32Array.of(0), counts: Uint32Array.of(rows) } // values are not read
  return { segment: bias ? { ...run, bias } : run, positions }
}

/** → [1, kept pairs], summed over queries and the query heads of one KV head */
const receivedBy = (
  ops: Ops,
  { headPart, shape }: Block,
  { look, head, kept, from, count }: { readonly look: Look; readonly head: number; readonly kept: Kept } & Span,
): Tensor => {
  const { headDim, kvHeadCount } = shape
  const { layer, q, own, firstIndex } = look
  const heads = q.shape[1] ?? 0
  const group = heads / kvHeadCount
  const picks = Uint32Array.from(
    { length: count * group },
    (_, i) => (from + Math.floor(i / group)) * heads + head * group + (i % group),
  )
  const rows = ops.gather(ops.reshape(q, [rowsOf(look) * heads, headDim]), picks)
  const before = headPart[layer]
  const others = [...(before && sum(before.counts) > 0 ? [before] : []), ...own].map((segment) =>
    oneHead(segment, head),
  )
  return ops.attentionReceived(ops.reshape(rows, [count, group, headDim]), [kept.segment, ...others], {
    scale: 1 / Math.sqrt(headDim),
    firstIndex: firstIndex + from,
    reduce: 'sum',
  })
}

const oneHead = <S extends Segment | Piece>(segment: S, head: number): S => ({
  ...segment,
  starts: segment.starts.subarray(head, head + 1),
  counts: segment.counts.subarray(head, head + 1),
})
