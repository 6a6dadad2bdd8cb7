/**
 * The definition of every op in the plainest TypeScript: loops spelled out, sums in f64, one rounding to f32 at the end.
 * Other backends are held against it, and it runs where no compiled backend does. It is never optimised.
 *
 * Numbers that are not finite follow IEEE arithmetic as written here; where an order of operations would matter, the op
 * says which rule holds.
 */
import { CompactorError } from '../error.ts'
import * as check from './checks.ts'
import { digests } from './digests.ts'
import { f16FromF32 } from './half.ts'
import type { EachOf, Ops, ProductOptions, RopeOptions, Tensor, Weight } from './ops.ts'
import { referenceAttention } from './reference-attention.ts'
import { decodeRow } from './reference-decode.ts'
import { referenceExpected } from './reference-expected.ts'
import { referenceLeverage } from './reference-leverage.ts'
import { referenceRows } from './reference-rows.ts'
import { referenceSpread } from './reference-spread.ts'
import { reader, type Workplace } from './reference-values.ts'
import {
  type CpuOps,
  type CpuTensor,
  type CpuWeight,
  cpu,
  cpuTensor,
  cpuWeight,
  f32,
  reshape,
  slice,
  TensorPool,
} from './tensor.ts'

export const createReferenceOps = (): CpuOps => {
  let abortWord: Int32Array | undefined
  const pool = new TensorPool()
  const pause = (): void => {
    if (abortWord && Atomics.load(abortWord, 0) !== 0)
      throw new CompactorError('aborted', 'the computation was stopped by its caller')
  }
  const place = { pool, pause }
  return {
    name: 'reference',
    ...memory(pool),
    ...movement(place),
    ...transformer(place),
    ...referenceAttention(place),
    ...referenceLeverage(place),
    ...referenceExpected(place),
    ...referenceSpread(place),
    ...referenceRows(place),
    ...elementwise(place),
    watchAbort: (words) => {
      abortWord = words
    },
    dispose: () => pool.clear(),
  }
}

const memory = (
  pool: TensorPool,
): Pick<Ops, 'scope' | 'zeros' | 'from' | 'read' | 'weight' | 'slice' | 'reshape' | 'digests'> => ({
  scope: (body) => pool.scope(body),
  zeros: (shape, dtype) => pool.zeros(shape, dtype),
  from: (values, shape) => cpuTensor(values, shape),
  read: (tensor) => Promise.resolve(cpu(tensor).data.slice()),
  weight: (type, shape, bytes) => cpuWeight(type, shape, bytes),
  slice,
  reshape,
  digests,
})

/** Store value `index` of a tensor, rounding to its precision. */
const writer = (tensor: CpuTensor): ((index: number, value: number) => void) => {
  const { data } = tensor
  return data instanceof Float32Array
    ? (index, value) => {
        data[index] = value
      }
    : (index, value) => {
        data[index] = f16FromF32(value)
      }
}

const movement = ({ pool }: Workplace): Pick<Ops, 'copy' | 'store' | 'gather'> => ({
  copy(target, source) {
    check.checkCopy(target, source)
    const [from, write] = [reader(source), writer(cpu(target))]
    for (let i = 0; i < cpu(target).data.length; i++) write(i, from(i))
  },

  store(targets, at, sources) {
    const { n, heads, headDim, capacity } = check.checkStore(targets, at, sources)
    for (const [i, target] of targets.entries()) {
      const [from, write] = [reader(sources[i] as Tensor), writer(cpu(target))]
      for (let token = 0; token < n; token++)
        for (let head = 0; head < heads; head++)
          for (let d = 0; d < headDim; d++)
            write((head * capacity + at + token) * headDim + d, from((token * heads + head) * headDim + d))
    }
  },

  gather(source, picks) {
    const { width } = check.checkGather(source, picks)
    const out = pool.take([picks.length, width], source.dtype)
    const { data } = cpu(source)
    for (const [row, pick] of picks.entries())
      out.data.set(data.subarray(pick * width, (pick + 1) * width), row * width)
    return out
  },
})

const transformer = ({
  pool,
  pause,
}: Workplace): Pick<
  Ops,
  'embed' | 'matmul' | 'matmulEach' | 'feedForward' | 'finishLayer' | 'rmsNorm' | 'swiglu' | 'geglu' | 'rope'
> => ({
  embed(weight, ids) {
    check.checkEmbed(weight, ids)
    const columns = weight.shape[1]
    const out = pool.take([ids.length, columns], 'f32')
    for (const [i, id] of ids.entries()) out.data.set(decodeRow(weight as CpuWeight, id), i * columns)
    return out
  },

  matmul(x, weight, options = {}) {
    const { n } = check.checkMatmul(x, weight, options)
    const [rows, columns] = weight.shape
    const out = pool.take([n, rows], 'f32')
    const values = f32(x)
    const bias = options.bias ? reader(options.bias) : () => 0
    const add = options.add ? reader(options.add) : () => 0
    for (let row = 0; row < rows; row++) {
      pause()
      const w = decodeRow(weight as CpuWeight, row)
      for (let i = 0; i < n; i++) {
        let sum = 0
        for (let column = 0; column < columns; column++)
          sum += (values[i * columns + column] as number) * (w[column] as number)
        out.data[i * rows + row] = sum + bias(row) + add(i * rows + row)
      }
    }
    return out
  },

  matmulEach<const W extends readonly Weight[]>(x: Tensor, weights: W, options: ProductOptions = {}): EachOf<W> {
    check.checkMatmulEach(x, weights, options)
    const { biases = [], norm } = options
    const from = norm ? this.rmsNorm(x, norm.gain, norm.epsilon) : x
    const outs = weights.map((weight, i) => this.matmul(from, weight, biases[i] && { bias: biases[i] }))
    return outs as unknown as EachOf<W>
  },

  feedForward(x, layer, { add } = {}) {
    check.checkFeedForward(x, layer, add)
    const [gate, up] = this.matmulEach(x, [layer.gate, layer.up], { norm: layer.norm })
    return this.matmul(this[layer.activation](gate, up), layer.down, add && { add })
  },

  finishLayer(x, attended, output, layer) {
    check.checkFinishLayer(x, attended, output, layer)
    const mixed = this.matmul(attended, output, { add: x })
    return this.feedForward(mixed, layer, { add: mixed })
  },

  rmsNorm(x, gain, eps) {
    const { n, dim } = check.checkRmsNorm(x, gain)
    const out = pool.take([n, dim], 'f32')
    const [at, factor] = [reader(x), reader(gain)]
    for (let i = 0; i < n; i++) {
      let squares = 0
      for (let d = 0; d < dim; d++) squares += at(i * dim + d) ** 2
      const length = Math.sqrt(squares / dim + eps)
      for (let d = 0; d < dim; d++) out.data[i * dim + d] = (at(i * dim + d) / length) * factor(d)
    }
    return out
  },

  swiglu(gate, up) {
    const { count } = check.checkPair('swiglu', gate, up)
    const out = pool.take(gate.shape, 'f32')
    const [g, u] = [reader(gate), reader(up)]
    for (let i = 0; i < count; i++) out.data[i] = (g(i) / (1 + Math.exp(-g(i)))) * u(i)
    return out
  },

  geglu(gate, up) {
    const { count } = check.checkPair('geglu', gate, up)
    const out = pool.take(gate.shape, 'f32')
    const [g, u] = [reader(gate), reader(up)]
    for (let i = 0; i < count; i++) {
      const s = Math.sqrt(8 / Math.PI) * (g(i) + 0.044715 * g(i) ** 3)
      out.data[i] = (g(i) / (1 + Math.exp(-s))) * u(i)
    }
    return out
  },

  rope<const X extends readonly Tensor[]>(xs: X, positions: Uint32Array, options: RopeOptions): EachOf<X> {
    check.checkRope(xs, positions, options)
    return xs.map((x) => rotated(pool, x, positions, options)) as unknown as EachOf<X>
  },
})

const rotated = (pool: TensorPool, x: Tensor, positions: Uint32Array, options: RopeOptions): Tensor => {
  const [, heads = 0, headDim = 0] = x.shape
  const out = pool.take(x.shape, 'f32')
  const at = reader(x)
  const factor = options.factors ? reader(options.factors) : () => 1
  for (const [token, position] of positions.entries())
    for (let pair = 0; pair < headDim / 2; pair++) {
      const angle = (position * options.theta ** ((-2 * pair) / headDim)) / factor(pair)
      const [cosine, sine] = [Math.cos(angle), Math.sin(angle)]
      for (let head = 0; head < heads; head++) {
        const [first, second] = pairOf((token * heads + head) * headDim, pair, headDim, options.layout)
        out.data[first] = at(first) * cosine - at(second) * sine
        out.data[second] = at(first) * sine + at(second) * cosine
      }
    }
  return out
}

const pairOf = (start: number, pair: number, headDim: number, layout: RopeOptions['layout']): [number, number] =>
  layout === 'interleaved' ? [start + 2 * pair, start + 2 * pair + 1] : [start + pair, start + pair + headDim / 2]

const elementwise = ({
  pool,
}: Workplace): Pick<Ops, 'norms' | 'zScore' | 'addScaled' | 'softCap' | 'multiply' | 'averagePool'> => ({
  norms(x) {
    const { n, heads, headDim } = check.checkNorms(x)
    const out = pool.take([heads, n], 'f32')
    const at = reader(x)
    for (let token = 0; token < n; token++)
      for (let head = 0; head < heads; head++) {
        let squares = 0
        for (let d = 0; d < headDim; d++) squares += at((token * heads + head) * headDim + d) ** 2
        out.data[head * n + token] = Math.sqrt(squares)
      }
    return out
  },

  // Taken relative to the first value, so that equal values have a deviation of exactly 0. One NaN makes all NaN.
  zScore(x) {
    const values = f32(x)
    const out = pool.take(x.shape, 'f32')
    const shift = values[0] ?? 0
    let sum = 0
    for (const value of values) sum += value - shift
    const mean = sum / values.length
    let squares = 0
    for (const value of values) squares += (value - shift - mean) ** 2
    const deviation = Math.sqrt(squares / values.length)
    for (const [i, value] of values.entries()) out.data[i] = deviation === 0 ? 0 : (value - shift - mean) / deviation
    return out
  },

  addScaled(a, b, factor) {
    const { count } = check.checkPair('addScaled', a, b)
    const out = pool.take(a.shape, 'f32')
    const [x, y] = [reader(a), reader(b)]
    for (let i = 0; i < count; i++) out.data[i] = x(i) + factor * y(i)
    return out
  },

  softCap(x, cap) {
    check.checkSoftCap(x, cap)
    const out = pool.take(x.shape, 'f32')
    const at = reader(x)
    for (let i = 0; i < out.data.length; i++) out.data[i] = cap * Math.tanh(at(i) / cap)
    return out
  },

  multiply(a, b) {
    const { count } = check.checkPair('multiply', a, b)
    const out = pool.take(a.shape, 'f32')
    const [x, y] = [reader(a), reader(b)]
    for (let i = 0; i < count; i++) out.data[i] = x(i) * y(i)
    return out
  },

  averagePool(x, width) {
    const { rows, length } = check.checkAveragePool(x, width)
    const out = pool.take(x.shape, 'f32')
    const at = reader(x)
    const reach = (width - 1) / 2
    for (let row = 0; row < rows; row++)
      for (let i = 0; i < length; i++) {
        const [first, last] = [Math.max(i - reach, 0), Math.min(i + reach, length - 1)]
        let sum = 0
        for (let j = first; j <= last; j++) sum += at(row * length + j)
        out.data[row * length + i] = sum / (last - first + 1)
      }
    return out
  },
})
