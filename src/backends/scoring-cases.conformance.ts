/** Cases of the ops that score keys: leverage, and arithmetic on scores. Not here: attention mass inside chunks (mass-cases). */
import { normals } from './draw.conformance.ts'
import type { OpCase } from './ops.conformance.ts'
import { tokenCounts } from './transformer-cases.conformance.ts'

const { NaN: nan, POSITIVE_INFINITY: infinity } = Number

interface Keys {
  readonly tokens: number
  readonly kvHeads?: number
  readonly headDim: number
  readonly sketchSize?: number
  readonly ridge?: number
  readonly chunkTokens?: number
  readonly spoil?: (k: Float32Array) => void
}

/** Two equal columns with a sum of squares of 2^40, and a small one whose leverage shows which ridge was taken. */
export const dependentKeys: readonly number[] = [1, -1, 1, -1]
  .flatMap((sign) => [sign * 2 ** 19, sign * 2 ** 19, 0])
  .concat([0, 0, 0.03, 0, 0, -0.03])

const leverage = (name: string, keys: Keys): OpCase => {
  const { tokens, kvHeads = 2, headDim, sketchSize, ridge = 5e-3, chunkTokens, spoil } = keys
  return {
    op: 'leverage',
    name: `${name}: ${tokens} tokens, head dim ${headDim}, ${sketchSize ? `sketch of ${sketchSize}` : 'exact'}`,
    family: 'leverage',
    run: (ops) => {
      const k = normals(tokens * kvHeads * headDim, tokens + headDim)
      spoil?.(k)
      return ops.leverage(ops.from(k, [tokens, kvHeads, headDim]), {
        ridge,
        ...(chunkTokens === undefined ? {} : { chunkTokens }),
        ...(sketchSize
          ? { sketch: ops.from(normals(headDim * sketchSize, 71, 1 / Math.sqrt(sketchSize)), [headDim, sketchSize]) }
          : {}),
      })
    },
  }
}

const leverageCases: OpCase[] = [
  ...tokenCounts.flatMap((tokens) => [
    leverage('all sizes', { tokens, headDim: 20 }),
    leverage('all sizes', { tokens, headDim: 20, sketchSize: 12 }),
  ]),
  ...[1, 3, 33, 64, 80].map((headDim) => leverage('head dims', { tokens: 150, headDim, kvHeads: 3 })),
  ...[1, 7, 48, 49, 70].map((sketchSize) => leverage('sketch sizes', { tokens: 150, headDim: 64, sketchSize })),
  ...[1, 16, 100, 256, 1000].map((chunkTokens) =>
    leverage(`chunks of ${chunkTokens}`, { tokens: 257, headDim: 12, chunkTokens }),
  ),
  leverage('several spans', { tokens: 1100, headDim: 16, kvHeads: 1 }),
  leverage('keys all equal', { tokens: 40, headDim: 8, spoil: (k) => k.fill(3) }),
  leverage('a mean of 1,000', {
    tokens: 90,
    headDim: 8,
    spoil: (k) =>
      k.forEach((x, i) => {
        k[i] = x + 1000
      }),
  }),
  leverage('a ridge of 1e-9 lost beside 2^40, so that 1e-3 is taken', {
    tokens: 6,
    kvHeads: 1,
    headDim: 3,
    ridge: 1e-9,
    spoil: (k) => k.set(dependentKeys),
  }),
  leverage('NaN in one head', { tokens: 40, headDim: 8, spoil: (k) => k.fill(nan, 8, 9) }),
  leverage('infinity in one head, in one of four chunks', {
    tokens: 40,
    headDim: 8,
    chunkTokens: 10,
    spoil: (k) => k.fill(infinity, 0, 1),
  }),
]

const scores = (count: number, seed: number): Float32Array => normals(count, seed, 3)

const arithmeticCases: OpCase[] = tokenCounts.flatMap((tokens): OpCase[] => {
  const [count, shape] = [3 * tokens, [3, tokens]]
  return [
    {
      op: 'norms',
      name: `${tokens} tokens, 3 heads of 33`,
      family: 'elementwise',
      run: (ops) => ops.norms(ops.from(scores(tokens * 99, 81), [tokens, 3, 33])),
    },
    {
      op: 'zScore',
      name: `${tokens} tokens`,
      family: 'elementwise',
      run: (ops) => ops.zScore(ops.from(scores(count, 82), shape)),
    },
    {
      op: 'zScore',
      name: `${tokens} tokens, all equal`,
      family: 'exact',
      run: (ops) => ops.zScore(ops.from(scores(count, 83).fill(0.1), shape)),
    },
    {
      op: 'addScaled',
      name: `${tokens} tokens`,
      family: 'exact',
      run: (ops) => ops.addScaled(ops.from(scores(count, 84), shape), ops.from(scores(count, 85), shape), 0.3),
    },
    {
      op: 'multiply',
      name: `${tokens} tokens`,
      family: 'exact',
      run: (ops) => ops.multiply(ops.from(scores(count, 86), shape), ops.from(scores(count, 87), shape)),
    },
    ...[1, 3, 7, 999].map(
      (width): OpCase => ({
        op: 'averagePool',
        name: `${tokens} tokens, width ${width}`,
        family: 'elementwise',
        run: (ops) => ops.averagePool(ops.from(scores(count, 88), shape), width),
        magnitude: () => new Float64Array(count).fill(1),
      }),
    ),
  ]
})

const withNotFinite = Float32Array.of(1, nan, 3, infinity, -infinity, 0)

const notFiniteCases: OpCase[] = [
  {
    op: 'zScore',
    name: 'NaN and infinities',
    family: 'elementwise',
    run: (ops) => ops.zScore(ops.from(withNotFinite, [2, 3])),
  },
  {
    op: 'zScore',
    name: 'nearly equal values near 1e30',
    family: 'elementwise',
    run: (ops) => ops.zScore(ops.from(Float32Array.of(1e30, 1.0001e30, 1e30, 1.0002e30), [1, 4])),
  },
  {
    op: 'multiply',
    name: 'NaN and infinities',
    family: 'exact',
    run: (ops) => ops.multiply(ops.from(withNotFinite, [6]), ops.from(Float32Array.of(0, 1, 1e38, 0, 1, -0), [6])),
  },
  {
    op: 'addScaled',
    name: 'NaN and infinities',
    family: 'exact',
    run: (ops) => ops.addScaled(ops.from(withNotFinite, [6]), ops.from(withNotFinite, [6]), -1),
  },
  {
    op: 'averagePool',
    name: 'NaN and infinities',
    family: 'elementwise',
    run: (ops) => ops.averagePool(ops.from(withNotFinite, [1, 6]), 3),
  },
  {
    op: 'norms',
    name: 'NaN, infinities, values whose squares overflow',
    family: 'elementwise',
    run: (ops) => ops.norms(ops.from(Float32Array.of(nan, 1, infinity, -infinity, 1e30, 1e30), [3, 1, 2])),
  },
]

const rankCases: OpCase[] = [
  ...tokenCounts.map(
    (tokens): OpCase => ({
      op: 'lagRanks',
      name: `${tokens} tokens`,
      family: 'exact',
      run: (ops) => ops.lagRanks(ops.from(normals(3 * tokens, tokens), [3, tokens]), { first: 4, partitionTokens: 16 }),
    }),
  ),
  {
    op: 'lagRanks',
    name: 'NaN, infinities, zeros of both signs, ties',
    family: 'exact',
    run: (ops) => {
      const x = Float32Array.of(nan, 0, -0, infinity, -infinity, nan, 0, 5, 1, 1, 1, 1, 1, 1, 1, 1)
      return ops.lagRanks(ops.from(x, [1, 16]), { first: 0, partitionTokens: 8 })
    },
  },
]

export const scoringCases: readonly OpCase[] = [...leverageCases, ...arithmeticCases, ...notFiniteCases, ...rankCases]
