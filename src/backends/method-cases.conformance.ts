/** Cases of the ops that methods other than Compactor's own need: cosineToMean, lagSpread, expectedAttention, meanOverHeads. */
import { groups } from './attention-cases.conformance.ts'
import { normals } from './draw.conformance.ts'
import type { OpCase } from './ops.conformance.ts'
import type { Ops, Tensor } from './ops.ts'
import { tokenCounts } from './transformer-cases.conformance.ts'

const { NaN: nan, POSITIVE_INFINITY: infinity } = Number

interface Vectors {
  readonly tokens: number
  readonly headDim: number
  readonly kvHeads?: number
  readonly spoil?: (x: Float32Array) => void
}

const vectors = (ops: Ops, { tokens, headDim, kvHeads = 3, spoil }: Vectors): Tensor => {
  const x = normals(tokens * kvHeads * headDim, tokens + headDim)
  spoil?.(x)
  return ops.from(x, [tokens, kvHeads, headDim])
}

const cosine = (name: string, options: Vectors): OpCase => ({
  op: 'cosineToMean',
  name: `${name}: ${options.tokens} tokens, head dim ${options.headDim}`,
  family: 'elementwise',
  run: (ops) => ops.cosineToMean(vectors(ops, options)),
  magnitude: () => new Float64Array(options.tokens * (options.kvHeads ?? 3)).fill(2 ** -20),
})

const cosineCases: OpCase[] = [
  ...tokenCounts.map((tokens) => cosine('all sizes', { tokens, headDim: 20 })),
  ...[1, 3, 33, 64, 127, 1024].map((headDim) => cosine('head dims', { tokens: 50, headDim })),
  cosine('several spans', { tokens: 1100, headDim: 8 }),
  cosine('vectors all equal', { tokens: 40, headDim: 8, spoil: (x) => x.fill(3) }),
  cosine('vectors all zero', { tokens: 40, headDim: 8, spoil: (x) => x.fill(0) }),
  cosine('one zero vector', { tokens: 40, headDim: 8, spoil: (x) => x.fill(0, 24, 32) }),
  cosine('pairs that cancel', { tokens: 2, headDim: 1, kvHeads: 1, spoil: (x) => x.set([1, -1]) }),
  cosine('norms of 1e30', { tokens: 20, headDim: 8, spoil: (x) => x.set(x.map((value) => value * 1e30)) }),
  cosine('norms of 1e-10', { tokens: 20, headDim: 8, spoil: (x) => x.set(x.map((value) => value * 1e-10)) }),
  cosine('NaN in one head', { tokens: 40, headDim: 8, spoil: (x) => x.fill(nan, 8, 9) }),
  cosine('infinity in one head', { tokens: 40, headDim: 8, spoil: (x) => x.fill(infinity, 8, 9) }),
]

interface Lag extends Vectors {
  readonly first: number
  readonly partitionTokens: number
}

const lag = (name: string, { first, partitionTokens, ...options }: Lag): OpCase => ({
  op: 'lagSpread',
  name: `${name}: ${options.tokens} tokens, partitions of ${partitionTokens} from ${first} on, head dim ${options.headDim}`,
  family: 'elementwise',
  run: (ops) => ops.lagSpread(vectors(ops, options), { first, partitionTokens }),
})

const lagCases: OpCase[] = [
  ...tokenCounts.flatMap((tokens) => [
    lag('all sizes', { tokens, headDim: 20, first: 4, partitionTokens: 5 }),
    lag('all sizes', { tokens, headDim: 20, first: 0, partitionTokens: 128 }),
  ]),
  ...[1, 2, 3, 33, 64, 1024].map((headDim) => lag('head dims', { tokens: 50, headDim, first: 4, partitionTokens: 15 })),
  ...[1, 2, 16, 17, 20, 21, 1000].map((partitionTokens) =>
    lag('partitions', { tokens: 44, headDim: 8, first: 4, partitionTokens }),
  ),
  lag('first behind the end', { tokens: 40, headDim: 8, first: 50, partitionTokens: 4 }),
  lag('vectors all equal', { tokens: 40, headDim: 8, first: 4, partitionTokens: 8, spoil: (x) => x.fill(3) }),
  lag('one channel that never changes', {
    tokens: 40,
    headDim: 8,
    kvHeads: 1,
    first: 4,
    partitionTokens: 8,
    spoil: (x) => x.set(x.map((value, i) => (i % 8 === 3 ? 5 : value))),
  }),
  lag('a next partition whose range is 1e-30 of this one', {
    tokens: 16,
    headDim: 4,
    kvHeads: 1,
    first: 0,
    partitionTokens: 8,
    spoil: (x) => x.set(x.map((value, i) => (i < 32 ? value : value * 1e-30))),
  }),
  ...[nan, infinity, -infinity].map((value) =>
    lag(`${value} in one vector`, {
      tokens: 60,
      headDim: 8,
      first: 4,
      partitionTokens: 10,
      spoil: (x) => x.fill(value, 30 * 24 + 3, 30 * 24 + 4),
    }),
  ),
]

interface Expected {
  readonly tokens: number
  readonly group: number
  readonly headDim: number
  readonly first?: number
  readonly scale?: number
  readonly spoil?: (q: Float32Array, k: Float32Array) => void
}

const expected = (name: string, { tokens, group, headDim, first = 4, scale, spoil }: Expected): OpCase => ({
  op: 'expectedAttention',
  name: `${name}: ${tokens} tokens from ${first} on, ${group} per KV head, head dim ${headDim}`,
  family: 'elementwise',
  run: (ops) => {
    const [q, k] = [normals(tokens * 2 * group * headDim, tokens), normals(tokens * 2 * headDim, tokens + 1, 2)]
    spoil?.(q, k)
    return ops.expectedAttention(ops.from(q, [tokens, 2 * group, headDim]), ops.from(k, [tokens, 2, headDim]), {
      rotation: ops.from(normals(headDim * headDim, 5, 0.7 / Math.sqrt(headDim)), [headDim, headDim]),
      scale: scale ?? 1 / Math.sqrt(headDim),
      first,
    })
  },
})

const expectedCases: OpCase[] = [
  ...tokenCounts.flatMap((tokens) =>
    groups.map((group) => expected('grid', { tokens, group, headDim: 12, first: group % 2 })),
  ),
  ...[1, 3, 7, 8, 9, 33, 64, 80].map((headDim) => expected('head dims', { tokens: 70, group: 3, headDim })),
  expected('several spans', { tokens: 700, group: 1, headDim: 8 }),
  expected('one token left', { tokens: 20, group: 3, headDim: 8, first: 19 }),
  expected('no token left', { tokens: 20, group: 3, headDim: 8, first: 20 }),
  expected('first behind the end', { tokens: 20, group: 3, headDim: 8, first: 30 }),
  expected('queries all equal', { tokens: 40, group: 3, headDim: 8, spoil: (q) => q.fill(2) }),
  expected('keys all equal', { tokens: 40, group: 3, headDim: 8, spoil: (_, k) => k.fill(2) }),
  expected('queries of a mean of 100', {
    tokens: 90,
    group: 1,
    headDim: 8,
    scale: 0.01,
    spoil: (q) => q.set(q.map((value) => value + 100)),
  }),
  expected('logits of thousands', { tokens: 90, group: 1, headDim: 8, scale: 8 }),
  expected('a scale of 0', { tokens: 40, group: 3, headDim: 8, scale: 0 }),
  expected('NaN in one query', { tokens: 40, group: 3, headDim: 8, spoil: (q) => q.fill(nan, 700, 701) }),
  expected('NaN in a query before the first', { tokens: 40, group: 3, headDim: 8, spoil: (q) => q.fill(nan, 0, 1) }),
  expected('NaN in one key', { tokens: 40, group: 3, headDim: 8, spoil: (_, k) => k.fill(nan, 160, 161) }),
  expected('infinity in one key', { tokens: 40, group: 3, headDim: 8, spoil: (_, k) => k.fill(infinity, 160, 161) }),
]

const meanCases: OpCase[] = [
  ...tokenCounts.flatMap((tokens) =>
    [1, 3, 7, 8].map(
      (heads): OpCase => ({
        op: 'meanOverHeads',
        name: `${heads} heads, ${tokens} tokens`,
        family: 'exact',
        run: (ops) => ops.meanOverHeads(ops.from(normals(heads * tokens, 91, 3), [heads, tokens])),
      }),
    ),
  ),
  {
    op: 'meanOverHeads',
    name: 'NaN, infinities, values whose sum passes f32',
    family: 'elementwise',
    run: (ops) =>
      ops.meanOverHeads(ops.from(Float32Array.of(1, nan, infinity, infinity, 3e38, 1, 1, 1, -infinity, 3e38), [2, 5])),
  },
]

export const methodCases: readonly OpCase[] = [...cosineCases, ...lagCases, ...expectedCases, ...meanCases]
