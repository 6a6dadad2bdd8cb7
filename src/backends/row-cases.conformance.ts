/** Cases of the ops on rows of logits: softmax, argmax and describeRows. */
import { normals, uniform } from './draw.conformance.ts'
import type { OpCase } from './ops.conformance.ts'
import type { Ops, Tensor } from './ops.ts'
import { createReferenceOps } from './reference.ts'
import { cpu } from './tensor.ts'

const { NaN: nan, POSITIVE_INFINITY: infinity } = Number

interface Rows {
  readonly n: number
  readonly width: number
  readonly deviation?: number
  readonly spoil?: (x: Float32Array) => void
}

const rows = (ops: Ops, { n, width, deviation = 3, spoil }: Rows): Tensor => {
  const x = normals(n * width, n + width, deviation)
  spoil?.(x)
  return ops.from(x, [n, width])
}

/** A logit that is far below the largest is rounded in proportion, and so is its weight; below 2e-38 it may be 0. */
const softmaxCase = (name: string, options: Rows): OpCase => ({
  op: 'softmax',
  name: `${name}: ${options.n} rows of ${options.width}`,
  family: 'attention',
  run: (ops) => ops.softmax(rows(ops, options)),
  magnitude: () => {
    const ops = createReferenceOps()
    return Float64Array.from(
      cpu(ops.softmax(rows(ops, options))).data,
      (value) => value * Math.max(1, -Math.log(value + 1e-38) / 10) + 1e-32,
    )
  },
})

const argmaxCase = (name: string, options: Rows): OpCase => ({
  op: 'argmax',
  name: `${name}: ${options.n} rows of ${options.width}`,
  family: 'exact',
  run: (ops) => ops.argmax(rows(ops, options)),
})

interface Described extends Rows {
  readonly period: number
  readonly spoilWeights?: (weights: Float32Array) => void
}

const described = (ops: Ops, options: Described, absolute = false): Tensor => {
  const { n, width, period, spoilWeights } = options
  const draw = uniform(n + period)
  const weights = normals(period * width, period, 1 / width)
  spoilWeights?.(weights)
  const x = cpu(rows(ops, options)).data as Float32Array
  const picks = Uint32Array.from({ length: period }, () => Math.floor(draw() * width))
  return ops.describeRows(
    ops.from(absolute ? x.map(Math.abs) : x, [n, width]),
    ops.from(absolute ? weights.map(Math.abs) : weights, [period, width]),
    picks,
  )
}

/** Log-sum-exp is as exact as its largest logit, the index must be right, the sum is measured against its terms. */
const describedCase = (name: string, options: Described): OpCase => ({
  op: 'describeRows',
  name: `${name}: ${options.n} rows of ${options.width}, ${options.period} kinds`,
  family: 'attention',
  run: (ops) => described(ops, options),
  magnitude: () => {
    const terms = cpu(described(createReferenceOps(), options, true)).data
    const value = cpu(described(createReferenceOps(), options)).data
    return Float64Array.from(terms, (term, i) => [Math.abs(value[i] as number) + 1, 1e-3, term, 1e-30][i % 4] as number)
  },
})

const widths: readonly number[] = [1, 3, 4, 7, 8, 9, 15, 16, 17, 257, 2047, 2048, 2049, 5000]

const spoiled: readonly (readonly [string, (x: Float32Array) => void])[] = [
  ['all equal', (x) => x.fill(0.1)],
  ['two largest, a block apart', (x) => [40, 3000].map((i) => x.fill(50, i, i + 1))],
  ['largest last', (x) => x.fill(50, x.length - 1)],
  ['0 and −0', (x) => x.fill(-1).set([-0, 0], 5)],
  ['−∞ here and there', (x) => x.set(x.map((value, i) => (i % 3 === 1 ? -infinity : value)))],
  ['all −∞', (x) => x.fill(-infinity)],
  ['all NaN', (x) => x.fill(nan)],
  ['one NaN', (x) => x.fill(nan, 10, 11)],
  ['one +∞', (x) => x.fill(infinity, 10, 11)],
  ['rising by blocks', (x) => x.set(x.map((value, i) => value + Math.floor(i / 500) * 30))],
  ['largest magnitudes', (x) => x.set(x.map((_, i) => (i % 2 ? 3e38 : -3e38)))],
  ['subnormals', (x) => x.set(x.map((_, i) => i * 1e-42))],
]

const softmaxCases: OpCase[] = [
  ...widths.map((width) => softmaxCase('widths', { n: 3, width })),
  ...[0, 1, 15, 16, 17].map((n) => softmaxCase('rows', { n, width: 33 })),
  softmaxCase('no values', { n: 3, width: 0 }),
  softmaxCase('a vocabulary', { n: 2, width: 151_936 }),
  softmaxCase('far apart', { n: 3, width: 3001, deviation: 30 }),
  ...spoiled.map(([name, spoil]) => softmaxCase(name, { n: 1, width: 4100, spoil })),
]

const argmaxCases: OpCase[] = [
  ...widths.map((width) => argmaxCase('widths', { n: 3, width })),
  ...[0, 1, 15, 16, 17, 1001].map((n) => argmaxCase('rows', { n, width: 33 })),
  argmaxCase('a vocabulary', { n: 16, width: 151_936 }),
  argmaxCase('values that repeat', { n: 3, width: 9001, spoil: (x) => x.set(x.map(Math.round)) }),
  ...spoiled.map(([name, spoil]) => argmaxCase(name, { n: 1, width: 4100, spoil })),
]

const describedCases: OpCase[] = [
  ...widths.map((width) => describedCase('widths', { n: 3, width, period: 3 })),
  ...[
    [0, 0],
    [0, 2],
    [1, 1],
    [15, 5],
    [16, 4],
    [17, 1],
  ].map(([n = 0, period = 0]) => describedCase('rows', { n, width: 33, period })),
  describedCase('a vocabulary', { n: 2, width: 151_936, period: 1 }),
  ...spoiled.map(([name, spoil]) => describedCase(name, { n: 1, width: 4100, period: 1, spoil })),
  ...spoiled.map(([name, spoil]) =>
    describedCase(`${name}, weights of 0`, {
      n: 1,
      width: 4100,
      period: 1,
      spoil,
      spoilWeights: (weights) => weights.fill(0),
    }),
  ),
  describedCase('weights of NaN and infinity', {
    n: 2,
    width: 40,
    period: 2,
    spoilWeights: (weights) => weights.set([nan, infinity], 39),
  }),
]

export const rowCases: readonly OpCase[] = [...softmaxCases, ...argmaxCases, ...describedCases]
