/**
 * How near matrix products come to what the machine gives: for many tokens rounded activations (8 bits, or bfloat16 with AMX)
 * and f32 against each other and the peak of the instructions that each is made of (with AVX2 8-bit products, of Q8_0 16-bit
 * ones), for few tokens bytes of weights per second against plain reading, each measured in turn in the same run. Many tokens
 * also as a layer has them: the feed-forward network in one go, and all products of a layer.
 * Options: --threads N (2), --tokens N (512), --few 1,2,4,8, --only TYPE, --isa ISA; for few tokens --activations int8|f32.
 */
import { parseArgs } from 'node:util'
import { type PoolHandle, weightTypes } from '../src/backends/binding.ts'
import { nativeAvailable } from '../src/backends/native.ts'
import type { WeightType } from '../src/backends/ops.ts'
import { machine, machineLine } from '../src/eval/machine.ts'
import {
  binding,
  bytesOf,
  type LayerMatrices,
  type Matrix,
  makeFeedForward,
  makeLayer,
  makeProduct,
  type Setting,
} from './products.ts'
import { median, table } from './table.ts'

const matrix = (type: WeightType, rowCount: number, columns: number): Matrix => ({ type, rowCount, columns })

/** Of qwen2.5-coder-0.5b and smollm2-135m, and of the types that neither has. */
const matrices: readonly Matrix[] = [
  matrix('Q5_0', 896, 896),
  matrix('Q5_0', 128, 896),
  matrix('Q8_0', 128, 896),
  matrix('Q4_0', 896, 896),
  matrix('Q5_1', 896, 896),
  matrix('Q5_0', 4864, 896),
  matrix('Q4_K', 896, 4864),
  matrix('Q5_K', 896, 4864),
  matrix('Q6_K', 896, 4864),
  matrix('Q4_1', 1536, 576),
  matrix('Q4_1', 576, 1536),
  matrix('Q8_0', 49152, 576),
  matrix('Q8_0', 151936, 896),
]

const layers: Readonly<Record<string, LayerMatrices>> = {
  'smollm2-135m': {
    input: [matrix('Q4_1', 576, 576), matrix('Q4_1', 192, 576), matrix('Q4_1', 192, 576)],
    output: matrix('Q4_1', 576, 576),
    up: matrix('Q4_1', 1536, 576),
    down: matrix('Q4_1', 576, 1536),
  },
  'qwen2.5-coder-0.5b': {
    input: [matrix('Q5_0', 896, 896), matrix('Q5_0', 128, 896), matrix('Q8_0', 128, 896)],
    output: matrix('Q5_0', 896, 896),
    up: matrix('Q5_0', 4864, 896),
    down: matrix('Q6_K', 896, 4864),
  },
  'qwen2.5-coder-1.5b': {
    input: [matrix('Q4_K', 1536, 1536), matrix('Q4_K', 256, 1536), matrix('Q6_K', 256, 1536)],
    output: matrix('Q4_K', 1536, 1536),
    up: matrix('Q4_K', 8960, 1536),
    down: matrix('Q6_K', 1536, 8960),
  },
}

const coldBytes = 2 ** 28 // more than any cache: few-token products must come from memory
const rounds = 10 // at least
const roundsMs = 2500

export const run = (args: string[]): void => {
  const { values } = parseArgs({
    args,
    options: {
      threads: { type: 'string', default: '2' },
      tokens: { type: 'string', default: '512' },
      few: { type: 'string', default: '1,4' },
      only: { type: 'string' },
      activations: { type: 'string', default: 'int8' },
      isa: { type: 'string' },
    },
  })
  const native = nativeAvailable()
  if (!native.available) throw new Error(native.reason)
  const { isa = native.isa } = values
  const setting = { pool: binding.createPool(Number(values.threads), isa), int8: values.activations === 'int8' }
  console.log(`${machineLine(machine())}, ${values.threads} threads, kernels ${isa}\n`)
  const chosen = matrices.filter(({ type }) => !values.only || type === values.only)
  const tokens = Number(values.tokens)
  if (tokens > 0) console.log(`${manyTokens(setting.pool, works(chosen, tokens, !values.only), tokens)}\n`)
  for (const few of values.few
    .split(',')
    .map(Number)
    .filter((count) => count > 0))
    console.log(`${fewTokens(setting, chosen, few)}\n`)
  binding.disposePool(setting.pool)
}

interface Work {
  readonly name: string
  readonly type: WeightType // of the products, or of most
  readonly weights: number // that each token is multiplied with
  readonly make: (setting: Setting) => () => void
}

const works = (chosen: readonly Matrix[], tokens: number, withLayers: boolean): Work[] => [
  ...chosen
    .filter(({ rowCount }) => rowCount < 10_000)
    .map((own) => ({
      name: nameOf(own),
      type: own.type,
      weights: sizeOf(own),
      make: (setting: Setting) => makeProduct(own, tokens, 1, setting),
    })),
  ...Object.entries(withLayers ? layers : {}).flatMap(([model, layer]) => {
    const feedForward = 2 * sizeOf(layer.up) + sizeOf(layer.down)
    const others = [...layer.input, layer.output].reduce((sum, own) => sum + sizeOf(own), 0)
    return [
      {
        name: `${model}, feed-forward`,
        type: layer.up.type,
        weights: feedForward,
        make: (setting: Setting) => makeFeedForward(layer, tokens, setting),
      },
      {
        name: `${model}, a layer`,
        type: layer.up.type,
        weights: feedForward + others,
        make: (setting: Setting) => makeLayer(layer, tokens, setting),
      },
    ]
  }),
]

const nameOf = ({ type, rowCount, columns }: Matrix): string => `${type} ${rowCount} × ${columns}`
const sizeOf = ({ rowCount, columns }: Matrix): number => rowCount * columns

const manyTokens = (pool: PoolHandle, chosen: readonly Work[], tokens: number): string => {
  const rows = chosen.map(({ name, type, weights, make }) => {
    const { rates, peaks } = alternate({
      amount: 2 * tokens * weights,
      products: [true, false].map((int8) => make({ pool, int8 })),
      peaks: [
        () => peakOf((rounds) => binding.measureProducts(pool, rounds, weightTypes.indexOf(type))),
        () => peakOf((rounds) => binding.measureFma(pool, rounds)),
      ],
    })
    const [rounded = [], float = []] = rates
    const ratio = median(rounded.map((rate, i) => rate / (float[i] ?? Number.NaN)))
    return [name, ...[rounded, float].flatMap((own, i) => summary(own, peaks[i] ?? [])), ratio.toFixed(2)]
  })
  const head = ['best GFLOP/s', 'of best peak', 'median', 'of peak beside it']
  const heads = ['rounded:', 'f32:'].flatMap((what) =>
    head.map((column, i) => (i === 0 ? `${what} ${column}` : column)),
  )
  return table([`${tokens} tokens`, ...heads, 'rounded / f32'], rows)
}

const fewTokens = (setting: Setting, chosen: readonly Matrix[], tokens: number): string => {
  const readable = new Uint8Array(coldBytes).fill(1)
  const rows = chosen.map((own) => {
    const bytes = bytesOf(own)
    const copies = Math.ceil(coldBytes / bytes)
    const piece = Math.max(bytes, 2 ** 22)
    let at = 0
    const { rates, peaks } = alternate({
      amount: bytes,
      products: [makeProduct(own, tokens, copies, setting)],
      peaks: [
        () => {
          at = at + 2 * piece > coldBytes ? 0 : at + piece
          return piece / seconds(() => binding.measureRead(setting.pool, readable.subarray(at, at + piece))) / 1e9
        },
      ],
    })
    const [reached = []] = rates
    return [nameOf(own), ...summary(reached, peaks[0] ?? []), (bytes / Math.max(...reached) / 1e3).toFixed(0)]
  })
  const head = ['best GB/s', 'of best reading', 'median GB/s', 'of reading beside it', 'best µs']
  return table([`${tokens} token${tokens === 1 ? '' : 's'}`, ...head], rows)
}

interface Turns {
  readonly amount: number // operations or bytes of one product
  readonly products: readonly (() => void)[]
  readonly peaks: readonly (() => number)[] // in 10^9 per second
}

/**
 * Single products and single measurements of the peak in turn. On a machine that others use too, the best of many short
 * ones says what the kernel can do, and the median what was got. Each is timed when it is done for the second time in succession, as
 * when a document is read: after 20 ms of other instructions a product by tiles takes half as long again.
 */
const alternate = ({ amount, products, peaks: measured }: Turns): { rates: number[][]; peaks: number[][] } => {
  const rates: number[][] = products.map(() => [])
  const peaks: number[][] = measured.map(() => [])
  for (const product of products) product()
  const start = performance.now()
  for (let round = 0; round < rounds || performance.now() - start < roundsMs; round++) {
    for (const [i, peak] of measured.entries()) {
      peak()
      peaks[i]?.push(peak())
    }
    for (const [i, product] of products.entries()) {
      product()
      rates[i]?.push(amount / seconds(product) / 1e9)
    }
  }
  return { rates, peaks }
}

const summary = (rates: readonly number[], peaks: readonly number[]): string[] => {
  const best = Math.max(...rates)
  const shares = rates.map((rate, i) => rate / (peaks[i] ?? Number.NaN))
  return [best.toFixed(1), percent(best / Math.max(...peaks)), median(rates).toFixed(1), percent(median(shares))]
}

const peakOf = (measure: (rounds: number) => number): number => {
  let operations = 0
  const time = seconds(() => {
    operations = measure(1000)
  })
  return operations / time / 1e9
}

const seconds = (body: () => void): number => {
  const start = performance.now()
  body()
  return (performance.now() - start) / 1000
}

const percent = (share: number): string => `${(share * 100).toFixed(0)} %`
