/** Cases of the ops that move values or work on them one by one. Matrix products and attention have their own files. */
import { normals, randomBytes, uniform } from './draw.conformance.ts'
import type { OpCase } from './ops.conformance.ts'
import type { Ops, Precision, RopeOptions, Tensor } from './ops.ts'

/** Where kernels change gear: nothing, one, around a tile of 16, and past a block of 256. */
export const tokenCounts: readonly number[] = [0, 1, 15, 16, 17, 257]

const { NaN: nan, POSITIVE_INFINITY: infinity } = Number

/** Numbers that conversions and functions trip over: zeros, subnormals, ties, the largest, and what is no number. */
const awkward: readonly number[] = [
  ...[0, -0, 2 ** -149, 2 ** -126, 2 ** -25, 2 ** -24, 1.5 * 2 ** -24, 2 ** -14, 1 + 2 ** -11, 1 + 3 * 2 ** -11],
  ...[2047.5, 2048.5, 65504, 65519.996, 65520, 1e30, -1e30, 3.4028234e38, -3.4028234e38, infinity, -infinity, nan],
  ...[1, -1, 80, -80, 87, -87, 88.5, -88.5, 89, -89, 104, -104, 1e-20, 0.5, 16.25],
]

/** Integers as f16 bits: every half from 0 on, `count` of them, wrapping round. */
const allHalves = (count: number): Uint16Array => Uint16Array.from({ length: count }, (_, i) => (i * 7919) % 65536)

const filled = (ops: Ops, shape: readonly number[], dtype: Precision, seed: number): Tensor => {
  const count = shape.reduce((product, size) => product * size, 1)
  if (dtype === 'f16') return ops.from(allHalves(count), shape)
  return ops.from(normals(count, seed), shape)
}

const withAwkward = (values: Float32Array): Float32Array => {
  values.set(awkward.slice(0, values.length))
  return values
}

const memoryCases: OpCase[] = [
  {
    op: 'zeros',
    name: 'zeros again after a scope left other values behind',
    family: 'exact',
    run: (ops) => {
      ops.scope(() => ops.addScaled(ops.from(normals(4096, 1), [64, 64]), ops.from(normals(4096, 2), [64, 64]), 1))
      return ops.scope(() => ops.zeros([64, 64], 'f32'))
    },
  },
  {
    op: 'slice',
    name: 'writing to a slice writes to the whole',
    family: 'exact',
    run: (ops) => {
      const whole = ops.from(normals(12, 3), [4, 3])
      ops.copy(ops.slice(whole, 1, 2), ops.from(Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3]))
      return whole
    },
  },
  {
    op: 'reshape',
    name: 'same values, other shape',
    family: 'exact',
    run: (ops) => ops.reshape(ops.from(normals(12, 4), [4, 3]), [2, 2, 3]),
  },
]

const copyCases: OpCase[] = (['f32', 'f16'] as const).flatMap((from) =>
  (['f32', 'f16'] as const).map((to) => ({
    op: 'copy',
    name: `${from} to ${to}, 65,537 values, all halves and what rounds between them`,
    family: 'exact',
    run: (ops) => {
      const target = ops.zeros([65537], to)
      const values = withAwkward(normals(65537, 5).map((x, i) => x * 2 ** ((i % 48) - 30)))
      ops.copy(target, from === 'f16' ? ops.from(allHalves(65537), [65537]) : ops.from(values, [65537]))
      return target
    },
  })),
)

const storeCases: OpCase[] = tokenCounts.flatMap((n) =>
  (['f32', 'f16'] as const).map((dtype) => ({
    op: 'store',
    name: `${n} tokens at row 3 of ${n + 5}, 3 heads of 33, ${dtype}`,
    family: 'exact',
    run: (ops) => {
      const target = ops.zeros([3, n + 5, 33], dtype)
      const other = ops.zeros([3, n + 5, 33], dtype)
      const values = ops.from(withAwkward(normals(n * 99, n)), [n, 3, 33])
      ops.store([other, target], 3, [ops.from(normals(n * 99, n + 1), [n, 3, 33]), values])
      ops.store([other], 0, [values])
      return target
    },
  })),
)

const gatherCases: OpCase[] = tokenCounts.flatMap((n) =>
  (['f32', 'f16'] as const).map((dtype) => ({
    op: 'gather',
    name: `${n} picks with repeats from 40 rows of 21, ${dtype}`,
    family: 'exact',
    run: (ops) => {
      const draw = uniform(n)
      const picks = Uint32Array.from({ length: n }, () => Math.floor(draw() * 40))
      return ops.gather(filled(ops, [40, 21], dtype, 6), picks)
    },
  })),
)

const rmsNorm = (name: string, [n, dim]: readonly [number, number], change = (x: Float32Array) => x): OpCase => ({
  op: 'rmsNorm',
  name: `${n} rows of ${dim}, ${name}`,
  family: 'elementwise',
  run: (ops) => ops.rmsNorm(ops.from(change(normals(n * dim, n)), [n, dim]), ops.from(normals(dim, 8), [dim]), 1e-5),
})

const rmsNormCases: OpCase[] = [
  ...tokenCounts.map((n) => rmsNorm('as drawn', [n, 33])),
  rmsNorm('as drawn', [3, 896]),
  rmsNorm('zeros', [2, 40], (x) => x.fill(0)),
  rmsNorm('squares beyond f32', [2, 40], (x) => x.map((value) => value * 1e25)),
  rmsNorm('squares below f32', [2, 40], (x) => x.map((value) => value * 1e-30)),
  rmsNorm('NaN in one, infinity in another', [3, 40], (x) => x.fill(nan, 5, 6).fill(infinity, 85, 86)),
]

const swigluCases: OpCase[] = [...tokenCounts.map((n) => n * 21), 16384 * 2 + 5].map((count) => ({
  op: 'swiglu',
  name: `${count} values with infinities, NaN and both ends of the exponential`,
  family: 'elementwise',
  run: (ops) =>
    ops.swiglu(ops.from(withAwkward(normals(count, 13, 20)), [count]), ops.from(normals(count, 14), [count])),
  // An exponential below e^-87 may be flushed to 0, which is off by 2^-117 at most.
  magnitude: () => new Float64Array(count).fill(2 ** -94),
}))

const gegluCases: OpCase[] = [...tokenCounts.map((n) => n * 21), 16384 * 2 + 5].map((count) => {
  const gates = (): Float32Array => withAwkward(normals(count, 15, 4))
  const ups = (): Float32Array => normals(count, 16)
  return {
    op: 'geglu',
    name: `${count} values with infinities, NaN and both ends of the exponential`,
    family: 'elementwise',
    run: (ops) => ops.geglu(ops.from(gates(), [count]), ops.from(ups(), [count])),
    // An exponent s in f32 is off by units of its own last place, and the exponential relatively by as much.
    magnitude: () =>
      Float64Array.from(gates(), (g, i) => {
        const s = Math.sqrt(8 / Math.PI) * (g + 0.044715 * g ** 3)
        const value = Math.abs((g / (1 + Math.exp(-s))) * (ups()[i] ?? 0))
        return value * (1 + Math.min(Math.abs(s), 100)) + 2 ** -94
      }),
  }
})

const softCapCases: OpCase[] = tokenCounts.map((n) => ({
  op: 'softCap',
  name: `${n * 21} values, cap 30`,
  family: 'elementwise',
  run: (ops) => ops.softCap(ops.from(withAwkward(normals(n * 21, 17, 40)), [n * 21]), 30),
}))

const positionsFrom = (first: number, n: number): Uint32Array => Uint32Array.from({ length: n }, (_, i) => first + i)

const rope = (
  name: string,
  positions: Uint32Array,
  headDim: number,
  { layout, factors }: { readonly layout: 'interleaved' | 'halves'; readonly factors?: (pair: number) => number },
): OpCase => {
  const optionsOf = (ops: Ops): RopeOptions => ({
    theta: 10000,
    layout,
    ...(factors && {
      factors: ops.from(
        Float32Array.from({ length: headDim / 2 }, (_, pair) => factors(pair)),
        [headDim / 2],
      ),
    }),
  })
  const [n, heads] = [positions.length, 3]
  const values = (): Float32Array => normals(n * heads * headDim, n + headDim)
  return {
    op: 'rope',
    name: `${name}, heads of ${headDim}, ${layout}`,
    family: 'elementwise',
    run: (ops) => ops.rope([ops.from(values(), [n, heads, headDim])], positions, optionsOf(ops))[0],
    magnitude: () => {
      const x = values()
      const other = (i: number): number =>
        layout === 'interleaved' ? i ^ 1 : i - (i % headDim) + ((i + headDim / 2) % headDim)
      return Float64Array.from(x, (value, i) => Math.hypot(value, x[other(i)] ?? 0))
    },
  }
}

const ropeCases: OpCase[] = (['interleaved', 'halves'] as const).flatMap((layout) => [
  ...tokenCounts.map((n) => rope(`${n} tokens from 0`, positionsFrom(0, n), 64, { layout })),
  ...[2, 6, 34].map((headDim) => rope('17 tokens from 61', positionsFrom(61, 17), headDim, { layout })),
  rope('100 tokens up to 2^20', positionsFrom(2 ** 20 - 99, 100), 64, { layout }),
  rope('one token at 2^20', positionsFrom(2 ** 20, 1), 64, { layout }),
  rope('positions out of order, some twice', Uint32Array.of(5, 3, 700, 5, 64, 63, 0), 16, { layout }),
  ...[1, 100].map((n) =>
    rope(`${n} tokens from 5000, angles divided`, positionsFrom(5000, n), 64, {
      layout,
      factors: (pair) => 1 + pair / 3,
    }),
  ),
])

const embedCases: OpCase[] = tokenCounts.map((n) => ({
  op: 'embed',
  name: `${n} ids with repeats, Q8_0, any bytes`,
  family: 'exact',
  run: (ops) => {
    const draw = uniform(n)
    const ids = Uint32Array.from({ length: n }, () => Math.floor(draw() * 50))
    return ops.embed(ops.weight('Q8_0', [50, 96], randomBytes(50 * 3 * 34, 15)), ids)
  },
}))

export const transformerCases: readonly OpCase[] = [
  ...memoryCases,
  ...copyCases,
  ...storeCases,
  ...gatherCases,
  ...embedCases,
  ...rmsNormCases,
  ...swigluCases,
  ...gegluCases,
  ...softCapCases,
  ...ropeCases,
]
