/** Cases of attention: group sizes, head dims, ragged runs, bias, causal borders, many keys, and what is not finite. */
import { numbersOf } from './deviation.conformance.ts'
import { normals } from './draw.conformance.ts'
import { lazily } from './lazily.conformance.ts'
import type { OpCase } from './ops.conformance.ts'
import type { Ops, Precision, Segment, Tensor } from './ops.ts'
import { createReferenceOps } from './reference.ts'
import { cpu } from './tensor.ts'
import { tolerances } from './tolerances.ts'
import { tokenCounts } from './transformer-cases.conformance.ts'

const { NaN: nan, POSITIVE_INFINITY: infinity } = Number

/** One segment: a run of keys for each KV head. */
export interface Runs {
  readonly counts: readonly number[]
  readonly gap?: number // unused rows before each run
  readonly dtype?: Precision
  readonly bias?: (row: number) => number
  readonly causalFrom?: number
  readonly window?: number
  readonly queries?: readonly [first: number, count: number]
  /** Puts values into k and v after they were drawn. */
  readonly spoil?: (k: Float32Array, v: Float32Array) => void
}

export interface Attention {
  readonly n: number
  readonly group: number
  readonly headDim: number
  readonly runs: readonly Runs[]
  readonly firstIndex?: number
  readonly scale?: number
  readonly spoilQ?: (q: Float32Array) => void
  /** The largest logit, where it is far above 10: an f32 logit is rounded in proportion, and so is its weight. */
  readonly largestLogit?: number
}

const half = (ops: Ops, tensor: Tensor): Tensor => {
  const halves = ops.zeros(tensor.shape, 'f16')
  ops.copy(halves, tensor)
  return halves
}

export const segmentOf = (
  ops: Ops,
  runs: Runs,
  headDim: number,
  change: (values: Float32Array) => Float32Array = (values) => values,
): Segment => {
  const { counts, gap = 2, dtype = 'f32', bias, causalFrom, window, queries, spoil } = runs
  const starts = counts.map((_, head) => counts.slice(0, head).reduce((sum, count) => sum + count + gap, gap))
  const rows = counts.reduce((sum, count) => sum + count + gap, 0)
  const [k, v] = [normals(rows * headDim, rows), normals(rows * headDim, rows + 1)]
  spoil?.(k, v)
  const [keys, values] = [ops.from(k, [rows, headDim]), ops.from(change(v), [rows, headDim])]
  return {
    k: dtype === 'f16' ? half(ops, keys) : keys,
    v: dtype === 'f16' ? half(ops, values) : values,
    starts: Uint32Array.from(starts),
    counts: Uint32Array.from(counts),
    ...(bias
      ? {
          bias: ops.from(
            Float32Array.from({ length: rows }, (_, row) => bias(row)),
            [rows],
          ),
        }
      : {}),
    ...(causalFrom === undefined ? {} : { causalFrom }),
    ...(window === undefined ? {} : { window }),
    ...(queries === undefined ? {} : { firstQuery: queries[0], queryCount: queries[1] }),
  }
}

export const inputsOf = (
  ops: Ops,
  { n, group, headDim, runs, firstIndex = 0, scale, spoilQ }: Attention,
  change: (values: Float32Array) => Float32Array = (values) => values,
): [q: Tensor, segments: Segment[], options: { scale: number; firstIndex: number }] => {
  const heads = group * (runs[0]?.counts.length ?? 1)
  const q = normals(n * heads * headDim, n + headDim)
  spoilQ?.(q)
  const segments = runs.map((run) => segmentOf(ops, run, headDim, change))
  return [ops.from(q, [n, heads, headDim]), segments, { scale: scale ?? 1 / Math.sqrt(headDim), firstIndex }]
}

const attend = (ops: Ops, attention: Attention, change?: (values: Float32Array) => Float32Array): Tensor =>
  ops.attend(...inputsOf(ops, attention, change))

/** The terms of attention's sum: what it gives for the values' absolute values. */
const attentionTerms = (attention: Attention): Float64Array =>
  Float64Array.from(cpu(attend(createReferenceOps(), attention, (values) => values.map(Math.abs))).data)

/** How much less exact f32 logits are than those near 10. */
export const roughness = ({ largestLogit = 0 }: Attention): number => Math.max(1, largestLogit / 10)

/**
 * How far weights may be off, relatively, for each query and query head, where factors are rounded to 8 bits: each by 2^-9
 * of itself, so a logit by 2^-8 of its terms, and a weight by e to twice that at most (its own logit and all others').
 */
export const weightErrorsOf = (attention: Attention): Float64Array => {
  const [q, segments, { scale }] = inputsOf(createReferenceOps(), attention)
  const { group, headDim } = attention
  const heads = q.shape[1] ?? 1
  const queries = numbersOf(cpu(q))
  const runs = segments.map(({ k, starts, counts }) => ({ k: numbersOf(cpu(k)), starts, counts }))
  return Float64Array.from({ length: queries.length / headDim }, (_, row) => {
    const kvHead = Math.floor((row % heads) / group)
    let largest = 0
    for (const { k, starts, counts } of runs) {
      const start = starts[kvHead] ?? 0
      for (let key = start; key < start + (counts[kvHead] ?? 0); key++) {
        let terms = 0
        for (let d = 0; d < headDim; d++)
          terms += Math.abs((queries[row * headDim + d] ?? 0) * (k[key * headDim + d] ?? 0))
        if (Number.isFinite(terms)) largest = Math.max(largest, terms * scale)
      }
    }
    return Math.expm1(2 * 2 ** -8 * largest)
  })
}

/** The errors of the weights, the values' and the weights' own rounding; but no mean is further off than twice the largest value. */
const roundedBoundOf = (attention: Attention, allTerms: Float64Array): Float64Array => {
  const [, segments] = inputsOf(createReferenceOps(), attention)
  const largest = segments
    .flatMap(({ v }) => [...numbersOf(cpu(v))])
    .reduce((most, value) => (Number.isFinite(value) ? Math.max(most, Math.abs(value)) : most), 0)
  const errors = weightErrorsOf(attention)
  return allTerms.map((terms, i) => {
    const spread = Math.min(terms * (errors[Math.floor(i / attention.headDim)] ?? 0), 2 * largest)
    return spread + (2 ** -8 + tolerances.attention.limit * roughness(attention)) * terms
  })
}

export const attendCase = (name: string, attention: Attention): OpCase => {
  const allTerms = lazily(() => attentionTerms(attention))
  return {
    op: 'attend',
    name: `${name}: ${attention.n} queries, ${attention.group} per KV head, head dim ${attention.headDim}`,
    family: 'attention',
    run: (ops) => attend(ops, attention),
    magnitude: () => allTerms().map((terms) => terms * roughness(attention)),
    roundedBound: () => roundedBoundOf(attention, allTerms()),
  }
}

export const groups: readonly number[] = [1, 3, 7, 8]
export const biasOf = (row: number): number => Math.sin(row) * 3

const gridCases: OpCase[] = tokenCounts.flatMap((n) =>
  groups.map((group) =>
    attendCase('ragged runs with bias, then causal', {
      n,
      group,
      headDim: 16,
      firstIndex: 40,
      runs: [
        { counts: [0, 37], dtype: 'f16', bias: biasOf },
        { counts: [n + 2, n + 2], causalFrom: 38, dtype: group % 2 ? 'f16' : 'f32' },
      ],
    }),
  ),
)

const headDimCases: OpCase[] = [1, 2, 5, 7, 8, 9, 15, 17, 31, 33, 64, 80, 128].map((headDim) =>
  attendCase('three segments', {
    n: 5,
    group: 3,
    headDim,
    firstIndex: 100,
    runs: [
      { counts: [33, 0, 16], dtype: headDim % 2 ? 'f16' : 'f32' },
      { counts: [1, 17, 15], bias: biasOf, dtype: 'f16' },
      { counts: [9, 9, 9], causalFrom: 96 },
    ],
  }),
)

const longCases: OpCase[] = [
  ...[1, 2, 3].flatMap((n) =>
    [1, 7].map((group) =>
      attendCase('keys shared out among tasks', {
        n,
        group,
        headDim: 64,
        firstIndex: 5000,
        runs: [
          { counts: [2600, 511], dtype: 'f16' },
          { counts: [n, n], causalFrom: 5000, dtype: 'f16' },
        ],
      }),
    ),
  ),
  attendCase('hidden keys between visible ones of other tasks', {
    n: 2,
    group: 3,
    headDim: 16,
    firstIndex: 10,
    runs: [{ counts: [600] }, { counts: [1400], causalFrom: 9 }, { counts: [700], bias: biasOf }],
  }),
  attendCase('several blocks of rows and of keys', {
    n: 257,
    group: 7,
    headDim: 8,
    firstIndex: 300,
    runs: [
      { counts: [300], dtype: 'f16' },
      { counts: [257], causalFrom: 300, dtype: 'f16' },
    ],
  }),
  ...[255, 256, 257, 512, 513].map((count) =>
    attendCase(`${count} keys`, { n: 6, group: 1, headDim: 9, runs: [{ counts: [count] }] }),
  ),
]

const borderCases: OpCase[] = [
  attendCase('no key at all', { n: 3, group: 2, headDim: 5, runs: [{ counts: [0, 0] }] }),
  attendCase('every key in the future', { n: 3, group: 2, headDim: 5, runs: [{ counts: [20, 3], causalFrom: 3 }] }),
  attendCase('the first query sees nothing', {
    n: 40,
    group: 3,
    headDim: 16,
    firstIndex: 7,
    runs: [{ counts: [50], causalFrom: 8 }],
  }),
  attendCase('indices near 2^32', {
    n: 20,
    group: 1,
    headDim: 4,
    firstIndex: 2 ** 32 - 30,
    runs: [{ counts: [25], causalFrom: 2 ** 32 - 35 }],
  }),
  attendCase('all keys equal', { n: 17, group: 7, headDim: 64, runs: [{ counts: [257], spoil: (k) => k.fill(0.25) }] }),
  attendCase('all values equal', {
    n: 2,
    group: 7,
    headDim: 64,
    runs: [{ counts: [2000], spoil: (_, v) => v.fill(0.1), dtype: 'f16' }],
  }),
  attendCase('one key wins by 10,000', {
    largestLogit: 1e4,
    n: 17,
    group: 3,
    headDim: 16,
    runs: [{ counts: [300, 20], bias: (row) => (row % 7 === 3 ? 1e4 + row * 0.001 : -1e4) }],
  }),
  attendCase('logits rising, so that each block outdoes the last', {
    largestLogit: 750,
    n: 9,
    group: 1,
    headDim: 16,
    runs: [{ counts: [1500], bias: (row) => row * 0.5 }],
  }),
  attendCase('logits falling', { n: 9, group: 1, headDim: 16, runs: [{ counts: [1500], bias: (row) => -row * 0.5 }] }),
  attendCase('scale 1 and values of 1e30', {
    n: 9,
    group: 1,
    headDim: 16,
    scale: 1,
    runs: [
      {
        counts: [40],
        spoil: (_, v) =>
          v.forEach((x, i) => {
            v[i] = x * 1e30
          }),
      },
    ],
  }),
]

/** A run that begins before the queries and ends with them, through windows that begin inside, before and after blocks. */
const windowCases: OpCase[] = [
  ...[1, 2, 15, 16, 17, 255, 256, 257, 600].flatMap((window) =>
    [1, 3].flatMap((group) =>
      [1, 40].map((n) =>
        attendCase(`a window of ${window}`, {
          n,
          group,
          headDim: 16,
          firstIndex: 560,
          runs: [
            { counts: [600, 600], causalFrom: 0, window, dtype: group === 1 ? 'f16' : 'f32', bias: biasOf },
            { counts: [20, 7], dtype: 'f16' },
          ],
        }),
      ),
    ),
  ),
  ...[64, 96].flatMap((headDim) =>
    [1, 4].map((n) =>
      attendCase('a window over two segments, as a block and a tail', {
        n,
        group: 4,
        headDim,
        firstIndex: 1030,
        runs: [
          { counts: [512], causalFrom: 512, window: 512, dtype: 'f16' },
          { counts: [6 + n], causalFrom: 1024, window: 512, dtype: 'f16' },
        ],
      }),
    ),
  ),
  attendCase('several blocks of rows and of keys through a window of 100', {
    n: 300,
    group: 7,
    headDim: 8,
    firstIndex: 900,
    runs: [{ counts: [1200], causalFrom: 0, window: 100, dtype: 'f16' }],
  }),
  attendCase('everything before the window', {
    n: 5,
    group: 2,
    headDim: 8,
    firstIndex: 500,
    runs: [{ counts: [300, 20], causalFrom: 0, window: 200 }],
  }),
  attendCase('indices near 2^32 and a window of 7', {
    n: 20,
    group: 1,
    headDim: 4,
    firstIndex: 2 ** 32 - 30,
    runs: [{ counts: [25], causalFrom: 2 ** 32 - 35, window: 7 }],
  }),
  ...[nan, infinity].flatMap((value) =>
    [16, 64].flatMap((headDim) =>
      [1, 17].map((n) =>
        attendCase(`key and value ${value} just before the window`, {
          n,
          group: 1,
          headDim,
          firstIndex: 22,
          runs: [
            {
              counts: [40],
              gap: 1,
              causalFrom: 0,
              window: 5,
              // Row 18 is key 17 (after a gap of one), the last that the first query does not see.
              spoil: (k, v) => {
                for (const x of [k, v]) x.fill(value, 18 * headDim, 19 * headDim)
              },
            },
          ],
        }),
      ),
    ),
  ),
]

type Spoilt = Partial<Runs> & { readonly spoilQ?: (q: Float32Array) => void }

/** What is done to row 7 of the first run of heads so wide, beginning at value 7 · headDim; there is a gap before it. */
export const spoiltKeys = (headDim: number): readonly (readonly [name: string, Spoilt])[] => [
  ['bias of −∞ everywhere', { bias: () => -infinity }],
  ['bias of NaN', { bias: (row) => (row === 7 ? nan : 0) }],
  ['bias of +∞', { bias: (row) => (row === 7 ? infinity : row === 9 ? -infinity : 0) }],
  ['a key of NaN', { spoil: (k) => k.fill(nan, 7 * headDim, 7 * headDim + 1) }],
  ['a key of ∞', { spoil: (k) => k.fill(infinity, 7 * headDim, 7 * headDim + 1) }],
  ['a query of NaN', { spoilQ: (q) => q.fill(nan, headDim + 4, headDim + 5) }],
]

export const spoiltValues = (headDim: number): readonly (readonly [name: string, Spoilt])[] => [
  [
    'bias of −∞ hides a key whose value is NaN',
    { bias: (row) => (row === 7 ? -infinity : 0), spoil: (_, v) => v.fill(nan, 7 * headDim, 8 * headDim) },
  ],
  ['a value of NaN in one column', { spoil: (_, v) => v.fill(nan, 7 * headDim + 3, 7 * headDim + 4) }],
  ['a value of ∞ in one column', { spoil: (_, v) => v.fill(infinity, 7 * headDim + 3, 7 * headDim + 4) }],
]

/** Values of key 30 (after a gap of one), which the last query alone sees; the last has no bfloat16 but infinity. */
const lastValues = [undefined, nan, infinity, 3.4e38] as const

/** Few rows of wide heads, whose keys and values are not packed. */
const straightCases: OpCase[] = ([32, 64, 96, 128, 256] as const).flatMap((headDim) =>
  ([1, 3, 4] as const).flatMap((group) =>
    lastValues.map((value) =>
      attendCase(`few rows, ${value === undefined ? 'all finite' : `the last key's value ${value}`}`, {
        n: 3,
        group,
        headDim,
        firstIndex: 27,
        runs: [
          {
            counts: [30],
            gap: 1,
            dtype: value === 3.4e38 ? 'f32' : 'f16',
            causalFrom: 0,
            ...(value === undefined
              ? {}
              : { spoil: (_: Float32Array, v: Float32Array) => v.fill(value, 30 * headDim + 5, 30 * headDim + 6) }),
          },
        ],
      }),
    ),
  ),
)

/** One query of each count of heads that is computed otherwise, with every rest of keys that a vector leaves. */
const oneQueryCases: OpCase[] = [1, 2, 5, 6, 7, 8, 9, 12].flatMap((group) =>
  [1, 6, 263, 512 + 31].map((count) =>
    attendCase(`one query, ${count} keys`, {
      n: 1,
      group,
      headDim: 64,
      firstIndex: count,
      runs: [{ counts: [count, count + 1], dtype: 'f16', ...(count === 263 ? { bias: biasOf } : {}) }],
    }),
  ),
)

/** Sequences that share what is before them: each sees its own keys behind, from its own index on. Some see nothing else. */
const sharedCases: OpCase[] = ([1, 3, 7] as const).flatMap((group) =>
  (['f32', 'f16'] as const).flatMap((dtype) =>
    [0, 40, 1100].map((shared) =>
      attendCase(`4 sequences over ${shared} shared keys, ${dtype}`, {
        n: 1 + 5 + 30 + 2,
        group,
        headDim: 64,
        firstIndex: 100,
        runs: [
          { counts: [shared, shared], dtype },
          { counts: [3, 3], dtype, causalFrom: 98, queries: [0, 1] },
          { counts: [40, 40], dtype, causalFrom: 66, queries: [1, 5] },
          { counts: [30, 30], dtype, causalFrom: 106, queries: [6, 30] },
          { counts: [600, 600], dtype, causalFrom: 0, window: 9, queries: [36, 2] },
        ],
      }),
    ),
  ),
)

const notFiniteCases: OpCase[] = [...spoiltKeys(16), ...spoiltValues(16)].flatMap(([name, { spoilQ, ...runs }]) =>
  (['f32', 'f16'] as const).flatMap((dtype) =>
    [1, 17].flatMap((n) => [
      attendCase(`${name}, ${dtype}`, {
        n,
        group: 3,
        headDim: 16,
        runs: [{ counts: [30, 20], dtype, ...runs }],
        ...(spoilQ ? { spoilQ } : {}),
      }),
      attendCase(`${name}, ${dtype}, causal, 1,100 keys before`, {
        n,
        group: 1,
        headDim: 16,
        firstIndex: 2,
        runs: [{ counts: [30, 20], dtype, causalFrom: 0, ...runs }, { counts: [1100, 1100] }],
        ...(spoilQ ? { spoilQ } : {}),
      }),
    ]),
  ),
)

export const attentionCases: readonly OpCase[] = [
  ...gridCases,
  ...straightCases,
  ...oneQueryCases,
  ...headDimCases,
  ...longCases,
  ...borderCases,
  ...windowCases,
  ...sharedCases,
  ...notFiniteCases,
]
