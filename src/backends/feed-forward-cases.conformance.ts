/**
 * Cases of feedForward: against the reference where nothing is rounded to 8 bits, and bit for bit against the ops that it is made
 * of, whose own cases say how far they may be off.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { normals } from './draw.conformance.ts'
import { bytesOf } from './matmul-cases.conformance.ts'
import type { OpCase } from './ops.conformance.ts'
import type { FeedForward, Ops, Tensor, Weight, WeightType } from './ops.ts'
import { createReferenceOps } from './reference.ts'
import { type CpuOps, f32 } from './tensor.ts'

interface Network {
  readonly activation: FeedForward['activation']
  readonly dim: number
  readonly hidden: number
  readonly types: readonly [gate: WeightType, up: WeightType, down: WeightType]
}

const layerOf = (
  ops: Ops,
  { activation, dim, hidden, types }: Network,
  change = (x: Float32Array) => x,
): FeedForward => {
  const matrix = (index: 0 | 1 | 2, rows: number, columns: number): Weight => {
    const type = types[index]
    const bytes = bytesOf({ type, rows, columns, seed: 91 + index })
    const scaled = type === 'F32' ? new Uint8Array(change(new Float32Array(bytes.buffer)).buffer) : bytes
    return ops.weight(type, [rows, columns], scaled)
  }
  const norm = { gain: ops.from(change(normals(dim, 90)), [dim]), epsilon: 1e-5 }
  return {
    norm,
    activation,
    gate: matrix(0, hidden, dim),
    up: matrix(1, hidden, dim),
    down: matrix(2, dim, hidden),
  }
}

const inputOf = (n: number, dim: number): Float32Array => normals(n * dim, 94 + n)
const addedTo = (n: number, dim: number): Float32Array => normals(n * dim, 95 + n)

/** Σ |normed · gate| Σ |normed · up| |down|, by the reference with nothing negative; a gated value is at most their product. */
const termsOf = (network: Network, n: number): Float64Array => {
  const { dim, hidden } = network
  const ops = createReferenceOps()
  const layer = layerOf(ops, network, (x) => x.map(Math.abs))
  const x = ops.from(inputOf(n, dim).map(Math.abs), [n, dim])
  const [gate, up] = ops.matmulEach(x, [layer.gate, layer.up], { norm: layer.norm })
  const out = f32(ops.matmul(ops.reshape(ops.multiply(gate, up), [n, hidden]), layer.down))
  return Float64Array.from(out, (sum, i) => sum + Math.abs(addedTo(n, dim)[i] ?? 0))
}

const plain: readonly Network[] = (['swiglu', 'geglu'] as const).map((activation) => ({
  activation,
  dim: 33,
  hidden: 70,
  types: ['F32', 'F32', 'F32'],
}))

export const feedForwardCases: readonly OpCase[] = plain.flatMap((network) =>
  [0, 1, 2, 17].flatMap((n) =>
    [false, true].map((isAdded): OpCase => {
      const { activation, dim, hidden } = network
      return {
        op: 'feedForward',
        name: `${activation} of ${n} tokens of ${dim}, ${hidden} hidden${isAdded ? ', added' : ''}`,
        family: 'reduction',
        // Errors of the inner products reach the outer one multiplied.
        terms: dim + hidden,
        run: (ops) => {
          const add = ops.from(addedTo(n, dim), [n, dim])
          return ops.feedForward(
            ops.from(inputOf(n, dim), [n, dim]),
            layerOf(ops, network),
            isAdded ? { add } : undefined,
          )
        },
        magnitude: () => termsOf(network, n),
      }
    }),
  ),
)

/** Attention's values, wider than x, and the matrix that they are multiplied with, so small that x decides. */
const attendedOf = (ops: Ops, n: number, dim: number): readonly [Tensor, Weight] => {
  const matrix = normals(dim * attendedWidth, 97, 2 ** -10)
  const output = ops.weight('F32', [dim, attendedWidth], new Uint8Array(matrix.buffer))
  return [ops.from(normals(n * attendedWidth, 98), [n, attendedWidth]), output]
}

const attendedWidth = 48

export const finishLayerCases: readonly OpCase[] = plain.flatMap((network) =>
  [0, 1, 17].map((n): OpCase => {
    const { activation, dim, hidden } = network
    return {
      op: 'finishLayer',
      name: `${activation} of ${n} tokens of ${dim}, ${attendedWidth} attended, ${hidden} hidden`,
      family: 'reduction',
      terms: dim + hidden + attendedWidth,
      run: (ops) =>
        ops.finishLayer(ops.from(inputOf(n, dim), [n, dim]), ...attendedOf(ops, n, dim), layerOf(ops, network)),
      magnitude: () => {
        const ops = createReferenceOps()
        const [attended, output] = attendedOf(ops, n, dim)
        const mixed = f32(ops.matmul(attended, output, { add: ops.from(inputOf(n, dim), [n, dim]) }))
        return termsOf(network, n).map((sum, i) => sum + Math.abs(mixed[i] ?? 0))
      },
    }
  }),
)

/** dim, hidden and types: every quantised type in every place, some of another kind, and sizes that are no whole panels of 64. */
const mixes: readonly (readonly [dim: number, hidden: number, ...Network['types']])[] = [
  [256, 512, 'Q4_1', 'Q4_1', 'Q4_1'],
  [256, 512, 'Q5_0', 'Q8_0', 'Q6_K'],
  [256, 512, 'Q4_K', 'Q4_K', 'Q6_K'],
  [256, 512, 'F16', 'Q4_0', 'Q5_1'],
  [96, 352, 'Q4_0', 'Q5_1', 'Q8_0'],
  [288, 32, 'Q5_1', 'Q5_0', 'Q4_1'],
  [256, 96, 'Q5_K', 'Q6_K', 'Q5_0'],
  [160, 256, 'Q8_0', 'Q4_1', 'Q4_K'],
  [512, 256, 'Q6_K', 'Q5_K', 'Q5_K'],
  [1280, 1312, 'Q4_K', 'Q5_0', 'Q4_1'],
  [1312, 1280, 'Q8_0', 'Q4_0', 'Q6_K'],
  [32, 160, 'Q8_0', 'Q4_0', 'Q4_0'],
  [32, 160, 'Q4_0', 'Q4_0', 'BF16'],
]

export const testFeedForward = (name: string, createOps: () => CpuOps): void => {
  const counts = [1, 2, 3, 5, 17, 20, 33]
  test(`${name}: feedForward and finishLayer give the bits of their parts, of 1 to 33 tokens, ${mixes.length} mixes of types`, () => {
    const ops = createOps()
    for (const activation of ['swiglu', 'geglu'] as const)
      for (const [dim, hidden, ...types] of mixes)
        for (const n of counts) testParts(ops, { activation, dim, hidden, types }, n)
    testParts(ops, { activation: 'swiglu', dim: 96, hidden: 160, types: ['Q4_0', 'Q4_0', 'Q4_0'] }, 513)
    ops.dispose()
  })
}

const testParts = (ops: CpuOps, network: Network, n: number): void => {
  const { activation, dim, types } = network
  const layer = layerOf(ops, network)
  const x = ops.from(inputOf(n, dim), [n, dim])
  const add = ops.from(addedTo(n, dim), [n, dim])
  const normed = ops.rmsNorm(x, layer.norm.gain, layer.norm.epsilon)
  const [gate, up] = [ops.matmul(normed, layer.gate), ops.matmul(normed, layer.up)]
  const parts = ops.matmul(ops[activation](gate, up), layer.down, { add })
  assert.deepEqual(ops.feedForward(x, layer, { add }), parts, `${activation}, ${types}, ${n} tokens`)
  assert.deepEqual(f32(x), inputOf(n, dim))
  const mixed = ops.matmul(gate, layer.down, { add: x })
  const finished = ops.feedForward(mixed, layer, { add: mixed })
  assert.deepEqual(ops.finishLayer(x, gate, layer.down, layer), finished, `finished, ${types}, ${n} tokens`)
}
