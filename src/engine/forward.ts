/**
 * The next tokens of several sequences through the model: its weights are read once for all of them, and a document that
 * sequences share once for all of these.
 */
import { mostSegments, type Ops, type Segment, type Tensor } from '../backends/ops.ts'
import type { Attend, Attention, Model } from '../models/model.ts'
import type { Control } from './control.ts'
import type { Sequence, Sight } from './sequence.ts'

/**
 * Products of up to so many tokens have the same bits for each, whatever the others are; so have those of many tokens.
 */
export const rowTokens = 3

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
 * stand side by side. `asAlone`: each part's attention is what it would be without the others, to the bit. Call inside
 * `ops.scope`. → hidden states [all ids, dim], part after part
 */
export const forward = (ops: Ops, model: Model, parts: readonly Part[], asAlone = false): Tensor => {
  const { layerCount, headCount, headDim } = model.config
  const ids = joined(parts.map((part) => part.ids))
  for (const { sequence, copies } of parts) sequence.advance(copies?.length ?? 0)
  const positions = joined(parts.map(({ sequence, ids: { length } }) => sequence.positions(length)))
  const [only] = parts
  const attend: Attend = (layer, attention) => {
    if (only && parts.length === 1 && !only.copies) return attendOne(ops, model, layer, only.sequence, attention)
    const placed = placesOf(ops, layer, parts, attention)
    const calls = asAlone ? placed.map(aloneCall) : stretchesOf(placed).map(callOf)
    const [single] = calls
    if (calls.length === 1 && single) return attendCall(ops, model, attention.rotated.q, single)
    const out = ops.zeros([ids.length, headCount, headDim], 'f32')
    for (const call of calls) {
      const { start, count, before } = call
      const attended = attendCall(ops, model, queriesOf(ops, attention.rotated.q, call), call)
      ops.copy(ops.slice(out, start, count), ops.slice(attended, before.length, count))
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
  /** Tokens that are asked about once more, before these: attention rounds by how many queries a call has. */
  readonly before: Uint32Array
  readonly segments: readonly Segment[]
  readonly firstIndex: number // of the first query
}

const queriesOf = (ops: Ops, q: Tensor, { start, count, before }: Call): Tensor =>
  before.length === 0
    ? ops.slice(q, start, count)
    : rowsOf(ops, q, joined([before, Uint32Array.from({ length: count }, (_, i) => start + i)]))

const attendCall = (
  ops: Ops,
  model: Model,
  q: Tensor,
  { segments, firstIndex }: Pick<Call, 'segments' | 'firstIndex'>,
): Tensor => ops.attend(q, segments, { scale: 1 / Math.sqrt(model.config.headDim), firstIndex })

/** The most frequent case in few words, as it is asked for each layer of each token. */
const attendOne = (ops: Ops, model: Model, layer: number, sequence: Sequence, { rotated, v }: Attention): Tensor => {
  sequence.append(layer, { k: rotated.k, v })
  const { shared, own, firstIndex } = sequence.look(layer, rotated.q)
  return attendCall(ops, model, rotated.q, { segments: [...shared, ...own], firstIndex })
}

/** Takes in keys and values of all parts. */
const placesOf = (ops: Ops, layer: number, parts: readonly Part[], { rotated, v }: Attention): Placed[] => {
  let start = 0
  return parts.map(({ sequence, ids: { length: count }, copies = noCopies }) => {
    if (copies.length > 0) sequence.append(layer, { k: rowsOf(ops, rotated.k, copies), v: rowsOf(ops, v, copies) })
    const cut = (tensor: Tensor): Tensor => ops.slice(tensor, start, count)
    sequence.append(layer, { k: cut(rotated.k), v: cut(v) })
    const { shared, own, firstIndex } = sequence.look(layer, cut(rotated.q))
    start += count
    return { sequence, start: start - count, count, copies, shared, own, firstIndex }
  })
}

const noCopies = new Uint32Array()

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
  readonly copies: Uint32Array
}

/** Of all its tokens, those that another part computes too. */
const aloneCall = ({ start, count, shared, own, copies: before, firstIndex }: Placed): Call => ({
  start,
  count,
  before,
  segments: [...shared, ...own],
  firstIndex: firstIndex - before.length,
})

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

/** One for a stretch. Indices of each part are moved so that its first token's is what it would be if all were one sequence. */
const callOf = (parts: readonly Placed[]): Call => {
  const [first] = parts as readonly [Placed, ...Placed[]]
  if (parts.length === 1) return aloneCall({ ...first, copies: noCopies })
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
  return { start: first.start, count, before: noCopies, segments: [...first.shared, ...own], firstIndex }
}

/** Rows of logits that the backend holds at once. */
const mostLogitRows = 64

/** What comes after a token: logits [vocabulary], or only which of them is the largest. */
export type Prediction = Float32Array | number

interface PredictionsWanted<P extends Part> {
  readonly parts: readonly P[]
  readonly control: Control
  /** Default: after the last token of every part. */
  readonly of?: (part: P) => boolean
  /** Of these the largest logit's index is enough, for which 4 bytes are read instead of 4 a token of the vocabulary. Default: of none. */
  readonly indexOnly?: (part: P) => boolean
  /** The same bits as from each part in a step of its own, where the parts may share a step (step-parts.ts). */
  readonly asAlone?: boolean
}

/**
 * The next tokens of several sequences through the model → what comes after the last token of each part, or of
 * those that `of` names, in their order. Call outside `ops.scope`.
 */
export async function* predict<P extends Part>(
  ops: Ops,
  model: Model,
  { parts, control, of = () => true, indexOnly = () => false, asAlone = false }: PredictionsWanted<P>,
): AsyncGenerator<Prediction> {
  control.check()
  for (const { sequence, ids, copies } of parts) sequence.reserve(ids.length + (copies?.length ?? 0))
  let end = 0
  const rows = parts.flatMap((part) => {
    end += part.ids.length
    return of(part) ? [{ row: end - 1, isIndex: indexOnly(part) }] : []
  })
  const reads = ops.scope(() => {
    const x = forward(ops, model, parts, asAlone)
    const atOnce = asAlone ? rowTokens : mostLogitRows
    return Array.from({ length: Math.ceil(rows.length / atOnce) }, (_, i) => {
      const wanted = rows.slice(i * atOnce, (i + 1) * atOnce)
      const logits = model.logits(
        ops.gather(
          x,
          Uint32Array.from(wanted, ({ row }) => row),
        ),
      )
      const indices = wanted.some(({ isIndex }) => isIndex) ? ops.read(ops.argmax(logits)) : undefined
      // Each row by itself: megabytes in one piece are new memory every time, which takes ten times as long as the copy.
      return wanted.map(({ isIndex }, row) =>
        indices && isIndex ? indices.then((read) => read[row]) : ops.read(ops.slice(logits, row, 1)),
      )
    }).flat()
  })
  for (const read of reads) yield (await read) as Prediction
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
