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
  readonly spoil?: (q: Float32Array, k: Float32Array) => void
}

const massOf = (ops: Ops, { tokens, group, headDim, spoil, ...options }: Mass): Tensor => {
  const kvHeads = 2
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
  magnitude: () => Float64Array.from(cpu(massOf(createReferenceOps(), options)).data, (value) => value + options.group),
})

export const massCases: readonly OpCase[] = [
  ...tokenCounts.flatMap((tokens) =>
    [1, 3, 7, 8].map((group) => mass('grid', { tokens, group, headDim: 12, chunkTokens: 64, scale: 0.3 })),
  ),
  ...[1, 5, 16, 33, 64].map((headDim) =>
    mass('head dims', { tokens: 100, group: 3, headDim, chunkTokens: 40, scale: 1 / Math.sqrt(headDim) }),
  ),
  ...[1, 15, 16, 17, 256, 257, 1000].map((chunkTokens) =>
    mass('chunks', { tokens: 257, group: 1, headDim: 8, chunkTokens, scale: 1 }),
  ),
  // Heads of whole tiles, for kernels that have them.
  ...[1, 17, 64, 255, 256, 257].map((chunkTokens) =>
    mass('tiles', { tokens: 300, group: 3, headDim: 64, chunkTokens, scale: 1 / 8 }),
  ),
  ...[32, 96, 128, 256].map((headDim) =>
    mass('tiles', { tokens: 70, group: 1, headDim, chunkTokens: 50, scale: 1 / Math.sqrt(headDim) }),
  ),
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
  ...(
    [
      ['NaN in one key', (_, k) => k.fill(nan, 80 * 64, 80 * 64 + 1)],
      ['−∞ in one key', (_, k) => k.fill(-infinity, 80 * 64, 80 * 64 + 1)],
      ['infinity in one query', (q) => q.fill(infinity, 80 * 64, 80 * 64 + 1)],
      ['keys of 2^100, queries of 2^-100', (q, k) => [q, k].forEach(scaled([2 ** -100, 2 ** 100]))],
      ['queries of 2^125, keys of 2^-125', (q, k) => [q, k].forEach(scaled([2 ** 125, 2 ** -125]))],
      ['subnormal queries', (q) => q.fill(1e-40)],
    ] satisfies [string, Mass['spoil']][]
  ).map(([name, spoil]) =>
    mass(`tiles, ${name}`, { tokens: 70, group: 3, headDim: 64, chunkTokens: 32, scale: 1 / 8, spoil }),
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
