/** Calls that every backend must refuse before it computes, each with the class of error a caller's mistake has. */
import type { FeedForward, Ops, Tensor } from './ops.ts'

export interface Refusal {
  readonly what: string
  readonly call: (ops: Ops) => unknown
  readonly error: { readonly name: 'TypeError' | 'RangeError'; readonly message: RegExp }
}

const range = (message: RegExp): Refusal['error'] => ({ name: 'RangeError', message })
const kind = (message: RegExp): Refusal['error'] => ({ name: 'TypeError', message })
const f32 = (ops: Ops, ...shape: number[]): Tensor => ops.zeros(shape, 'f32')
const f16 = (ops: Ops, ...shape: number[]): Tensor => ops.zeros(shape, 'f16')

const run = (ops: Ops, counts: readonly number[], rows = 10) => ({
  k: f32(ops, rows, 4),
  v: f32(ops, rows, 4),
  starts: new Uint32Array(counts.length),
  counts: Uint32Array.from(counts),
})
const whole = { scale: 1, firstIndex: 0 }

/** dim 2, hidden 3, but for rows of `up` and columns of `down`. */
const network = (ops: Ops, { up = 3, down = 3 }): FeedForward => {
  const matrix = (rows: number, columns: number) =>
    ops.weight('F32', [rows, columns], new Uint8Array(4 * rows * columns))
  const norm = { gain: f32(ops, 2), epsilon: 1e-5 }
  return { norm, gate: matrix(3, 2), up: matrix(up, 2), down: matrix(2, down), activation: 'swiglu' }
}

const received = { ...whole, reduce: 'sum' } as const

const methodRefusals: readonly Refusal[] = [
  {
    what: 'attentionReceived: no segment',
    call: (ops) => ops.attentionReceived(f32(ops, 1, 2, 4), [], received),
    error: range(/attentionReceived: expected at least one segment/),
  },
  {
    what: 'attentionReceived: runs of 2 lengths',
    call: (ops) => ops.attentionReceived(f32(ops, 1, 2, 4), [run(ops, [1, 2])], received),
    error: range(/one length for all heads, got 1 and 2/),
  },
  {
    what: 'attentionReceived: reduce',
    call: (ops) => ops.attentionReceived(f32(ops, 1, 2, 4), [run(ops, [1, 1])], { ...whole, reduce: 'mean' as 'sum' }),
    error: kind(/reduce must be 'sum' or 'max', got 'mean'/),
  },
  {
    what: 'attentionReceived: 2^22 + 1 keys',
    call: (ops) => {
      const k = f16(ops, 2 ** 22 + 1, 1)
      const counts = Uint32Array.of(2 ** 22 + 1)
      return ops.attentionReceived(f32(ops, 1, 1, 1), [{ k, v: k, starts: Uint32Array.of(0), counts }], received)
    },
    error: range(/4194305 keys of 1 KV heads are too many, at most 4194304/),
  },
  {
    what: 'attentionReceived: 2^16 + 1 heads',
    call: (ops) => {
      const k = f32(ops, 1, 1)
      const ones = Uint32Array.of(1)
      const q = f32(ops, 1, 2 ** 16 + 1, 1)
      return ops.attentionReceived(q, [{ k, v: k, starts: Uint32Array.of(0), counts: ones }], received)
    },
    error: range(/at most 65536, got 65537/),
  },
  {
    what: 'cosineToMean: two dimensions',
    call: (ops) => ops.cosineToMean(f32(ops, 4, 2)),
    error: range(/must be \[tokens, kvHeads, headDim\], got \[4,2\]/),
  },
  {
    what: 'cosineToMean: f16',
    call: (ops) => ops.cosineToMean(f16(ops, 4, 2, 1)),
    error: kind(/must be f32, got f16/),
  },
  {
    what: 'lagSpread: partitions of 0 tokens',
    call: (ops) => ops.lagSpread(f32(ops, 4, 1, 2), { first: 0, partitionTokens: 0 }),
    error: range(/partitionTokens must be a whole number above 0, got 0/),
  },
  {
    what: 'lagSpread: a negative first',
    call: (ops) => ops.lagSpread(f32(ops, 4, 1, 2), { first: -1, partitionTokens: 2 }),
    error: range(/first must be a whole number.*got -1/),
  },
  {
    what: 'lagRanks: three dimensions',
    call: (ops) => ops.lagRanks(f32(ops, 4, 1, 2), { first: 0, partitionTokens: 2 }),
    error: range(/must be \[kvHeads, tokens\], got \[4,1,2\]/),
  },
  {
    what: 'lagRanks: a document of 2^21 + 1 tokens',
    call: (ops) => ops.lagRanks(f32(ops, 1, 2 ** 21 + 1), { first: 0, partitionTokens: 2 }),
    error: range(/at most 2097152 tokens, got 2097153/),
  },
  {
    what: 'expectedAttention: rotation',
    call: (ops) =>
      ops.expectedAttention(f32(ops, 4, 2, 3), f32(ops, 4, 1, 3), { rotation: f32(ops, 3, 2), scale: 1, first: 0 }),
    error: range(/rotation must be \[3,3\], got \[3,2\]/),
  },
  {
    what: 'expectedAttention: tokens',
    call: (ops) =>
      ops.expectedAttention(f32(ops, 4, 2, 3), f32(ops, 5, 1, 3), { rotation: f32(ops, 3, 3), scale: 1, first: 0 }),
    error: range(/k must be \[4,1,3\]/),
  },
  {
    what: 'expectedAttention: heads',
    call: (ops) =>
      ops.expectedAttention(f32(ops, 4, 3, 3), f32(ops, 4, 2, 3), { rotation: f32(ops, 3, 3), scale: 1, first: 0 }),
    error: range(/multiple of 2, got 3/),
  },
  {
    what: 'expectedAttention: scale',
    call: (ops) =>
      ops.expectedAttention(f32(ops, 4, 1, 3), f32(ops, 4, 1, 3), {
        rotation: f32(ops, 3, 3),
        scale: Number.NaN,
        first: 0,
      }),
    error: range(/scale must be finite, got NaN/),
  },
  {
    what: 'meanOverHeads: one dimension',
    call: (ops) => ops.meanOverHeads(f32(ops, 4)),
    error: range(/must be \[heads, tokens\], got \[4\]/),
  },
]

const rowRefusals: readonly Refusal[] = [
  {
    what: 'softmax: one dimension',
    call: (ops) => ops.softmax(f32(ops, 4)),
    error: range(/must be \[n, m\], got \[4\]/),
  },
  {
    what: 'argmax: one dimension',
    call: (ops) => ops.argmax(f32(ops, 4)),
    error: range(/must be \[n, m\], got \[4\]/),
  },
  {
    what: 'argmax: rows of 0 values',
    call: (ops) => ops.argmax(f32(ops, 2, 0)),
    error: range(/argmax: rows must have from 1 to 16777216 values, got 0/),
  },
  {
    what: 'describeRows: rows of 0 values',
    call: (ops) => ops.describeRows(f32(ops, 2, 0), f32(ops, 1, 0), Uint32Array.of(0)),
    error: range(/from 1 to 16777216 values, got 0/),
  },
  {
    what: 'describeRows: weights of another width',
    call: (ops) => ops.describeRows(f32(ops, 2, 4), f32(ops, 1, 3), Uint32Array.of(0)),
    error: range(/weights must be \[1,4\], got \[1,3\]/),
  },
  {
    what: 'describeRows: 3 rows for 2 kinds',
    call: (ops) => ops.describeRows(f32(ops, 3, 4), f32(ops, 2, 4), Uint32Array.of(0, 1)),
    error: range(/multiple of 2, got 3/),
  },
  {
    what: 'describeRows: no weights',
    call: (ops) => ops.describeRows(f32(ops, 3, 4), f32(ops, 0, 4), new Uint32Array(0)),
    error: range(/rows of weights must be a whole number above 0, got 0/),
  },
  {
    what: 'describeRows: picks',
    call: (ops) => ops.describeRows(f32(ops, 2, 4), f32(ops, 2, 4), Uint32Array.of(1)),
    error: range(/expected 2 picks, got 1/),
  },
  {
    what: 'describeRows: a pick beyond the row',
    call: (ops) => ops.describeRows(f32(ops, 1, 4), f32(ops, 1, 4), Uint32Array.of(4)),
    error: range(/pick must be below 4, got 4/),
  },
]

export const refusals: readonly Refusal[] = [
  {
    what: 'from: too few values',
    call: (ops) => ops.from(new Float32Array(5), [2, 3]),
    error: range(/6 values, got 5/),
  },
  {
    what: 'weight: too few bytes',
    call: (ops) => ops.weight('Q8_0', [2, 32], new Uint8Array(67)),
    error: range(/68 bytes, got 67/),
  },
  {
    what: 'weight: half a block',
    call: (ops) => ops.weight('Q4_K', [2, 128], new Uint8Array(144)),
    error: range(/multiple of 256/),
  },
  { what: 'slice: beyond the end', call: (ops) => ops.slice(f32(ops, 3, 2), 2, 2), error: range(/rows 2 to 4/) },
  { what: 'reshape: other count', call: (ops) => ops.reshape(f32(ops, 3, 2), [4, 2]), error: range(/8 values, got 6/) },
  {
    what: 'copy: other shape',
    call: (ops) => ops.copy(f32(ops, 3, 2), f32(ops, 2, 3)),
    error: range(/\[3,2\].*\[2,3\]/),
  },
  {
    what: 'embed: id too large',
    call: (ops) => ops.embed(ops.weight('F32', [4, 1], new Uint8Array(16)), Uint32Array.of(4)),
    error: range(/below 4, got 4/),
  },
  {
    what: 'matmul: columns',
    call: (ops) => ops.matmul(f32(ops, 2, 3), ops.weight('F32', [4, 1], new Uint8Array(16))),
    error: range(/\[2,1\], got \[2,3\]/),
  },
  {
    what: 'matmul: bias',
    call: (ops) => ops.matmul(f32(ops, 2, 1), ops.weight('F32', [4, 1], new Uint8Array(16)), { bias: f32(ops, 3) }),
    error: range(/bias must be \[4\]/),
  },
  {
    what: 'matmul: add',
    call: (ops) => ops.matmul(f32(ops, 2, 1), ops.weight('F32', [4, 1], new Uint8Array(16)), { add: f32(ops, 4, 2) }),
    error: range(/add must be \[2,4\]/),
  },
  {
    what: 'matmulEach: no weights',
    call: (ops) => ops.matmulEach(f32(ops, 2, 1), []),
    error: { name: 'RangeError', message: /1 to 3 weights, got 0/ },
  },
  {
    what: 'matmulEach: columns of the second',
    call: (ops) =>
      ops.matmulEach(
        f32(ops, 2, 1),
        [1, 2].map((columns) => ops.weight('F32', [4, columns], new Uint8Array(16 * columns))),
      ),
    error: { name: 'RangeError', message: /matmul: x/ },
  },
  {
    what: 'matmulEach: more biases than weights',
    call: (ops) =>
      ops.matmulEach(f32(ops, 2, 1), [ops.weight('F32', [4, 1], new Uint8Array(16))], {
        biases: [f32(ops, 4), f32(ops, 4)],
      }),
    error: { name: 'RangeError', message: /2 biases for 1 weights/ },
  },
  {
    what: 'matmulEach: gain of the norm',
    call: (ops) =>
      ops.matmulEach(f32(ops, 2, 1), [ops.weight('F32', [4, 1], new Uint8Array(16))], {
        norm: { gain: f32(ops, 2), epsilon: 1e-5 },
      }),
    error: range(/gain must be \[1\]/),
  },
  {
    what: 'feedForward: gate and up',
    call: (ops) => ops.feedForward(f32(ops, 1, 2), network(ops, { up: 4 })),
    error: range(/as many rows, got 3 and 4/),
  },
  {
    what: 'feedForward: down',
    call: (ops) => ops.feedForward(f32(ops, 1, 2), network(ops, { down: 4 })),
    error: range(/down must be \[2,3\], got \[2,4\]/),
  },
  {
    what: 'feedForward: add',
    call: (ops) => ops.feedForward(f32(ops, 1, 2), network(ops, {}), { add: f32(ops, 2, 2) }),
    error: range(/add must be \[1,2\]/),
  },
  {
    what: 'finishLayer: attended',
    call: (ops) => ops.finishLayer(f32(ops, 1, 2), f32(ops, 1, 5), network(ops, {}).down, network(ops, {})),
    error: range(/must be \[1,3\], got \[1,5\]/),
  },
  {
    what: 'finishLayer: rows of the output matrix',
    call: (ops) => ops.finishLayer(f32(ops, 1, 2), f32(ops, 1, 2), network(ops, {}).gate, network(ops, {})),
    error: range(/add must be \[1,3\], got \[1,2\]/),
  },
  {
    what: 'feedForward: activation',
    call: (ops) => ops.feedForward(f32(ops, 1, 2), { ...network(ops, {}), activation: 'relu' as 'swiglu' }),
    error: kind(/'swiglu' or 'geglu', got 'relu'/),
  },
  {
    what: 'matmul: f16 activations',
    call: (ops) => ops.matmul(f16(ops, 2, 1), ops.weight('F32', [4, 1], new Uint8Array(16))),
    error: kind(/must be f32, got f16/),
  },
  {
    what: 'rmsNorm: gain',
    call: (ops) => ops.rmsNorm(f32(ops, 2, 3), f32(ops, 2), 1e-5),
    error: range(/gain must be \[3\]/),
  },
  {
    what: 'swiglu: shapes',
    call: (ops) => ops.swiglu(f32(ops, 2, 3), f32(ops, 3, 2)),
    error: range(/\[2,3\], got \[3,2\]/),
  },
  {
    what: 'geglu: shapes',
    call: (ops) => ops.geglu(f32(ops, 2, 3), f32(ops, 3, 2)),
    error: range(/\[2,3\], got \[3,2\]/),
  },
  {
    what: 'softCap: cap',
    call: (ops) => ops.softCap(f32(ops, 2), 0),
    error: range(/cap must be above 0, got 0/),
  },
  {
    what: 'rope: factors',
    call: (ops) =>
      ops.rope([f32(ops, 1, 1, 4)], Uint32Array.of(0), { theta: 1e4, layout: 'halves', factors: f32(ops, 4) }),
    error: range(/factors must be \[2\], got \[4\]/),
  },
  {
    what: 'rope: nothing to rotate',
    call: (ops) => ops.rope([], Uint32Array.of(0), { theta: 1e4, layout: 'halves' }),
    error: range(/1 to 4 tensors, got 0/),
  },
  {
    what: 'rope: another head dim',
    call: (ops) =>
      ops.rope([f32(ops, 1, 1, 4), f32(ops, 1, 2, 6)], Uint32Array.of(0), { theta: 1e4, layout: 'halves' }),
    error: range(/must be \[1,2,4\], got \[1,2,6\]/),
  },
  {
    what: 'rope: odd head dim',
    call: (ops) => ops.rope([f32(ops, 1, 1, 3)], Uint32Array.of(0), { theta: 1e4, layout: 'halves' }),
    error: range(/multiple of 2, got 3/),
  },
  {
    what: 'rope: head dim',
    call: (ops) => ops.rope([f32(ops, 1, 1, 1026)], Uint32Array.of(0), { theta: 1e4, layout: 'halves' }),
    error: range(/from 1 to 1024, got 1026/),
  },
  {
    what: 'rope: positions',
    call: (ops) => ops.rope([f32(ops, 2, 1, 4)], Uint32Array.of(0), { theta: 1e4, layout: 'halves' }),
    error: range(/2 positions, got 1/),
  },
  {
    what: 'rope: theta',
    call: (ops) => ops.rope([f32(ops, 1, 1, 4)], Uint32Array.of(0), { theta: 0, layout: 'halves' }),
    error: range(/theta must be above 0/),
  },
  {
    what: 'attend: no segment',
    call: (ops) => ops.attend(f32(ops, 1, 2, 4), [], whole),
    error: range(/at least one segment/),
  },
  {
    what: 'attend: heads',
    call: (ops) => ops.attend(f32(ops, 1, 3, 4), [run(ops, [1, 1])], whole),
    error: range(/multiple of 2, got 3/),
  },
  {
    what: 'attend: run beyond its rows',
    call: (ops) => ops.attend(f32(ops, 1, 2, 4), [run(ops, [1, 11])], whole),
    error: range(/head 1 ends at row 11 of 10/),
  },
  {
    what: 'attend: a window of nothing',
    call: (ops) => ops.attend(f32(ops, 1, 2, 4), [{ ...run(ops, [1, 1]), causalFrom: 0, window: 0 }], whole),
    error: range(/window must be a whole number above 0, got 0/),
  },
  {
    what: 'attend: a segment for more queries than there are',
    call: (ops) => ops.attend(f32(ops, 1, 2, 4), [{ ...run(ops, [1, 1]), firstQuery: 0, queryCount: 2 }], whole),
    error: range(/queries 0 to 2 asked of 1/),
  },
  {
    what: 'attend: firstQuery without queryCount',
    call: (ops) => ops.attend(f32(ops, 1, 2, 4), [{ ...run(ops, [1, 1]), firstQuery: 0 }], whole),
    error: range(/go together, got 0 and undefined/),
  },
  {
    what: 'attentionReceived: a segment for some queries only',
    call: (ops) =>
      ops.attentionReceived(f32(ops, 2, 2, 4), [{ ...run(ops, [1, 1]), firstQuery: 0, queryCount: 1 }], {
        ...whole,
        reduce: 'sum',
      }),
    error: range(/for every query/),
  },
  {
    what: 'attend: a window without causalFrom',
    call: (ops) => ops.attend(f32(ops, 1, 2, 4), [{ ...run(ops, [1, 1]), window: 3 }], whole),
    error: range(/a window of 3 needs causalFrom/),
  },
  {
    what: 'attend: heads of 1,026 values',
    call: (ops) => ops.attend(f32(ops, 1, 2, 1026), [run(ops, [1, 1])], whole),
    error: range(/from 1 to 1024, got 1026/),
  },
  {
    what: 'attend: head dim',
    call: (ops) => ops.attend(f32(ops, 1, 2, 5), [run(ops, [1, 1])], whole),
    error: range(/\[10,5\], got \[10,4\]/),
  },
  {
    what: 'attend: k and v of two kinds',
    call: (ops) => ops.attend(f32(ops, 1, 2, 4), [{ ...run(ops, [1, 1]), v: f16(ops, 10, 4) }], whole),
    error: kind(/must be f32, got f16/),
  },
  {
    what: 'attend: negative index',
    call: (ops) => ops.attend(f32(ops, 1, 2, 4), [run(ops, [1, 1])], { scale: 1, firstIndex: -1 }),
    error: range(/firstIndex/),
  },
  {
    what: 'store: two targets, one source',
    call: (ops) => ops.store([f16(ops, 2, 5, 4), f16(ops, 2, 5, 4)], 0, [f32(ops, 2, 2, 4)]),
    error: range(/1 to 2 targets and as many sources, got 2 and 1/),
  },
  {
    what: 'store: targets of two capacities',
    call: (ops) => ops.store([f16(ops, 2, 5, 4), f16(ops, 2, 6, 4)], 0, [f32(ops, 1, 2, 4), f32(ops, 1, 2, 4)]),
    error: range(/target must be \[2,5,4\], got \[2,6,4\]/),
  },
  {
    what: 'store: beyond capacity',
    call: (ops) => ops.store([f16(ops, 2, 5, 4)], 4, [f32(ops, 2, 2, 4)]),
    error: range(/rows 4 to 6/),
  },
  {
    what: 'gather: pick too large',
    call: (ops) => ops.gather(f16(ops, 5, 4), Uint32Array.of(1, 5)),
    error: range(/below 5, got 5/),
  },
  {
    what: 'leverage: ridge',
    call: (ops) => ops.leverage(f32(ops, 4, 1, 2), { ridge: 0 }),
    error: range(/ridge must be above 0/),
  },
  {
    what: 'leverage: sketch',
    call: (ops) => ops.leverage(f32(ops, 4, 1, 2), { ridge: 1, sketch: f32(ops, 3, 2) }),
    error: range(/sketch must be \[2,2\]/),
  },
  {
    what: 'leverage: chunk',
    call: (ops) => ops.leverage(f32(ops, 4, 1, 2), { ridge: 1, chunkTokens: 0 }),
    error: range(/chunkTokens/),
  },
  {
    what: 'chunkAttentionMass: tokens',
    call: (ops) => ops.chunkAttentionMass(f32(ops, 4, 2, 2), f32(ops, 3, 1, 2), { chunkTokens: 2, scale: 1 }),
    error: range(/\[4,1,2\]/),
  },
  {
    what: 'chunkAttentionMass: chunks of 2^18 + 1 tokens',
    call: (ops) => {
      const x = f32(ops, 2 ** 18 + 1, 1, 1)
      return ops.chunkAttentionMass(x, x, { chunkTokens: 2 ** 19, scale: 1 })
    },
    error: range(/262145 tokens.*smaller chunkTokens/),
  },
  {
    what: 'chunkAttentionMass: chunks of 2^17 tokens for 9 KV heads',
    call: (ops) => {
      const x = f32(ops, 2 ** 17, 9, 1)
      return ops.chunkAttentionMass(x, x, { chunkTokens: 2 ** 17, scale: 1 })
    },
    error: range(/9 KV heads.*smaller chunkTokens/),
  },
  ...methodRefusals,
  ...rowRefusals,
  {
    what: 'addScaled: shapes',
    call: (ops) => ops.addScaled(f32(ops, 4), f32(ops, 5), 1),
    error: range(/\[4\], got \[5\]/),
  },
  { what: 'averagePool: even width', call: (ops) => ops.averagePool(f32(ops, 1, 4), 2), error: range(/odd, got 2/) },
]
