/** Cases of chunkAttentionMass: attention mass inside chunks. */
import { normals } from './draw.conformance.ts'
import type { OpCase } from './ops.conformance.ts'
import type { ChunkMassOptions, Ops, Tensor } from './ops.ts'
import { createReferenceOps } from './reference.ts'
import { cpu } from './tensor.ts'
import { tokenCounts } from './transformer-cases.conformance.ts'

const { NaN: nan, POSITIVE_INFINITY: infinity } = Number

interface Mass extends ChunkMassOptions {
  readonly tokens: number
  readonly group: number
  readonly headDim: number
  readonly kvHeads?: number
  readonly spoil?: (q: Float32Array, k: Float32Array) => void
  /** The largest sum of a logit's terms, where it is far above 10: what its error grows with. */
  readonly logitTerms?: number
}

const massOf = (ops: Ops, { tokens, group, headDim, kvHeads = 2, spoil, ...options }: Mass): Tensor => {
  const [q, k] = [normals(tokens * group * kvHeads * headDim, tokens), normals(tokens * kvHeads * headDim, tokens + 1)]
  spoil?.(q, k)
  return ops.chunkAttentionMass(
    ops.from(q, [tokens, group * kvHeads, headDim]),
    ops.from(k, [tokens, kvHeads, headDim]),
    options,
  )
}

/** Multiplies the arrays by the factors of their indices. */
const scaled =
  (factors: readonly number[]) =>
  (values: Float32Array, index: number): void =>
    values.forEach((x, i) => {
      values[i] = x * (factors[index] as number)
    })

const mass = (name: string, options: Mass): OpCase => ({
  op: 'chunkAttentionMass',
  name: `${name}: ${options.tokens} tokens in chunks of ${options.chunkTokens}, ${options.group} per KV head, head dim ${options.headDim}`,
  family: 'attention',
  run: (ops) => massOf(ops, options),
  // A key that nobody looks at is as uncertain as its chunk's logits are, so errors are measured beside the mean mass.
  magnitude: () =>
    Float64Array.from(
      cpu(massOf(createReferenceOps(), options)).data,
      (value) => (value + options.group) * Math.max(1, (options.logitTerms ?? 0) / 10),
    ),
})

/** 2^60 and more cannot be split into two bfloat16 numbers; NaN may have any bits below its exponent. */
const nanOfOnes = (values: Float32Array, at: number): void => {
  new Uint32Array(values.buffer)[at] = 0xffffffff
}

/** Token 40 of 70, in the second of three chunks of 32: its first number, in q of six heads and in k of two. */
const [queryNumber, keyNumber] = [40 * 6 * 64, 40 * 2 * 64]

/** What is done to q and k of heads of 64; where a logit's terms then add up to much, how much. */
const spoiledTiles: readonly (readonly [string, NonNullable<Mass['spoil']>, logitTerms?: number])[] = [
  ['NaN in one key', (_, k) => k.fill(nan, keyNumber, keyNumber + 1)],
  ['NaN in one query', (q) => q.fill(nan, queryNumber, queryNumber + 1)],
  ['NaN of ones in one key', (_, k) => nanOfOnes(k, keyNumber + 33)],
  ['NaN of ones in one query', (q) => nanOfOnes(q, queryNumber + 50)],
  ['−∞ in one key', (_, k) => k.fill(-infinity, keyNumber, keyNumber + 1)],
  ['infinity in one query', (q) => q.fill(infinity, queryNumber, queryNumber + 1)],
  ['keys of 2^100, queries of 2^-100', (q, k) => [q, k].forEach(scaled([2 ** -100, 2 ** 100]))],
  ['queries of 2^125, keys of 2^-125', (q, k) => [q, k].forEach(scaled([2 ** 125, 2 ** -125]))],
  ['subnormal queries', (q) => q.fill(1e-40)],
  ['queries of 0', (q) => q.fill(0)],
  ['keys all equal', (_, k) => k.fill(0.3)],
  ['logits of hundreds', (q) => [q].forEach(scaled([100])), 700],
  ['logits of thousands', (q) => [q].forEach(scaled([1000])), 7000],
  ['logits of millions', (q) => [q].forEach(scaled([1e6])), 7e6],
  ...[100, 1e6, 1e15].flatMap((factor): [string, NonNullable<Mass['spoil']>, number][] =>
    ([1, 2] as const).map((count) => [
      `${count === 1 ? 'one key' : 'two keys side by side'} ${factor} times as large`,
      (_, k) => [k.subarray(keyNumber, keyNumber + count * 128)].forEach(scaled([factor])),
      // Larger ones have either everything or nothing, and the rest is to be as exact as without them.
      factor === 100 ? 700 : 0,
    ]),
  ),
  ['one query a million times as large', (q) => [q.subarray(queryNumber, queryNumber + 64)].forEach(scaled([1e6]))],
]

/** Heads of whole tiles, for kernels that have them. */
const tileCases: OpCase[] = [
  // Rows that are no whole tile, last chunks shorter than a tile and than a span of tiles.
  ...[32, 64, 96, 128].flatMap((headDim, i) =>
    [1, 2, 3, 4, 5, 6, 7, 8].map((group) =>
      mass('tiles', {
        tokens: 79 + 6 * group,
        group,
        headDim,
        chunkTokens: [48, 33, 67, 80][i] ?? 0,
        scale: 1 / Math.sqrt(headDim),
      }),
    ),
  ),
  ...[1, 2, 15, 16, 17, 63, 64, 65, 128, 129, 255, 256, 257].map((chunkTokens) =>
    mass('tiles', { tokens: 300, group: 3, headDim: 64, chunkTokens, scale: 1 / 8 }),
  ),
  ...[511, 512, 513, 600].map((tokens) =>
    mass('tiles', { tokens, group: 1, headDim: 32, chunkTokens: 512, scale: 1 / Math.sqrt(32) }),
  ),
  ...[256, 1024].map((headDim) =>
    mass('tiles', { tokens: 70, group: 1, headDim, chunkTokens: 50, scale: 1 / Math.sqrt(headDim) }),
  ),
  // Two tasks for a chunk's rows, one for those of the short chunk after it.
  mass('tiles, rows in two parts', {
    tokens: 824 + 21,
    group: 1,
    kvHeads: 1,
    headDim: 256,
    chunkTokens: 824,
    scale: 1 / 16,
  }),
  mass('tiles, components that are large in all keys', {
    tokens: 70,
    group: 3,
    headDim: 64,
    chunkTokens: 64,
    scale: 1 / 8,
    spoil: (_, k) =>
      k.forEach((x, i) => {
        k[i] = i % 16 === 5 ? x + 100 : x
      }),
  }),
  ...spoiledTiles.map(([name, spoil, logitTerms = 0]) =>
    mass(`tiles, ${name}`, { tokens: 70, group: 3, headDim: 64, chunkTokens: 32, scale: 1 / 8, spoil, logitTerms }),
  ),
]

export const massCases: readonly OpCase[] = [
  ...tileCases,
  ...tokenCounts.flatMap((tokens) =>
    [1, 3, 7, 8].map((group) => mass('grid', { tokens, group, headDim: 12, chunkTokens: 64, scale: 0.3 })),
  ),
  ...[1, 5, 16, 33, 64].map((headDim) =>
    mass('head dims', { tokens: 100, group: 3, headDim, chunkTokens: 40, scale: 1 / Math.sqrt(headDim) }),
  ),
  ...[1, 15, 16, 17, 256, 257, 1000].map((chunkTokens) =>
    mass('chunks', { tokens: 257, group: 1, headDim: 8, chunkTokens, scale: 1 }),
  ),
  mass('several blocks of rows', { tokens: 300, group: 8, headDim: 8, chunkTokens: 300, scale: 0.2 }),
  mass('keys all equal', { tokens: 70, group: 3, headDim: 8, chunkTokens: 32, scale: 1, spoil: (_, k) => k.fill(1) }),
  mass('logits of thousands', {
    tokens: 70,
    group: 3,
    headDim: 8,
    chunkTokens: 32,
    scale: 1,
    spoil: (q) => q.fill(512),
  }),
  mass('NaN in one key', {
    tokens: 70,
    group: 3,
    headDim: 8,
    chunkTokens: 32,
    scale: 1,
    spoil: (_, k) => k.fill(nan, 80, 81),
  }),
  mass('infinity in one query', {
    tokens: 70,
    group: 3,
    headDim: 8,
    chunkTokens: 32,
    scale: 1,
    spoil: (q) => q.fill(infinity, 80, 81),
  }),
]
