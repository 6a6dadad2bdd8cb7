/**
 * What the ops of other methods and of comparing distributions cost: attentionReceived against attention itself,
 * expectedAttention against leverage, softmax and describeRows against reading and copying their logits. Times are of
 * one thread's processor, so that other processes disturb little, and the two of a share are measured in turn.
 * Options: --tokens 2048,8192.
 */
import { parseArgs } from 'node:util'
import { loadBinding } from '../src/backends/binding.ts'
import { createNativeOps, type NativeOps } from '../src/backends/native.ts'
import type { Ops, Segment, Tensor } from '../src/backends/ops.ts'
import { CompactorError } from '../src/error.ts'
import { machine, machineLine } from '../src/eval/machine.ts'
import { median, spread, table } from './table.ts'

// The attention of qwen2.5-coder-0.5b.
const [heads, kvHeads, headDim] = [14, 2, 64]
const [rowCount, vocabulary] = [64, 151_936]
const window = 64 // queries at the end of the document, as SnapKV has them
const rounds = 7

export const run = (args: string[]): void => {
  const { values } = parseArgs({ args, options: { tokens: { type: 'string', default: '2048,8192' } } })
  const ops = createNativeOps({ threads: 1 })
  const tokenCounts = values.tokens.split(',').map(Number)
  console.log(`${machineLine(machine())}, 1 thread, kernels ${ops.isa}\n`)
  const shape = `${heads} heads, ${kvHeads} KV heads of ${headDim}`
  console.log(
    `${table(
      [shape, 'ms a layer', 'GFLOP/s', 'of what', 'times'],
      tokenCounts.flatMap((n) => scores(ops, n)),
    )}\n`,
  )
  console.log(table([`${rowCount} rows of ${vocabulary}`, 'ms', 'GB/s', 'of what', 'times'], rows(ops)))
  ops.dispose()
}

const scores = (ops: Ops, tokens: number): string[][] => {
  const [q, k] = [random(ops, [tokens, heads, headDim]), random(ops, [tokens, kvHeads, headDim])]
  const rotation = random(ops, [headDim, headDim])
  const segments = [causal(ops, k)]
  const operations = (queries: number): number => 4 * heads * headDim * queries * (tokens - (queries - 1) / 2)
  const attention = (queries: number): string[][] => {
    const options = { scale: headDim ** -0.5, firstIndex: tokens - queries }
    const last = ops.slice(q, tokens - queries, queries)
    return (['sum', 'max'] as const).map((reduce) =>
      against(`attentionReceived, ${reduce}, ${queries} queries, ${tokens} keys`, operations(queries), 'attend', {
        one: () => ops.attentionReceived(last, segments, { ...options, reduce }),
        other: () => ops.attend(last, segments, options),
        ops,
      }),
    )
  }
  // Covariance and quadratic form, each one triangle.
  const expected = against(`expectedAttention, ${tokens}`, 2 * heads * tokens * headDim ** 2, 'leverage', {
    one: () => ops.expectedAttention(q, k, { rotation, scale: headDim ** -0.5, first: 4 }),
    other: () => ops.leverage(k, { ridge: 1e-2 }),
    ops,
  })
  return [...attention(window), ...attention(tokens), expected]
}

const rows = (ops: NativeOps): string[][] => {
  const loaded = loadBinding()
  if ('reason' in loaded) throw new CompactorError('backend-unavailable', loaded.reason)
  const x = random(ops, [rowCount, vocabulary])
  const weights = random(ops, [rowCount, vocabulary])
  const copy = ops.zeros(x.shape, 'f32')
  const picks = new Uint32Array(rowCount)
  const bytes = rowCount * vocabulary * 4
  const pool = loaded.binding.createPool(1, ops.isa)
  const readable = new Uint8Array(2 * bytes).fill(1)
  return [
    against('softmax', 2 * bytes, 'copying', { one: () => ops.softmax(x), other: () => ops.copy(copy, x), ops }),
    against('describeRows', 2 * bytes, 'reading', {
      one: () => ops.describeRows(x, weights, picks),
      other: () => loaded.binding.measureRead(pool, readable),
      ops,
    }),
  ]
}

interface Pair {
  readonly ops: Ops
  readonly one: () => unknown
  readonly other: () => unknown
}

/** One row of a table: `work` (operations or bytes) of `one` by time, and its time in times of `other`. */
const against = (name: string, work: number, otherName: string, { ops, one, other }: Pair): string[] => {
  const times: number[] = []
  const ratios: number[] = []
  for (let round = 0; round <= rounds; round++) {
    const time = seconds(() => ops.scope(one))
    const ratio = time / seconds(() => ops.scope(other))
    if (round === 0) continue // warm-up
    times.push(time)
    ratios.push(ratio)
  }
  const milli = spread(times.map((time) => time * 1000))
  return [name, milli, (work / median(times) / 1e9).toFixed(1), otherName, spread(ratios, 2)]
}

const seconds = (body: () => void): number => {
  const start = process.cpuUsage()
  body()
  const { user, system } = process.cpuUsage(start)
  return (user + system) / 1e6
}

/** The document's keys as halves, one run for each head. */
const causal = (ops: Ops, k: Tensor): Segment => {
  const [tokens = 0] = k.shape
  const rowsOfHeads = ops.zeros([kvHeads, tokens, headDim], 'f16')
  ops.store([rowsOfHeads], 0, [k])
  const keys = ops.reshape(rowsOfHeads, [kvHeads * tokens, headDim])
  const starts = Uint32Array.from({ length: kvHeads }, (_, head) => head * tokens)
  return { k: keys, v: keys, starts, counts: new Uint32Array(kvHeads).fill(tokens), causalFrom: 0 }
}

const random = (ops: Ops, shape: readonly number[]): Tensor =>
  ops.from(
    Float32Array.from({ length: shape.reduce((count, size) => count * size, 1) }, () => Math.random() * 2 - 1),
    shape,
  )
