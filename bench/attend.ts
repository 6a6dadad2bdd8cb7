/**
 * What attention and scoring cost: attention of a whole document against the f32 multiply-add peak, attention of one
 * new token against plain reading, and attention mass and leverage against the layer's matrix products.
 * Each share is of two things measured in turn in the same run. Options: --threads N (2), --tokens 2048,8192,
 * --model qwen2.5-coder-0.5b|smollm2-135m, --activations int8|f32.
 */
import { parseArgs } from 'node:util'
import { loadBinding, type PoolHandle } from '../src/backends/binding.ts'
import { createNativeOps } from '../src/backends/native.ts'
import type { Ops, Segment, Tensor, WeightType } from '../src/backends/ops.ts'
import { blockLayout } from '../src/backends/tensor.ts'
import { machine, machineLine } from '../src/eval/machine.ts'
import { median, spread, table } from './table.ts'

interface Shape {
  readonly heads: number
  readonly kvHeads: number
  readonly headDim: number
  readonly dim: number
  readonly inner: number
  readonly types: { readonly attention: WeightType; readonly up: WeightType; readonly down: WeightType }
}

const shapes: Readonly<Record<string, Shape>> = {
  'qwen2.5-coder-0.5b': {
    heads: 14,
    kvHeads: 2,
    headDim: 64,
    dim: 896,
    inner: 4864,
    types: { attention: 'Q5_0', up: 'Q5_0', down: 'Q4_K' },
  },
  'smollm2-135m': {
    heads: 9,
    kvHeads: 3,
    headDim: 64,
    dim: 576,
    inner: 1536,
    types: { attention: 'Q4_1', up: 'Q4_1', down: 'Q4_1' },
  },
}

const rounds = 5
const productTokens = 256 // the layer's products are timed on this many and scaled: their rate no longer depends on it
const readableBytes = 2 ** 28

interface Bench {
  readonly ops: Ops
  readonly peak: () => number // floating-point operations per second
  readonly reading: () => number // bytes per second
}

export const run = (args: string[]): void => {
  const { values } = parseArgs({
    args,
    options: {
      threads: { type: 'string', default: '2' },
      tokens: { type: 'string', default: '2048,8192' },
      model: { type: 'string' },
      activations: { type: 'string', default: 'int8' },
    },
  })
  const ops = createNativeOps({
    threads: Number(values.threads),
    activations: values.activations === 'f32' ? 'f32' : 'int8',
  })
  const bench = { ops, ...measureMachine(Number(values.threads), ops.isa) }
  console.log(`${machineLine(machine())}, ${values.threads} threads, kernels ${ops.isa}\n`)
  const chosen = Object.entries(shapes).filter(([name]) => !values.model || name === values.model)
  const tokenCounts = values.tokens.split(',').map(Number)
  console.log(`${wholeDocument(bench, chosen, tokenCounts)}\n`)
  console.log(`${oneToken(bench, chosen, tokenCounts)}\n`)
  console.log(scoring(bench, chosen, tokenCounts))
  ops.dispose()
}

const measureMachine = (threads: number, isa: string): Omit<Bench, 'ops'> => {
  const loaded = loadBinding()
  if ('reason' in loaded) throw new Error(loaded.reason)
  const { binding } = loaded
  const pool: PoolHandle = binding.createPool(threads, isa)
  const readable = new Uint8Array(readableBytes).fill(1)
  return {
    peak: () => {
      let operations = 0
      const time = seconds(() => {
        operations = binding.measureFma(pool, 4000)
      })
      return operations / time
    },
    reading: () => readableBytes / seconds(() => binding.measureRead(pool, readable)),
  }
}

type Chosen = readonly (readonly [string, Shape])[]

const wholeDocument = ({ ops, peak }: Bench, chosen: Chosen, tokenCounts: readonly number[]): string =>
  table(
    ['attention, all tokens', 'ms a layer', 'GFLOP/s', 'of f32 peak', "of the layer's products"],
    pairs(chosen, tokenCounts).map(([name, shape, tokens]) => {
      const attend = attention(ops, shape, { tokens, queries: tokens })
      const products = layerProducts(ops, shape)
      const operations = 4 * shape.heads * shape.headDim * ((tokens * (tokens + 1)) / 2)
      const [times, shares, costs] = measure(() => {
        const best = peak()
        const time = seconds(attend)
        return [time, operations / time / best, time / ((seconds(products) / productTokens) * tokens)]
      })
      const rates = times.map((time) => operations / time / 1e9)
      return [
        `${name}, ${tokens}`,
        spread(times.map(milli), 0),
        median(rates).toFixed(1),
        percent(shares),
        percent(costs),
      ]
    }),
  )

const oneToken = ({ ops, reading }: Bench, chosen: Chosen, tokenCounts: readonly number[]): string =>
  table(
    ['attention, one token', 'µs a layer', 'GB/s', 'of reading'],
    pairs(chosen, tokenCounts).map(([name, shape, tokens]) => {
      const bytes = 2 * 2 * shape.kvHeads * shape.headDim * tokens
      const copies = Math.max(2, Math.ceil(2 ** 27 / bytes)) // more than any cache
      const layers = Array.from({ length: copies }, () => attention(ops, shape, { tokens, queries: 1 }))
      const [times, shares] = measure(() => {
        const best = reading()
        const time =
          seconds(() => {
            for (const attend of layers) attend()
          }) / copies
        return [time, bytes / time / best]
      })
      const rates = times.map((time) => bytes / time / 1e9)
      return [
        `${name}, ${tokens}`,
        spread(
          times.map((time) => time * 1e6),
          0,
        ),
        median(rates).toFixed(1),
        percent(shares),
      ]
    }),
  )

const scoring = ({ ops }: Bench, chosen: Chosen, tokenCounts: readonly number[]): string =>
  table(
    ['scores', 'mass ms', "of the layer's products", 'leverage ms', "of the layer's products"],
    pairs(chosen, tokenCounts).map(([name, shape, tokens]) => {
      const { heads, kvHeads, headDim } = shape
      const q = randomTensor(ops, [tokens, heads, headDim])
      const k = randomTensor(ops, [tokens, kvHeads, headDim])
      const sketch = randomTensor(ops, [headDim, 48])
      const products = layerProducts(ops, shape)
      const [mass, massCosts, leverage, leverageCosts] = measure(() => {
        const layer = (seconds(products) / productTokens) * tokens
        const massTime = seconds(() => ops.scope(() => ops.chunkAttentionMass(q, k, { chunkTokens: 256, scale: 1 })))
        const leverageTime = seconds(() => ops.scope(() => ops.leverage(k, { sketch, ridge: 5e-3 })))
        return [massTime, massTime / layer, leverageTime, leverageTime / layer]
      })
      return [
        `${name}, ${tokens}`,
        spread(mass.map(milli)),
        percent(massCosts),
        spread(leverage.map(milli)),
        percent(leverageCosts),
      ]
    }),
  )

const pairs = (chosen: Chosen, tokenCounts: readonly number[]): [string, Shape, number][] =>
  chosen.flatMap(([name, shape]) => tokenCounts.map((tokens): [string, Shape, number] => [name, shape, tokens]))

/** Causal attention of the last `queries` of `tokens` tokens, f16 keys and values. */
const attention = (ops: Ops, shape: Shape, { tokens, queries }: { tokens: number; queries: number }): (() => void) => {
  const { heads, kvHeads, headDim } = shape
  const half = (): Tensor => {
    const values = ops.zeros([kvHeads * tokens, headDim], 'f16')
    ops.copy(values, randomTensor(ops, [kvHeads * tokens, headDim]))
    return values
  }
  const segment: Segment = {
    k: half(),
    v: half(),
    starts: Uint32Array.from({ length: kvHeads }, (_, head) => head * tokens),
    counts: new Uint32Array(kvHeads).fill(tokens),
    causalFrom: 0,
  }
  const q = randomTensor(ops, [queries, heads, headDim])
  const options = { scale: 1 / Math.sqrt(headDim), firstIndex: tokens - queries }
  return () => {
    ops.scope(() => ops.attend(q, [segment], options))
  }
}

/** The seven matrix products of a layer over `productTokens` tokens. */
const layerProducts = (ops: Ops, { heads, kvHeads, headDim, dim, inner, types }: Shape): (() => void) => {
  const matrices: readonly (readonly [WeightType, number, number])[] = [
    [types.attention, heads * headDim, dim],
    [types.attention, kvHeads * headDim, dim],
    [types.attention, kvHeads * headDim, dim],
    [types.attention, dim, heads * headDim],
    [types.up, inner, dim],
    [types.up, inner, dim],
    [types.down, dim, inner],
  ]
  const products = matrices.map(([type, rows, columns]) => {
    const bytes = new Uint8Array((rows * columns * blockLayout[type].bytes) / blockLayout[type].values).fill(0x21)
    return { weight: ops.weight(type, [rows, columns], bytes), x: randomTensor(ops, [productTokens, columns]) }
  })
  return () => {
    ops.scope(() => products.map(({ x, weight }) => ops.matmul(x, weight)))
  }
}

const randomTensor = (ops: Ops, shape: readonly number[]): Tensor => {
  const count = shape.reduce((product, size) => product * size, 1)
  return ops.from(
    Float32Array.from({ length: count }, () => Math.random() * 2 - 1),
    shape,
  )
}

/** One warm round, then columns of what `rounds` rounds gave. */
const measure = <Row extends readonly number[] | []>(round: () => Row): { [Column in keyof Row]: number[] } => {
  round()
  const rows = Array.from({ length: rounds }, round)
  return (rows[0] ?? []).map((_, column) => rows.map((row) => row[column] as number)) as {
    [Column in keyof Row]: number[]
  }
}

const seconds = (body: () => void): number => {
  const start = performance.now()
  body()
  return (performance.now() - start) / 1000
}

const milli = (time: number): number => time * 1000

const percent = (shares: readonly number[]): string => `${(median(shares) * 100).toFixed(1)} %`
