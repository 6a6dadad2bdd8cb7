/** Cases of attentionReceived: as those of attention, with runs of one length in the first segment, and few or many queries. */
import {
  type Attention,
  biasOf,
  groups,
  inputsOf,
  roughness,
  spoiltKeys,
  weightErrorsOf,
} from './attention-cases.conformance.ts'
import { lazily } from './lazily.conformance.ts'
import type { OpCase } from './ops.conformance.ts'
import type { Ops, ReceivedOptions, Tensor } from './ops.ts'
import { createReferenceOps } from './reference.ts'
import { cpu } from './tensor.ts'
import { tolerances } from './tolerances.ts'
import { tokenCounts } from './transformer-cases.conformance.ts'

const { NaN: nan } = Number

const received = (ops: Ops, attention: Attention, reduce: ReceivedOptions['reduce']): Tensor => {
  const [q, segments, options] = inputsOf(ops, attention)
  return ops.attentionReceived(q, segments, { ...options, reduce })
}

/** Weights below e^-87 may be 0. */
const receivedTerms = (options: Attention, reduce: ReceivedOptions['reduce']): Float64Array =>
  Float64Array.from(cpu(received(createReferenceOps(), options, reduce)).data, (value) => value + 1e-30)

const roundedBound = (options: Attention, reduce: ReceivedOptions['reduce'], allTerms: Float64Array): Float64Array => {
  const error = weightErrorsOf(options).reduce((most, value) => Math.max(most, value), 0)
  const own = 2 ** -8 + tolerances.attention.limit * roughness(options)
  const most = reduce === 'max' ? 1 : options.n * options.group
  return allTerms.map((terms) => Math.min(terms * (error + own), most))
}

/** As the sum or the maximum over all queries. */
export const receivedCase = (name: string, options: Attention, reduce: ReceivedOptions['reduce']): OpCase => {
  const allTerms = lazily(() => receivedTerms(options, reduce))
  return {
    op: 'attentionReceived',
    name: `${name}, ${reduce}: ${options.n} queries, ${options.group} per KV head, head dim ${options.headDim}`,
    family: 'attention',
    run: (ops) => received(ops, options, reduce),
    // Every weight is as uncertain as its logit.
    magnitude: () => allTerms().map((terms) => terms * roughness(options)),
    roundedBound: () => roundedBound(options, reduce, allTerms()),
  }
}

const both = (name: string, options: Attention): OpCase[] =>
  (['sum', 'max'] as const).map((reduce) => receivedCase(name, options, reduce))

const gridCases: OpCase[] = tokenCounts.flatMap((n) =>
  groups.flatMap((group) => [
    ...both('three segments, the last causal', {
      n,
      group,
      headDim: 16,
      firstIndex: 60,
      runs: [
        { counts: [23, 23], dtype: group % 2 ? 'f32' : 'f16', bias: biasOf },
        { counts: [0, 37], dtype: 'f16' },
        { counts: [n, n], causalFrom: 60 },
      ],
    }),
    ...both('a causal first segment', {
      n,
      group,
      headDim: 9,
      firstIndex: 2,
      runs: [{ counts: [n + 2, n + 2], causalFrom: 0, dtype: group % 2 ? 'f16' : 'f32' }],
    }),
  ]),
)

const windowCases: OpCase[] = [1, 16, 100, 257].flatMap((window) =>
  both(`a window of ${window}`, {
    n: 60,
    group: 3,
    headDim: 16,
    firstIndex: 280,
    runs: [
      { counts: [340, 340], causalFrom: 0, window, bias: biasOf },
      { counts: [30, 20], dtype: 'f16' },
    ],
  }),
)

const sizeCases: OpCase[] = [
  ...[0, 1, 15, 16, 17, 255, 256, 257, 513].flatMap((count) =>
    both(`${count} keys, then 5 others`, {
      n: 7,
      group: 3,
      headDim: 8,
      runs: [{ counts: [count, count] }, { counts: [5, 5] }],
    }),
  ),
  ...[1, 2, 5, 7, 15, 17, 33, 64, 80, 128].flatMap((headDim) =>
    both('head dims', { n: 5, group: 3, headDim, runs: [{ counts: [33, 33], dtype: headDim % 2 ? 'f16' : 'f32' }] }),
  ),
  ...[1, 3].flatMap((n) =>
    both('keys shared out among tasks', {
      n,
      group: 7,
      headDim: 64,
      firstIndex: 5000,
      runs: [{ counts: [1600], dtype: 'f16' }, { counts: [600] }, { counts: [n], causalFrom: 5000 }],
    }),
  ),
  ...both('several blocks of rows and of keys', {
    n: 450,
    group: 7,
    headDim: 8,
    firstIndex: 100,
    runs: [{ counts: [300] }, { counts: [450], causalFrom: 100, dtype: 'f16' }],
  }),
]

const borderCases: OpCase[] = [
  ...both('rows that are taken in two stretches, the first in two parts', {
    n: 5,
    group: 2 ** 16,
    headDim: 1,
    firstIndex: 4,
    runs: [{ counts: [7], causalFrom: 2 }],
  }),
  ...both('one key, which receives everything', { n: 20, group: 7, headDim: 8, runs: [{ counts: [1, 1] }] }),
  ...both('every key in the future', { n: 3, group: 2, headDim: 5, runs: [{ counts: [20], causalFrom: 3 }] }),
  ...both('the first query sees nothing', {
    n: 40,
    group: 3,
    headDim: 16,
    firstIndex: 7,
    runs: [{ counts: [50], causalFrom: 8 }],
  }),
  ...both('indices near 2^32', {
    n: 20,
    group: 1,
    headDim: 4,
    firstIndex: 2 ** 32 - 30,
    runs: [{ counts: [25], causalFrom: 2 ** 32 - 35 }],
  }),
  ...both('keys all equal', { n: 17, group: 7, headDim: 64, runs: [{ counts: [257], spoil: (k) => k.fill(0.25) }] }),
  ...both('one key wins by 10,000', {
    largestLogit: 1e4,
    n: 17,
    group: 3,
    headDim: 16,
    runs: [{ counts: [300], bias: (row) => (row % 7 === 3 ? 1e4 + row * 0.001 : -1e4) }],
  }),
  ...both('logits rising, so that each block outdoes the last', {
    largestLogit: 750,
    n: 9,
    group: 1,
    headDim: 16,
    runs: [{ counts: [1500], bias: (row) => row * 0.5 }],
  }),
]

const spoiled = [
  ...spoiltKeys(16),
  ['values of NaN, which nobody reads', { spoil: (_: Float32Array, v: Float32Array) => v.fill(nan) }],
] satisfies ReturnType<typeof spoiltKeys>

const notFiniteCases: OpCase[] = spoiled.flatMap(([name, { spoilQ, ...runs }]) =>
  [1, 17].flatMap((n) => [
    ...both(name, {
      n,
      group: 3,
      headDim: 16,
      runs: [{ counts: [30, 30], ...runs }],
      ...(spoilQ ? { spoilQ } : {}),
    }),
    ...both(`${name}, causal, 1,100 keys after`, {
      n,
      group: 1,
      headDim: 16,
      firstIndex: 2,
      runs: [{ counts: [30, 30], causalFrom: 0, dtype: 'f16', ...runs }, { counts: [1100, 0] }],
      ...(spoilQ ? { spoilQ } : {}),
    }),
  ]),
)

export const receivedCases: readonly OpCase[] = [
  ...windowCases,
  ...gridCases,
  ...sizeCases,
  ...borderCases,
  ...notFiniteCases,
]
