/**
 * How far compressed memories are from the whole cache, without labels: teacher-forced on the whole cache's own answer,
 * the next-token distributions are compared at every token of it (KVzip's analysis, arXiv 2505.23416). Not here: answers
 * of the compressed memories themselves (answers.ts).
 */
import type { Ops, Tensor } from '../backends/ops.ts'
import { rowFigures } from '../backends/ops.ts'
import { forward } from '../engine/forward.ts'
import type { Sequence } from '../engine/sequence.ts'
import { type Answer, groupsOf, mostRows, slicesOf } from './answers.ts'
import type { Distance } from './result.ts'
import type { Subject } from './subject.ts'

/** A question as it is forced: its ids, then all tokens of the answer but the last. */
export interface Forced {
  readonly ids: Uint32Array
  readonly targets: Uint32Array // [rows] the answer's tokens, end included
}

/** The whole cache's expectation at each of the answer's tokens. Holds rows × vocabulary values. */
export interface Expected extends Forced {
  readonly probabilities: Tensor // [rows, vocabulary]
  readonly negativeEntropy: Float64Array // [rows] Σ p log p
  readonly best: Uint32Array // [rows] most likely tokens
}

const mostLogitRows = 64

export const forcedOf = (questionIds: Uint32Array, { tokens }: Answer): Forced => ({
  ids: Uint32Array.from([...questionIds, ...tokens.slice(0, -1)]),
  targets: Uint32Array.from(tokens),
})

/** What the whole cache expects. `sequence` stands before the question. */
export const expect = async (subject: Subject, sequence: Sequence, forced: Forced): Promise<Expected> => {
  const { ops, file } = subject
  const rows = forced.targets.length
  const probabilities = ops.zeros([rows, file.model.config.vocabularySize], 'f32')
  sequence.reserve(forced.ids.length)
  const read = ops.scope(() => {
    const x = forward(ops, file.model, [{ sequence, ids: forced.ids }])
    const logits = file.model.logits(ops.slice(x, forced.ids.length - rows, rows))
    ops.copy(probabilities, ops.softmax(logits))
    return ops.read(ops.describeRows(logits, probabilities, forced.targets))
  })
  const figures = figuresOf(await read)
  return {
    ...forced,
    probabilities,
    negativeEntropy: Float64Array.from(figures, ({ logSumExp, weighted }) => weighted - logSumExp),
    best: Uint32Array.from(figures, ({ best }) => best),
  }
}

/** The same from the answer's second token on, for sequences that stand behind the question; undefined if there is none. */
export const afterFirst = (ops: Ops, expected: Expected, { tokens }: Answer): Expected | undefined => {
  const rows = expected.targets.length - 1
  if (rows < 1) return undefined
  return {
    ids: Uint32Array.from(tokens.slice(0, -1)),
    targets: expected.targets.subarray(1),
    probabilities: ops.slice(expected.probabilities, 1, rows),
    negativeEntropy: expected.negativeEntropy.subarray(1),
    best: expected.best.subarray(1),
  }
}

/** Sequences stand before the question (or, read jointly, before the answer: `ids` begins later). → one for each */
export const distancesTo = async (
  subject: Subject,
  expected: Expected,
  sequences: readonly Sequence[],
): Promise<Distance[]> => {
  const { ids } = expected
  const found: Distance[] = []
  for (const group of groupsOf(sequences, () => ids.length, mostRows)) {
    subject.control.check()
    for (const sequence of group) sequence.reserve(ids.length)
    for (const figures of await describe(subject, expected, group)) found.push(distanceOf(expected, figures))
  }
  return found
}

/** Figures of the answer's rows for each sequence. */
const describe = async ({ ops, file }: Subject, expected: Expected, group: readonly Sequence[]): Promise<Row[][]> => {
  const { ids, targets, probabilities } = expected
  const rows = targets.length
  const reads = ops.scope(() => {
    const x = forward(
      ops,
      file.model,
      group.map((sequence) => ({ sequence, ids })),
    )
    const together = Math.max(1, Math.floor(mostLogitRows / rows))
    return [...slicesOf(group.length, together)].map(({ start, count }) =>
      ops.scope(() => {
        const picks = Uint32Array.from({ length: count * rows }, (_, i) => {
          const end = (start + Math.floor(i / rows) + 1) * ids.length
          return end - rows + (i % rows)
        })
        return ops.read(ops.describeRows(file.model.logits(ops.gather(x, picks)), probabilities, targets))
      }),
    )
  })
  const figures = (await Promise.all(reads)).flatMap(figuresOf)
  return group.map((_, i) => figures.slice(i * rows, (i + 1) * rows))
}

interface Row {
  readonly logSumExp: number
  readonly best: number
  readonly weighted: number // Σ p · logit
  readonly target: number // the target's logit
}

const figuresOf = (values: Float32Array | Uint16Array): Row[] =>
  Array.from({ length: values.length / rowFigures }, (_, i) => {
    const [logSumExp = 0, best = 0, weighted = 0, target = 0] = values.subarray(i * rowFigures, (i + 1) * rowFigures)
    return { logSumExp, best, weighted, target }
  })

const distanceOf = ({ negativeEntropy, best }: Expected, rows: readonly Row[]): Distance => {
  let [kl, flips, nll] = [0, 0, 0]
  for (const [i, row] of rows.entries()) {
    kl += Math.max(0, (negativeEntropy[i] ?? 0) - row.weighted + row.logSumExp)
    flips += row.best === best[i] ? 0 : 1
    nll += row.logSumExp - row.target
  }
  return { tokens: rows.length, kl, flips, nll }
}
