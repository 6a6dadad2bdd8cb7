/**
 * The typed face of the native addon (kernels/napi*.cc) and its loader. The addon checks every argument and throws
 * TypeError or RangeError; this file adds types only. Not here: tensors, scopes, options (`native.ts`).
 */
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import type { WeightType } from './ops.ts'

type Values = Float32Array | Uint16Array
declare const poolBrand: unique symbol

/** Threads with their scratch memory and instruction set. */
export interface PoolHandle {
  readonly [poolBrand]: true
}

/** A Segment of ops.ts with plain arrays. A call takes those of all segments in one flat array. */
export type SegmentArguments = [
  k: Values,
  v: Values,
  starts: Uint32Array,
  counts: Uint32Array,
  bias: Float32Array | undefined,
  causalFrom: number | undefined,
  window: number | undefined,
  firstQuery: number | undefined,
  queryCount: number | undefined,
]

/** Of each matrix: type, bytes, rows, columns, bias, out. */
export type ProductArgument = number | Uint8Array | Float32Array | undefined

export interface Machine {
  readonly isas: readonly string[] // best last
  readonly features: readonly string[]
  readonly refusal?: string // why an instruction set that the processor has is not among them
}

/** Ops that take a pool give false when the abort word cut them short; `out` is then partly written. */
export interface Binding {
  machine(): Machine
  createPool(threads: number, isa: string): PoolHandle
  watchAbort(pool: PoolHandle, words: Int32Array | undefined): void
  disposePool(pool: PoolHandle): void
  embed(...arguments_: [pool: PoolHandle, ...weight: WeightArguments, ids: Uint32Array, out: Float32Array]): boolean
  decode(...arguments_: [pool: PoolHandle, ...weight: WeightArguments, out: Float32Array]): void
  matmul(
    ...arguments_: [
      pool: PoolHandle,
      ...weight: WeightArguments,
      x: Float32Array,
      bias: Float32Array | undefined,
      add: Float32Array | undefined,
      out: Float32Array,
      int8: boolean,
    ]
  ): boolean
  matmulEach(
    ...arguments_: [
      pool: PoolHandle,
      x: Float32Array,
      gain: Float32Array | undefined,
      eps: number,
      normed: Float32Array | undefined, // with gain, as long as x: room for its norm
      int8: boolean,
      ...products: readonly ProductArgument[],
    ]
  ): boolean
  feedForward(
    ...arguments_: [
      pool: PoolHandle,
      x: Float32Array,
      ...layer: FeedForwardArguments,
      add: Float32Array | undefined,
      between: Float32Array, // [n, dim + 2 · hidden], room for what lies between
      out: Float32Array,
      int8: boolean,
    ]
  ): boolean
  finishLayer(
    ...arguments_: [
      pool: PoolHandle,
      x: Float32Array,
      attended: Float32Array,
      ...output: WeightArguments,
      ...layer: FeedForwardArguments,
      between: Float32Array, // [n, 2 · dim + 2 · hidden], room for what lies between
      out: Float32Array,
      int8: boolean,
    ]
  ): boolean
  rmsNorm(pool: PoolHandle, x: Float32Array, gain: Float32Array, eps: number, out: Float32Array): boolean
  swiglu(pool: PoolHandle, gate: Float32Array, up: Float32Array, out: Float32Array): boolean
  geglu(pool: PoolHandle, gate: Float32Array, up: Float32Array, out: Float32Array): boolean
  /** Of each tensor: x, out. */
  rope(
    ...arguments_: [
      pool: PoolHandle,
      positions: Uint32Array,
      frequencies: Float64Array,
      interleaved: boolean,
      ...tensors: readonly Float32Array[],
    ]
  ): boolean
  attend(
    ...arguments_: [
      pool: PoolHandle,
      q: Float32Array,
      heads: number,
      kvHeads: number,
      headDim: number,
      segments: readonly SegmentArguments[number][],
      scale: number,
      firstIndex: number,
      out: Float32Array,
      bf16: boolean,
    ]
  ): boolean
  attentionReceived(
    ...arguments_: [
      pool: PoolHandle,
      q: Float32Array,
      heads: number,
      kvHeads: number,
      headDim: number,
      segments: readonly SegmentArguments[number][],
      scale: number,
      firstIndex: number,
      maximum: boolean,
      out: Float32Array,
      bf16: boolean,
    ]
  ): boolean
  store(
    ...arguments_: [
      pool: PoolHandle,
      capacity: number,
      at: number,
      kvHeads: number,
      headDim: number,
      ...targetsAndSources: readonly Values[],
    ]
  ): boolean
  convert(pool: PoolHandle, source: Values, target: Values): boolean
  gather(pool: PoolHandle, source: Values, width: number, picks: Uint32Array, target: Values): boolean
  leverage(
    ...arguments_: [
      pool: PoolHandle,
      k: Float32Array,
      tokens: number,
      kvHeads: number,
      headDim: number,
      sketch: Float32Array | undefined,
      ridge: number,
      chunk: number,
      out: Float32Array,
    ]
  ): boolean
  chunkAttentionMass(
    ...arguments_: [
      pool: PoolHandle,
      q: Float32Array,
      k: Float32Array,
      tokens: number,
      heads: number,
      kvHeads: number,
      headDim: number,
      chunk: number,
      scale: number,
      out: Float32Array,
    ]
  ): boolean
  cosineToMean(...arguments_: [pool: PoolHandle, x: Float32Array, ...HeadArguments, out: Float32Array]): boolean
  lagSpread(
    ...arguments_: [
      pool: PoolHandle,
      x: Float32Array,
      ...HeadArguments,
      first: number,
      partition: number,
      out: Float32Array,
    ]
  ): boolean
  lagRanks(
    ...arguments_: [
      pool: PoolHandle,
      x: Float32Array,
      tokens: number,
      kvHeads: number,
      first: number,
      partition: number,
      out: Float32Array,
    ]
  ): boolean
  expectedAttention(
    ...arguments_: [
      pool: PoolHandle,
      q: Float32Array,
      k: Float32Array,
      tokens: number,
      heads: number,
      kvHeads: number,
      headDim: number,
      rotation: Float32Array,
      scale: number,
      first: number,
      out: Float32Array,
    ]
  ): boolean
  meanOverHeads(x: Float32Array, heads: number, tokens: number, out: Float32Array): void
  softmax(pool: PoolHandle, x: Float32Array, width: number, out: Float32Array): boolean
  argmax(pool: PoolHandle, x: Float32Array, width: number, out: Float32Array): boolean
  describeRows(
    ...arguments_: [
      pool: PoolHandle,
      x: Float32Array,
      width: number,
      weights: Float32Array,
      picks: Uint32Array,
      out: Float32Array,
    ]
  ): boolean
  norms(x: Float32Array, tokens: number, kvHeads: number, headDim: number, out: Float32Array): void
  zScore(x: Float32Array, out: Float32Array): void
  addScaled(a: Float32Array, b: Float32Array, factor: number, out: Float32Array): void
  softCap(x: Float32Array, cap: number, out: Float32Array): void
  multiply(a: Float32Array, b: Float32Array, out: Float32Array): void
  averagePool(x: Float32Array, length: number, width: number, out: Float32Array): void
  mapFile(path: string): ArrayBuffer
  unmapFile(buffer: ArrayBuffer): void
  /** out [pieces, 32]. Only where `features` names sha. */
  sha256(pool: PoolHandle, bytes: Uint8Array, pieceBytes: number, out: Uint8Array): boolean
  measureFma(pool: PoolHandle, rounds: number): number // floating-point operations done
  /** Operations done by the instructions that the pool's products of a quantised type for many tokens are made of. */
  measureProducts(pool: PoolHandle, rounds: number, weightType: number): number
  measureRead(pool: PoolHandle, bytes: Uint8Array): boolean
}

type HeadArguments = [tokens: number, kvHeads: number, headDim: number]
type WeightArguments = [type: number, bytes: Uint8Array, rows: number, columns: number]

export type FeedForwardArguments = [
  gain: Float32Array,
  eps: number,
  ...gate: WeightArguments,
  ...up: WeightArguments,
  ...down: WeightArguments,
  gelu: boolean,
]

/** In the order of the kernels' enum WeightType. */
export const weightTypes: readonly WeightType[] = [
  'F32',
  'F16',
  'Q4_0',
  'Q4_1',
  'Q5_0',
  'Q5_1',
  'Q8_0',
  'Q4_K',
  'Q5_K',
  'Q6_K',
  'BF16',
]

export type LoadedBinding = { readonly binding: Binding } | { readonly reason: string }

let loaded: LoadedBinding | undefined

/** The addon of this machine, or why there is none. Looked for once. */
export const loadBinding = (): LoadedBinding => {
  loaded ??= findBinding()
  return loaded
}

const findBinding = (): LoadedBinding => {
  const require = createRequire(import.meta.url)
  const packageRoot = fileURLToPath(new URL('../..', import.meta.url))
  try {
    const load = require('node-gyp-build') as (directory: string) => Binding
    return { binding: load(packageRoot) }
  } catch (error) {
    const detail = error instanceof Error ? error.message.split('\n')[0] : String(error)
    return {
      reason: `The native kernels cannot be loaded (${detail}), so the plain TypeScript backend runs, which is hundreds of times slower: install a C++17 compiler, make and Python 3, then run \`npm run build:native\` in the package.`,
    }
  }
}
