/**
 * Cases of attention, and of the attention that keys receive, for kernels that multiply whole tiles: heads of 32, 64, 96 and 128,
 * more rows than go straight to where keys lie. Tiles have 16 or 32 rows, blocks 256 keys and 384 rows, spans 512 keys and more.
 *
 * Where factors are rounded, one key more or less of a hundred does not show. So biases have peaks, and a row that sees a peak
 * too many or too few is far off.
 */
import {
  type Attention,
  attendCase,
  biasOf,
  groups,
  type Runs,
  spoiltKeys,
  spoiltValues,
} from './attention-cases.conformance.ts'
import type { OpCase } from './ops.conformance.ts'
import { receivedCase } from './received-cases.conformance.ts'

const { NaN: nan, POSITIVE_INFINITY: infinity } = Number

const headDims = [32, 64, 96, 128] as const

/** A head dim, a group and a precision for each of several cases in turn. */
const takeTurns = (turn: number): Pick<Attention, 'headDim' | 'group'> & { readonly dtype: 'f32' | 'f16' } => ({
  headDim: headDims[turn % 4] ?? 32,
  group: groups[Math.floor(turn / 4) % 4] ?? 1,
  dtype: turn % 3 ? 'f16' : 'f32',
})

/** One key in so many weighs 150 times as much as the others. */
const peaks =
  (period: number) =>
  (row: number): number =>
    row % period === 3 ? 5 : 0

/** The same shape for both ops, the second as sum and as maximum in turns. */
const bothOps = (shapes: readonly (readonly [name: string, Attention])[]): OpCase[] =>
  shapes.flatMap(([name, attention], turn) => [
    attendCase(`tiles, ${name}`, attention),
    receivedCase(`tiles, ${name}`, attention, turn % 2 ? 'max' : 'sum'),
  ])

/** Every head dim with every group: a shared block, keys with a bias, then the queries' own. 50 to 75 rows. */
const grid = headDims.flatMap((headDim, turn) =>
  [1, 2, 3, 4, 5, 6, 7, 8].map((group): [string, Attention] => {
    const n = 3 + Math.floor((47 + turn * 3) / group)
    return [
      'three segments',
      {
        n,
        group,
        headDim,
        firstIndex: 105,
        runs: [
          { counts: [70, 70], dtype: group % 2 ? 'f16' : 'f32' },
          { counts: [0, 33], dtype: 'f16', bias: peaks(7) },
          { counts: [n + 2, n + 2], causalFrom: 103, dtype: group % 3 ? 'f16' : 'f32', bias: peaks(7) },
        ],
      },
    ]
  }),
)

/** Rows on both sides of every number that they are cut at; the last block of some has so few that they go straight. */
const rowCounts = [
  ...[13, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65, 383, 384, 385, 396, 397, 769].map(
    (n) => [n, 1, 32, 'f16'] as const,
  ),
  // The border between blocks is inside a token.
  ...([
    [49, 8, 64, 'f16'],
    [57, 7, 96, 'f32'],
    [80, 5, 128, 'f16'],
    [130, 3, 32, 'f32'],
  ] as const),
].map(([n, group, headDim, dtype]): [string, Attention] => [
  'rows',
  {
    n,
    group,
    headDim,
    firstIndex: 3,
    runs: [
      { counts: [n + 3], causalFrom: 0, dtype, bias: peaks(37) },
      { counts: [41], dtype },
    ],
  },
])

/** Keys on both sides of panels, blocks and spans, with a bias and without. */
const keyCounts = [1, 2, 31, 32, 33, 63, 65, 255, 256, 257, 288, 511, 512, 513, 769, 1025].map(
  (count, turn): [string, Attention] => {
    const { headDim, dtype } = takeTurns(turn)
    return [
      `${count} keys`,
      { n: 19, group: 1, headDim, runs: [{ counts: [count], dtype, ...(turn % 2 ? { bias: peaks(19) } : {}) }] },
    ]
  },
)

/** Windows that begin inside, before and after blocks and spans; peaks cross both borders of what rows see. */
const windows: [string, Attention][] = [
  ...[1, 2, 31, 32, 33, 63, 65, 100, 255, 256, 257, 300, 513].map((window, turn): [string, Attention] => {
    const { headDim, dtype } = takeTurns(turn)
    return [
      `a window of ${window}`,
      {
        n: 45,
        group: 1 + (turn % 3),
        headDim,
        firstIndex: 555,
        scale: 1 / headDim,
        runs: [
          { counts: [600], causalFrom: 0, window, dtype, bias: peaks(37) },
          { counts: [5], dtype },
        ],
      },
    ]
  }),
  [
    'keys of some spans behind the windows of all rows',
    {
      n: 37,
      group: 2,
      headDim: 64,
      firstIndex: 1200,
      runs: [{ counts: [1300], causalFrom: 0, window: 200, dtype: 'f16', bias: peaks(31) }],
    },
  ],
  ...headDims.map((headDim): [string, Attention] => [
    'a window over two segments, as a block and a tail',
    {
      n: 40,
      group: 4,
      headDim,
      firstIndex: 610,
      scale: 1 / headDim,
      runs: [
        { counts: [300], causalFrom: 300, window: 300, dtype: 'f16', bias: peaks(37) },
        { counts: [50], causalFrom: 600, window: 300, dtype: 'f16', bias: peaks(37) },
      ],
    },
  ]),
]

/** Many keys, which are shared out in spans, whose sums are put together. */
const spans: [string, Attention][] = [
  ...headDims.map((headDim, turn): [string, Attention] => [
    'keys shared out among tasks',
    {
      n: 7 + turn,
      group: 3,
      headDim,
      firstIndex: 5000,
      runs: [
        { counts: [700, 700], dtype: 'f16', bias: peaks(211) },
        { counts: [0, 400], dtype: 'f32' },
        { counts: [10, 10], causalFrom: 5000, dtype: 'f16', bias: peaks(5) },
      ],
    },
  ]),
  ...[0.05, -0.05].map((slope): [string, Attention] => [
    slope > 0 ? 'logits rising, so that each block outdoes the last' : 'logits falling',
    {
      largestLogit: 75,
      n: 33,
      group: 1,
      headDim: 64,
      runs: [{ counts: [1500], dtype: 'f16', bias: (row) => row * slope }],
    },
  ]),
]

const borders: [string, Attention][] = [
  ['no key at all', { n: 20, group: 2, headDim: 64, runs: [{ counts: [0, 0] }] }],
  ['every key in the future', { n: 20, group: 2, headDim: 64, runs: [{ counts: [20, 20], causalFrom: 20 }] }],
  [
    'the first queries see nothing',
    { n: 60, group: 3, headDim: 64, firstIndex: 7, runs: [{ counts: [50], causalFrom: 50 }] },
  ],
  [
    'indices near 2^32 and a window of 7',
    {
      n: 20,
      group: 1,
      headDim: 32,
      firstIndex: 2 ** 32 - 30,
      runs: [{ counts: [25], causalFrom: 2 ** 32 - 35, window: 7 }],
    },
  ],
]

/** What so many numbers are multiplied with. */
const times =
  (factor: number) =>
  (values: Float32Array): void =>
    values.forEach((x, i) => {
      values[i] = x * factor
    })

const magnitudes: [string, Attention][] = [
  ['all keys equal', { n: 17, group: 7, headDim: 128, runs: [{ counts: [300], spoil: (k) => k.fill(0.25) }] }],
  ['all logits 0', { n: 17, group: 7, headDim: 64, runs: [{ counts: [300] }], spoilQ: (q) => q.fill(0) }],
  [
    'one key wins by 10,000',
    {
      largestLogit: 1e4,
      n: 17,
      group: 3,
      headDim: 96,
      runs: [{ counts: [300, 300], bias: (row) => (row % 71 === 3 ? 1e4 + row : -1e4) }],
    },
  ],
  [
    'logits of −1e30 but one',
    {
      largestLogit: 20,
      n: 17,
      group: 3,
      headDim: 64,
      runs: [{ counts: [300, 300], dtype: 'f16', bias: (row) => (row % 307 === 270 ? 20 : -1e30) }],
    },
  ],
  [
    'logits of thousands',
    { largestLogit: 8000, n: 17, group: 3, headDim: 64, runs: [{ counts: [300, 300] }], spoilQ: times(1000) },
  ],
  [
    'one key 1e30 times as large',
    {
      largestLogit: 1e31,
      n: 17,
      group: 3,
      headDim: 64,
      runs: [{ counts: [300, 300], spoil: (k) => times(1e30)(k.subarray(200 * 64, 201 * 64)) }],
    },
  ],
  [
    'one query 1e30 times as large',
    {
      largestLogit: 1e31,
      n: 17,
      group: 3,
      headDim: 64,
      runs: [{ counts: [300, 300] }],
      spoilQ: (q) => times(1e30)(q.subarray(40 * 64, 41 * 64)),
    },
  ],
]

/** For attend alone: values of the largest magnitudes, of which 3.4e38 has no bfloat16 but infinity. */
const valueCases: OpCase[] = [
  attendCase('tiles, values of 1e30', {
    n: 33,
    group: 1,
    headDim: 64,
    runs: [{ counts: [300], spoil: (_, v) => times(1e30)(v) }],
  }),
  attendCase('tiles, a value of 3.4e38', {
    n: 33,
    group: 1,
    headDim: 64,
    runs: [{ counts: [300], spoil: (_, v) => v.fill(3.4e38, 260 * 64 + 7, 260 * 64 + 8) }],
  }),
  attendCase('tiles, all values equal', {
    n: 5,
    group: 7,
    headDim: 64,
    runs: [{ counts: [1300], spoil: (_, v) => v.fill(0.1), dtype: 'f16' }],
  }),
]

/** Keys and values that one row alone sees, or none: the others are as if these were not there. */
const unseenCases: OpCase[] = headDims.flatMap((headDim) =>
  [nan, infinity, -infinity].flatMap((value) => {
    const unseen = (name: string, what: 'k' | 'v'): [string, Attention] => [
      `${name} of ${value} that the last query alone sees`,
      {
        n: 40,
        group: 1,
        headDim,
        firstIndex: 260,
        runs: [
          {
            counts: [301],
            gap: 1,
            causalFrom: 0,
            window: 250,
            dtype: value === nan ? 'f32' : 'f16',
            spoil: (k, v) => {
              // Behind the windows of all queries, in the future of all but one, and in the future of all.
              for (const x of [k, v]) for (const row of [1, 301]) x.fill(value, row * headDim, row * headDim + 3)
              ;(what === 'k' ? k : v).fill(value, 300 * headDim + 5, 300 * headDim + 6)
            },
          },
        ],
      },
    ]
    const key = unseen('a key', 'k')
    return [attendCase(...key), receivedCase(...key, 'sum'), attendCase(...unseen('a value', 'v'))]
  }),
)

/** NaN and infinity at one key, value, bias or query, with keys of other blocks and spans before, after and beside it. */
const spoiltShapes = (headDim: number, runs: Partial<Runs>): Attention[] => [
  { n: 17, group: 3, headDim, runs: [{ counts: [30, 30], dtype: headDim % 64 ? 'f16' : 'f32', ...runs }] },
  {
    n: 17,
    group: 1,
    headDim,
    firstIndex: 2,
    runs: [
      { counts: [30], dtype: headDim % 64 ? 'f32' : 'f16', causalFrom: 0, ...runs },
      { counts: [560], dtype: 'f16' },
    ],
  },
]

const notFiniteCases: OpCase[] = headDims.flatMap((headDim) => [
  ...spoiltKeys(headDim).flatMap(([name, { spoilQ, ...runs }]) =>
    bothOps(spoiltShapes(headDim, runs).map((shape) => [name, spoilQ ? { ...shape, spoilQ } : shape])),
  ),
  ...spoiltValues(headDim).flatMap(([name, runs]) =>
    spoiltShapes(headDim, runs).map((shape) => attendCase(`tiles, ${name}`, shape)),
  ),
])

/** Sequences that share what is before them; their queries begin and end inside tiles and blocks of rows. */
const sharedCases: OpCase[] = [
  ...headDims.flatMap((headDim) =>
    [1, 8].map((group) =>
      attendCase('tiles, 5 sequences over 70 shared keys', {
        n: 60,
        group,
        headDim,
        firstIndex: 100,
        runs: [
          { counts: [70, 70], dtype: 'f16' },
          { counts: [3, 3], causalFrom: 98, queries: [0, 1], dtype: 'f16' },
          { counts: [40, 40], causalFrom: 66, queries: [1, 5], dtype: 'f32' },
          { counts: [30, 30], causalFrom: 106, queries: [6, 30], dtype: 'f16', bias: peaks(7) },
          { counts: [20, 20], causalFrom: 137, queries: [36, 20], dtype: 'f16', bias: peaks(7) },
          { counts: [300, 300], causalFrom: 0, window: 9, queries: [56, 3], dtype: 'f16' },
          // For the same queries again, and before those of the last; the last query sees shared keys alone.
          { counts: [15, 0], bias: biasOf, queries: [30, 17], dtype: 'f16' },
        ],
      }),
    ),
  ),
  attendCase('tiles, 3 sequences and nothing shared, of keys in several spans', {
    n: 30,
    group: 3,
    headDim: 64,
    firstIndex: 700,
    runs: [
      { counts: [710], causalFrom: 0, queries: [0, 10], dtype: 'f16', bias: peaks(37) },
      { counts: [600], causalFrom: 115, window: 90, queries: [10, 15], dtype: 'f16', bias: peaks(13) },
      { counts: [20], causalFrom: 708, queries: [26, 4], dtype: 'f16' },
    ],
  }),
]

export const tileCases: readonly OpCase[] = [
  ...bothOps([...grid, ...rowCounts, ...keyCounts, ...windows, ...spans, ...borders, ...magnitudes]),
  ...valueCases,
  ...unseenCases,
  ...notFiniteCases,
  ...sharedCases,
]
