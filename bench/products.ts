/**
 * Matrix products with random weights, as `bench gemm` times them: single ones, and as a layer has them.
 */
import {
  type Binding,
  type FeedForwardArguments,
  loadBinding,
  type PoolHandle,
  weightTypes,
} from '../src/backends/binding.ts'
import type { WeightType } from '../src/backends/ops.ts'
import { blockLayout } from '../src/backends/tensor.ts'

export interface Setting {
  readonly pool: PoolHandle
  readonly int8: boolean // activations rounded, to 8 bits or bfloat16
}

export interface Matrix {
  readonly type: WeightType
  readonly rowCount: number
  readonly columns: number
}

/** What a layer multiplies its tokens with. */
export interface LayerMatrices {
  readonly input: readonly Matrix[] // of queries, keys and values
  readonly output: Matrix // of attention
  readonly up: Matrix // of the gate too
  readonly down: Matrix
}

export const binding: Binding = (() => {
  const loaded = loadBinding()
  if ('reason' in loaded) throw new Error(loaded.reason)
  return loaded.binding
})()

/** A function that multiplies with copy 0, 1, 2, … of a random matrix. */
export const makeProduct = (matrix: Matrix, tokens: number, copies: number, { pool, int8 }: Setting): (() => void) => {
  const { type, rowCount, columns } = matrix
  const bytes = bytesOf(matrix)
  const weights = new Uint8Array(bytes * copies)
  weights.set(randomWeights(matrix))
  for (let copy = 1; copy < copies; copy++) weights.copyWithin(copy * bytes, 0, bytes)
  const x = randomNumbers(tokens * columns)
  const out = new Float32Array(tokens * rowCount)
  const weightType = weightTypes.indexOf(type)
  let copy = 0
  return () => {
    const weight = weights.subarray(copy * bytes, (copy + 1) * bytes)
    copy = (copy + 1) % copies
    binding.matmul(pool, weightType, weight, rowCount, columns, x, undefined, undefined, out, int8)
  }
}

/** Norm, gate, up, SiLU, down, residual. */
export const makeFeedForward = (layer: LayerMatrices, tokens: number, { pool, int8 }: Setting): (() => void) => {
  const { columns: dim, rowCount: hidden } = layer.up
  const x = randomNumbers(tokens * dim)
  const feedForward = feedForwardArguments(layer)
  const between = new Float32Array(tokens * (dim + 2 * hidden))
  const out = new Float32Array(tokens * dim)
  return () => void binding.feedForward(pool, x, ...feedForward, x, between, out, int8)
}

/** Norm, queries, keys and values; output of attention, residual, feed-forward network: a layer without attention itself. */
export const makeLayer = (layer: LayerMatrices, tokens: number, { pool, int8 }: Setting): (() => void) => {
  const { columns: dim, rowCount: hidden } = layer.up
  const x = randomNumbers(tokens * dim)
  const attended = randomNumbers(tokens * layer.output.columns)
  const gain = new Float32Array(dim).fill(1)
  const normed = new Float32Array(tokens * dim)
  const products = layer.input.flatMap((own) => [
    ...weightArguments(own),
    undefined,
    new Float32Array(tokens * own.rowCount),
  ])
  const output = weightArguments(layer.output)
  const feedForward = feedForwardArguments(layer)
  const between = new Float32Array(2 * tokens * (dim + hidden))
  const out = new Float32Array(tokens * dim)
  return () => {
    binding.matmulEach(pool, x, gain, 1e-6, normed, int8, ...products)
    binding.finishLayer(pool, x, attended, ...output, ...feedForward, between, out, int8)
  }
}

const feedForwardArguments = ({ up, down }: LayerMatrices): FeedForwardArguments => [
  new Float32Array(up.columns).fill(1),
  1e-6,
  ...weightArguments(up),
  ...weightArguments(up),
  ...weightArguments(down),
  false,
]

export const bytesOf = ({ type, rowCount, columns }: Matrix): number =>
  (rowCount * columns * blockLayout[type].bytes) / blockLayout[type].values

const weightArguments = (matrix: Matrix): [number, Uint8Array, number, number] => [
  weightTypes.indexOf(matrix.type),
  randomWeights(matrix),
  matrix.rowCount,
  matrix.columns,
]

const randomNumbers = (count: number): Float32Array => Float32Array.from({ length: count }, () => Math.random() - 0.5)

/** Random quants under scales of 0.01, so that no product overflows or becomes subnormal. */
const randomWeights = (matrix: Matrix): Uint8Array => {
  const { type } = matrix
  const byteCount = bytesOf(matrix)
  const bytes = Uint8Array.from({ length: byteCount }, () => Math.random() * 256)
  const view = new DataView(bytes.buffer)
  const scaleOffsets = type === 'Q6_K' ? [208] : type.endsWith('_0') ? [0] : [0, 2]
  for (let block = 0; block < byteCount; block += blockLayout[type].bytes)
    for (const offset of scaleOffsets) view.setUint16(block + offset, 0x211f, true)
  return bytes
}
