/**
 * The next tokens of several sequences through the model: its weights are read once for all of them, and a document that
 * sequences share once for all of these.
 */
import { mostSegments, type Ops, type Segment, type Tensor } from '../backends/ops.ts'
import type { Attend, Attention, Model } from '../models/model.ts'
import type { Control } from './control.ts'
import type { Sequence, Sight } from './sequence.ts'

export interface Part {
  readonly sequence: Sequence // each once
  readonly ids: Uint32Array // at least one
  /**
   * The sequence has no tokens yet, and these rows of the step (all parts' ids, one after another) hold its first ones, which
   * another sequence over the same block begins with too: they are computed there, and `ids` are the tokens behind them.
   */
  readonly copies?: Uint32Array
}

/**
 * The next tokens of several sequences through all layers; room for the tokens was reserved. Sequences over one block should
 * stand side by side. Call inside `ops.scope`. → hidden states [all ids, dim], part after part
 */
export const forward = (ops: Ops, model: Model, parts: readonly Part[]): Tensor => {
  const { layerCount, headCount, headDim } = model.config
  const ids = joined(parts.map((part) => part.ids))
  for (const { sequence, copies } of parts) sequence.advance(copies?.length ?? 0)
  const positions = joined(parts.map(({ sequence, ids: { length } }) => sequence.positions(length)))
  const attend: Attend = (layer, attention) => {
    const calls = callsOf(ops, layer, parts, attention)
    const [only] = calls
    if (calls.length === 1 && only) return attendCall(ops, model, attention.rotated.q, only)
    const out = ops.zeros([ids.length, headCount, headDim], 'f32')
    for (const call of calls) {
      const q = ops.slice(attention.rotated.q, call.start, call.count)
      ops.copy(ops.slice(out, call.start, call.count), attendCall(ops, model, q, call))
    }
    return out
  }
  const x = model.embed(ids)
  // A scope for each layer: its inner values are given back before the next.
  for (let layer = 0; layer < layerCount; layer++)
    ops.scope(() => ops.copy(x, model.layer(layer, x, positions, attend) as Tensor))
  for (const { sequence, ids: own } of parts) sequence.advance(own.length)
  return x
}

/** Queries that one call of `attend` computes: tokens `start` to `start` + `count` of all parts. */
interface Call {
  readonly start: number
  readonly count: number
  readonly segments: readonly Segment[]
  readonly firstIndex: number
}

const attendCall = (ops: Ops, model: Model, q: Tensor, { segments, firstIndex }: Call): Tensor =>
  ops.attend(q, segments, { scale: 1 / Math.sqrt(model.config.headDim), firstIndex })

/** Takes in keys and values of all parts; one call for each stretch of parts of one token over the same block. */
const callsOf = (ops: Ops, layer: number, parts: readonly Part[], { rotated, v }: Attention): Call[] => {
  let start = 0
  const placed = parts.map(({ sequence, ids: { length: count }, copies }): Placed => {
    if (copies) sequence.append(layer, { k: rowsOf(ops, rotated.k, copies), v: rowsOf(ops, v, copies) })
    const cut = (tensor: Tensor): Tensor => ops.slice(tensor, start, count)
    const [q, k, ownV] = parts.length === 1 ? [rotated.q, rotated.k, v] : [cut(rotated.q), cut(rotated.k), cut(v)]
    sequence.append(layer, { k, v: ownV })
    start += count
    return { sequence, start: start - count, count, ...sequence.look(layer, q) }
  })
  return stretchesOf(placed).map(callOf)
}

/** x [n, kvHeads, headDim] → [picks, kvHeads, headDim] */
const rowsOf = (ops: Ops, x: Tensor, picks: Uint32Array): Tensor => {
  const [n = 0, ...row] = x.shape
  const width = row.reduce((product, size) => product * size, 1)
  return ops.reshape(ops.gather(ops.reshape(x, [n, width]), picks), [picks.length, ...row])
}

interface Placed extends Sight {
  readonly sequence: Sequence
  readonly start: number
  readonly count: number
}

/**
 * One token each, over one block. A part of several has a call of its own, which costs little more (1.1 to 1.4 times the attention
 * of 12 questions) and rounds as if the part were alone: a question is the same bits beside others.
 */
const areTogether = (a: Placed, b: Placed): boolean =>
  a.count === 1 && b.count === 1 && a.sequence.sharesBlock(b.sequence)

const stretchesOf = (parts: readonly Placed[]): Placed[][] => {
  const stretches: Placed[][] = []
  let room = 0
  for (const part of parts) {
    const last = stretches.at(-1)
    room -= part.own.length
    const [first] = last ?? []
    if (last && first && room >= 0 && areTogether(first, part)) last.push(part)
    else {
      stretches.push([part])
      room = mostSegments - part.shared.length - part.own.length
    }
  }
  return stretches
}

/** Indices of each part are moved so that its first token's is what it would be if all parts were one sequence. */
const callOf = (parts: readonly Placed[]): Call => {
  const [first, ...others] = parts as readonly [Placed, ...Placed[]]
  if (others.length === 0) return { ...first, segments: [...first.shared, ...first.own] }
  const firstIndex = Math.max(...parts.map((part) => part.firstIndex))
  const own = parts.flatMap(({ start, count, firstIndex: index, own }) => {
    const firstQuery = start - first.start
    const moved = firstIndex + firstQuery - index
    return own.map((segment) => ({
      ...segment,
      causalFrom: (segment.causalFrom ?? 0) + moved,
      firstQuery,
      queryCount: count,
    }))
  })
  const count = parts.reduce((sum, part) => sum + part.count, 0)
  return { start: first.start, count, segments: [...first.shared, ...own], firstIndex }
}
/** Rows of logits that the backend holds at once. */
const mostLogitRows = 64

/**
 * The next tokens of several sequences through the model → the logits after the last token of each part [vocabulary], or of
 * those that `of` names, in their order. Call outside `ops.scope`.
 */
export async function* logitsAfter<P extends Part>(
  ops: Ops,
  model: Model,
  {
    parts,
    control,
    of = () => true,
  }: { readonly parts: readonly P[]; readonly control: Control; readonly of?: (part: P) => boolean },
): AsyncGenerator<Float32Array> {
  control.check()
  for (const { sequence, ids, copies } of parts) sequence.reserve(ids.length + (copies?.length ?? 0))
  let end = 0
  const rows = parts.flatMap((part) => {
    end += part.ids.length
    return of(part) ? [end - 1] : []
  })
  const reads = ops.scope(() => {
    const x = forward(ops, model, parts)
    return Array.from({ length: Math.ceil(rows.length / mostLogitRows) }, (_, i) => {
      const picks = Uint32Array.from(rows.slice(i * mostLogitRows, (i + 1) * mostLogitRows))
      const logits = model.logits(ops.gather(x, picks))
      // Each row by itself: megabytes in one piece are new memory every time, which takes ten times as long as the copy.
      return Array.from(picks, (_, row) => ops.read(ops.slice(logits, row, 1)))
    }).flat()
  })
  for (const read of reads) yield (await read) as Float32Array
}

const joined = (arrays: readonly Uint32Array[]): Uint32Array => {
  const [only] = arrays
  if (arrays.length === 1 && only) return only
  const all = new Uint32Array(arrays.reduce((sum, { length }) => sum + length, 0))
  let start = 0
  for (const array of arrays) {
    all.set(array, start)
    start += array.length
  }
  return all
}
