/**
 * How near matrix products come to what the machine gives: for many tokens rounded activations (8 bits, or bfloat16 with AMX)
 * and f32 against each other and the peak of the instructions that each is made of, for few tokens bytes of weights per
 * second against plain reading, each measured in turn in the same run.
 * Options: --threads N (2), --tokens N (512), --few 1,2,4,8, --only TYPE, --isa ISA; for few tokens --activations int8|f32.
 */
import { parseArgs } from 'node:util'
import { loadBinding, type PoolHandle, weightTypes } from '../src/backends/binding.ts'
import { nativeAvailable } from '../src/backends/native.ts'
import type { WeightType } from '../src/backends/ops.ts'
import { blockLayout } from '../src/backends/tensor.ts'
import { machine, machineLine } from '../src/eval/machine.ts'
import { median, table } from './table.ts'

/** Rows and columns of qwen2.5-coder-0.5b's and smollm2-135m's matrices, and the types that neither has. */
const shapes: readonly (readonly [type: WeightType, rows: number, columns: number])[] = [
  ['Q5_0', 896, 896],
  ['Q5_0', 128, 896],
  ['Q8_0', 128, 896],
  ['Q4_0', 896, 896],
  ['Q5_1', 896, 896],
  ['Q5_0', 4864, 896],
  ['Q4_K', 896, 4864],
  ['Q5_K', 896, 4864],
  ['Q6_K', 896, 4864],
  ['Q4_1', 1536, 576],
  ['Q4_1', 576, 1536],
  ['Q8_0', 49152, 576],
  ['Q8_0', 151936, 896],
]

const coldBytes = 2 ** 28 // more than any cache: few-token products must come from memory
const rounds = 10 // at least
const roundsMs = 2500

interface Setting {
  readonly pool: PoolHandle
  readonly int8: boolean // activations
}

const { binding } = (() => {
  const loaded = loadBinding()
  if ('reason' in loaded) throw new Error(loaded.reason)
  return loaded
})()

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
  const chosen = shapes.filter(([type]) => !values.only || type === values.only)
  const tokens = Number(values.tokens)
  if (tokens > 0) console.log(`${manyTokens(setting.pool, chosen, tokens)}\n`)
  for (const few of values.few
    .split(',')
    .map(Number)
    .filter((count) => count > 0))
    console.log(`${fewTokens(setting, chosen, few)}\n`)
  binding.disposePool(setting.pool)
}

const manyTokens = (pool: PoolHandle, chosen: typeof shapes, tokens: number): string => {
  const rows = chosen
    .filter(([, rowCount]) => rowCount < 10_000)
    .map(([type, rowCount, columns]) => {
      const matrix = { type, rowCount, columns, tokens, copies: 1 }
      const { rates, peaks } = alternate({
        amount: 2 * tokens * rowCount * columns,
        products: [true, false].map((int8) => makeProduct(matrix, { pool, int8 })),
        peaks: [
          () => peakOf((rounds) => binding.measureProducts(pool, rounds)),
          () => peakOf((rounds) => binding.measureFma(pool, rounds)),
        ],
      })
      const [rounded = [], float = []] = rates
      const ratio = median(rounded.map((rate, i) => rate / (float[i] ?? Number.NaN)))
      return [
        `${type} ${rowCount} × ${columns}`,
        ...[rounded, float].flatMap((own, i) => summary(own, peaks[i] ?? [])),
        ratio.toFixed(2),
      ]
    })
  const head = ['best GFLOP/s', 'of best peak', 'median', 'of peak beside it']
  const heads = ['rounded:', 'f32:'].flatMap((what) =>
    head.map((column, i) => (i === 0 ? `${what} ${column}` : column)),
  )
  return table([`${tokens} tokens`, ...heads, 'rounded / f32'], rows)
}

const fewTokens = (setting: Setting, chosen: typeof shapes, tokens: number): string => {
  const readable = new Uint8Array(coldBytes).fill(1)
  const rows = chosen.map(([type, rowCount, columns]) => {
    const bytes = weightBytes(type, rowCount, columns)
    const copies = Math.ceil(coldBytes / bytes)
    const piece = Math.max(bytes, 2 ** 22)
    let at = 0
    const { rates, peaks } = alternate({
      amount: bytes,
      products: [makeProduct({ type, rowCount, columns, tokens, copies }, setting)],
      peaks: [
        () => {
          at = at + 2 * piece > coldBytes ? 0 : at + piece
          return piece / seconds(() => binding.measureRead(setting.pool, readable.subarray(at, at + piece))) / 1e9
        },
      ],
    })
    const own = rates[0] ?? []
    return [
      `${type} ${rowCount} × ${columns}`,
      ...summary(own, peaks[0] ?? []),
      (bytes / Math.max(...own) / 1e3).toFixed(0),
    ]
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
 * ones says what the kernel can do, and the median what was got.
 */
const alternate = ({ amount, products, peaks: measured }: Turns): { rates: number[][]; peaks: number[][] } => {
  const rates: number[][] = products.map(() => [])
  const peaks: number[][] = measured.map(() => [])
  for (const product of products) product()
  const start = performance.now()
  for (let round = 0; round < rounds || performance.now() - start < roundsMs; round++) {
    for (const [i, peak] of measured.entries()) peaks[i]?.push(peak())
    for (const [i, product] of products.entries()) rates[i]?.push(amount / seconds(product) / 1e9)
  }
  return { rates, peaks }
}

const summary = (rates: readonly number[], peaks: readonly number[]): string[] => {
  const best = Math.max(...rates)
  const shares = rates.map((rate, i) => rate / (peaks[i] ?? Number.NaN))
  return [best.toFixed(1), percent(best / Math.max(...peaks)), median(rates).toFixed(1), percent(median(shares))]
}

interface Product {
  readonly type: WeightType
  readonly rowCount: number
  readonly columns: number
  readonly tokens: number
  readonly copies: number
}

/** A function that multiplies with copy 0, 1, 2, … of a random matrix. */
const makeProduct = ({ type, rowCount, columns, tokens, copies }: Product, { pool, int8 }: Setting): (() => void) => {
  const bytes = weightBytes(type, rowCount, columns)
  const weights = new Uint8Array(bytes * copies)
  weights.set(randomBlocks(type, bytes))
  for (let copy = 1; copy < copies; copy++) weights.copyWithin(copy * bytes, 0, bytes)
  const x = Float32Array.from({ length: tokens * columns }, () => Math.random() - 0.5)
  const out = new Float32Array(tokens * rowCount)
  const weightType = weightTypes.indexOf(type)
  let copy = 0
  return () => {
    const weight = weights.subarray(copy * bytes, (copy + 1) * bytes)
    copy = (copy + 1) % copies
    binding.matmul(pool, weightType, weight, rowCount, columns, x, undefined, undefined, out, int8)
  }
}

const weightBytes = (type: WeightType, rows: number, columns: number): number =>
  (rows * columns * blockLayout[type].bytes) / blockLayout[type].values

/** Random quants under scales of 0.01, so that no product overflows or becomes subnormal. */
const randomBlocks = (type: WeightType, byteCount: number): Uint8Array => {
  const bytes = Uint8Array.from({ length: byteCount }, () => Math.random() * 256)
  const view = new DataView(bytes.buffer)
  const scaleOffsets = type === 'Q6_K' ? [208] : type.endsWith('_0') ? [0] : [0, 2]
  for (let block = 0; block < byteCount; block += blockLayout[type].bytes)
    for (const offset of scaleOffsets) view.setUint16(block + offset, 0x211f, true)
  return bytes
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
