/** What the addon itself refuses, and its pool under load. Results are the business of ops.conformance.ts. */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { type Binding, loadBinding, type PoolHandle, type SegmentArguments, weightTypes } from './binding.ts'
import { createNativeOps } from './native.ts'
import { f32 } from './tensor.ts'

const loaded = loadBinding()
const skip = 'reason' in loaded ? loaded.reason : false
const binding = (): Binding => {
  if ('reason' in loaded) throw new Error(loaded.reason)
  return loaded.binding
}

const floats = (count: number): Float32Array => new Float32Array(count)
const indices = (...values: number[]): Uint32Array => Uint32Array.from(values)
const q8 = weightTypes.indexOf('Q8_0')
const run = (counts: readonly number[], rows = 4) => ({
  k: floats(rows * 2),
  v: floats(rows * 2),
  starts: new Uint32Array(counts.length),
  counts: Uint32Array.from(counts),
  bias: undefined,
  causalFrom: undefined,
  window: undefined,
  firstQuery: undefined,
  queryCount: undefined,
})

type Run = { readonly [Name in keyof ReturnType<typeof run>]: SegmentArguments[number] }

/** All segments in one array, as a call takes them. */
const flat = (...runs: readonly Run[]): SegmentArguments[number][] =>
  runs.flatMap(({ k, v, starts, counts, bias, causalFrom, window, firstQuery, queryCount }) => [
    ...[k, v, starts, counts, bias],
    ...[causalFrom, window, firstQuery, queryCount],
  ])

type Call = (binding: Binding, pool: PoolHandle) => unknown
const huge = 2 ** 40

const frequencies = Float64Array.of(1)
const oneByOne = [q8, new Uint8Array(34), 1, 32, undefined, floats(1)]

/** A feed-forward network of one token and matrices 32 × 32, some sizes of it changed. */
const fed = (b: Binding, p: PoolHandle, sizes: Readonly<Record<string, number>>): unknown => {
  const { x = 32, gain = 32, up = 32, down = 32, add = 32, between = 96, out = 32 } = sizes
  const matrix = (rows: number, columns: number): [number, Uint8Array, number, number] => [
    q8,
    new Uint8Array((rows * columns * 34) / 32),
    rows,
    columns,
  ]
  const weights = [...matrix(32, 32), ...matrix(up, 32), ...matrix(32, down)] as const
  const layer = [floats(gain), 1e-5, ...weights, false] as const
  const { attended, output = 32 } = sizes
  if (attended === undefined)
    return b.feedForward(p, floats(x), ...layer, floats(add), floats(between), floats(out), true)
  const matrices = [...matrix(output, 32), ...layer] as const
  return b.finishLayer(p, floats(x), floats(attended), ...matrices, floats(between), floats(out), true)
}

/** Wrong sizes: RangeError. */
const outOfRange: Readonly<Record<string, Call>> = {
  'threads 0': (b) => b.createPool(0, 'scalar'),
  'threads 257': (b) => b.createPool(257, 'scalar'),
  'threads 1.5': (b) => b.createPool(1.5, 'scalar'),
  'isa sse9': (b) => b.createPool(1, 'sse9'),
  'weight type 10': (b, p) => b.embed(p, 10, new Uint8Array(34), 1, 32, indices(0), floats(32)),
  'weight bytes short by 1': (b, p) => b.embed(p, q8, new Uint8Array(33), 1, 32, indices(0), floats(32)),
  'rows × columns past 2^64': (b, p) => b.embed(p, q8, new Uint8Array(0), 2 ** 53, 2 ** 20, indices(), floats(0)),
  'columns of 2^53': (b, p) => b.embed(p, q8, new Uint8Array(0), 0, 2 ** 53, indices(), floats(0)),
  'columns 0': (b, p) => b.embed(p, q8, new Uint8Array(0), 1, 0, indices(), floats(0)),
  'half a block': (b, p) => b.embed(p, q8, new Uint8Array(34), 2, 16, indices(0), floats(16)),
  'id = rows': (b, p) => b.embed(p, q8, new Uint8Array(34), 1, 32, indices(1), floats(32)),
  'embed: out too short': (b, p) => b.embed(p, q8, new Uint8Array(34), 1, 32, indices(0), floats(31)),
  'matmul: x not rows': (b, p) =>
    b.matmul(p, q8, new Uint8Array(34), 1, 32, floats(33), undefined, undefined, floats(1), true),
  'matmul: out too short': (b, p) =>
    b.matmul(p, q8, new Uint8Array(34), 1, 32, floats(64), undefined, undefined, floats(1), true),
  'matmul: bias too long': (b, p) =>
    b.matmul(p, q8, new Uint8Array(34), 1, 32, floats(32), floats(2), undefined, floats(1), true),
  'matmul: add too short': (b, p) =>
    b.matmul(p, q8, new Uint8Array(34), 1, 32, floats(64), undefined, floats(1), floats(2), true),
  'matmulEach: x not rows': (b, p) =>
    b.matmulEach(p, floats(33), undefined, 0, undefined, true, q8, new Uint8Array(34), 1, 32, undefined, floats(1)),
  'matmulEach: 32 and 64 columns': (b, p) => {
    const [first, second] = [new Uint8Array(34), new Uint8Array(68)]
    return b.matmulEach(
      p,
      floats(64),
      undefined,
      0,
      undefined,
      true,
      q8,
      first,
      1,
      32,
      undefined,
      floats(2),
      q8,
      second,
      1,
      64,
      undefined,
      floats(1),
    )
  },
  'matmulEach: out too short': (b, p) =>
    b.matmulEach(p, floats(64), undefined, 0, undefined, true, q8, new Uint8Array(34), 1, 32, undefined, floats(1)),
  'matmulEach: bias too long': (b, p) =>
    b.matmulEach(p, floats(32), undefined, 0, undefined, true, q8, new Uint8Array(34), 1, 32, floats(2), floats(1)),
  'rmsNorm: rows of another width': (b, p) => b.rmsNorm(p, floats(5), floats(2), 1e-5, floats(5)),
  'rmsNorm: gain of 0': (b, p) => b.rmsNorm(p, floats(0), floats(0), 1e-5, floats(0)),
  'swiglu: lengths 2 and 3': (b, p) => b.swiglu(p, floats(2), floats(3), floats(3)),
  'matmulEach: gain of other columns': (b, p) =>
    b.matmulEach(p, floats(32), floats(31), 1e-5, floats(32), true, ...oneByOne),
  'matmulEach: normed too short': (b, p) =>
    b.matmulEach(p, floats(64), floats(32), 1e-5, floats(63), true, ...oneByOne.slice(0, -1), floats(2)),
  'feedForward: gate and up of 32 and 64 rows': (b, p) => fed(b, p, { up: 64 }),
  'feedForward: down of 64 columns': (b, p) => fed(b, p, { down: 64 }),
  'feedForward: gain of 31': (b, p) => fed(b, p, { gain: 31 }),
  'feedForward: x not rows': (b, p) => fed(b, p, { x: 33 }),
  'feedForward: add too short': (b, p) => fed(b, p, { add: 31 }),
  'feedForward: between too short': (b, p) => fed(b, p, { between: 95 }),
  'feedForward: out too long': (b, p) => fed(b, p, { out: 64 }),
  'finishLayer: attended not rows': (b, p) => fed(b, p, { attended: 33, between: 128 }),
  'finishLayer: output of 64 rows': (b, p) => fed(b, p, { attended: 32, output: 64, between: 128 }),
  'finishLayer: between too short': (b, p) => fed(b, p, { attended: 32, between: 96 }),
  'finishLayer: gain of 31': (b, p) => fed(b, p, { attended: 32, gain: 31, between: 128 }),
  'rope: no frequencies': (b, p) => b.rope(p, indices(0), new Float64Array(0), true, floats(2), floats(2)),
  'rope: headDim 200,000': (b, p) =>
    b.rope(p, new Uint32Array(1), new Float64Array(100_000), true, floats(200_000), floats(200_000)),
  'rope: x not heads': (b, p) => b.rope(p, indices(0, 1), frequencies, true, floats(6), floats(6)),
  'rope: positions missing': (b, p) => b.rope(p, indices(), frequencies, true, floats(4), floats(4)),
  'rope: out too short': (b, p) => b.rope(p, indices(0), frequencies, true, floats(4), floats(2)),
  'rope: second out too short': (b, p) =>
    b.rope(p, indices(0), frequencies, true, floats(2), floats(2), floats(4), floats(2)),
  'attend: 3 heads on 2': (b, p) => b.attend(p, floats(6), 3, 2, 2, flat(run([1, 1])), 1, 0, floats(6), false),
  'attend: run past the end': (b, p) => b.attend(p, floats(2), 1, 1, 2, flat(run([5])), 1, 0, floats(2), false),
  'attend: start + count past 2^32': (b, p) =>
    b.attend(p, floats(2), 1, 1, 2, flat({ ...run([2]), starts: indices(0xffffffff) }), 1, 0, floats(2), false),
  'attend: v shorter than k': (b, p) =>
    b.attend(p, floats(2), 1, 1, 2, flat({ ...run([1]), v: floats(6) }), 1, 0, floats(2), false),
  'attend: bias of other length': (b, p) =>
    b.attend(p, floats(2), 1, 1, 2, flat({ ...run([1]), bias: floats(3) }), 1, 0, floats(2), false),
  'attend: causalFrom -1': (b, p) =>
    b.attend(p, floats(2), 1, 1, 2, flat({ ...run([1]), causalFrom: -1 }), 1, 0, floats(2), false),
  'attend: window 0': (b, p) =>
    b.attend(p, floats(2), 1, 1, 2, flat({ ...run([1]), causalFrom: 0, window: 0 }), 1, 0, floats(2), false),
  'attend: more queries than there are': (b, p) =>
    b.attend(p, floats(2), 1, 1, 2, flat({ ...run([1]), firstQuery: 0, queryCount: 2 }), 1, 0, floats(2), false),
  'attend: firstQuery 2^32': (b, p) =>
    b.attend(p, floats(2), 1, 1, 2, flat({ ...run([1]), firstQuery: 2 ** 32, queryCount: 1 }), 1, 0, floats(2), false),
  'attend: queryCount without firstQuery': (b, p) =>
    b.attend(p, floats(2), 1, 1, 2, flat({ ...run([1]), queryCount: 1 }), 1, 0, floats(2), false),
  'attentionReceived: a segment for some queries': (b, p) =>
    b.attentionReceived(
      p,
      floats(2),
      1,
      1,
      2,
      flat({ ...run([1]), firstQuery: 0, queryCount: 1 }),
      1,
      0,
      false,
      floats(1),
      false,
    ),
  'attend: window without causalFrom': (b, p) =>
    b.attend(p, floats(2), 1, 1, 2, flat({ ...run([1]), window: 3 }), 1, 0, floats(2), false),
  'geglu: lengths 2 and 3': (b, p) => b.geglu(p, floats(2), floats(3), floats(3)),
  'softCap: cap 0': (b) => b.softCap(floats(2), 0, floats(2)),
  'attend: scale NaN': (b, p) => b.attend(p, floats(2), 1, 1, 2, flat(run([1])), Number.NaN, 0, floats(2), false),
  'attend: headDim 0': (b, p) => b.attend(p, floats(0), 1, 1, 0, [], 1, 0, floats(0), false),
  'attend: 257 segments': (b, p) =>
    b.attend(p, floats(2), 1, 1, 2, flat(...Array.from({ length: 257 }, () => run([1]))), 1, 0, floats(2), false),
  'attend: index past 2^32': (b, p) => b.attend(p, floats(2), 1, 1, 2, flat(run([1])), 1, 2 ** 32, floats(2), false),
  'store: past the capacity': (b, p) => b.store(p, 4, 3, 1, 2, floats(8), floats(4)),
  'store: target of another size': (b, p) => b.store(p, 4, 0, 1, 2, floats(7), floats(2)),
  'store: second target of another size': (b, p) => b.store(p, 4, 0, 1, 2, floats(8), floats(2), floats(7), floats(2)),
  'store: sources of 1 and 2 tokens': (b, p) => b.store(p, 4, 0, 1, 2, floats(8), floats(2), floats(8), floats(4)),
  'convert: lengths 2 and 3': (b, p) => b.convert(p, floats(2), new Uint16Array(3)),
  'gather: pick = rows': (b, p) => b.gather(p, floats(4), 2, indices(2), floats(2)),
  'gather: target too short': (b, p) => b.gather(p, floats(4), 2, indices(1), floats(1)),
  'gather: width 0': (b, p) => b.gather(p, floats(0), 0, indices(), floats(0)),
  'leverage: ridge 0': (b, p) => b.leverage(p, floats(4), 2, 1, 2, undefined, 0, 2, floats(2)),
  'leverage: sketch not rows': (b, p) => b.leverage(p, floats(4), 2, 1, 2, floats(3), 1, 2, floats(2)),
  'leverage: product past 2^64': (b, p) => b.leverage(p, floats(0), huge, huge, 1000, undefined, 1, 2, floats(0)),
  'mass: chunk 0': (b, p) => b.chunkAttentionMass(p, floats(4), floats(4), 2, 1, 1, 2, 0, 1, floats(2)),
  'mass: 3 heads on 2': (b, p) => b.chunkAttentionMass(p, floats(6), floats(4), 1, 3, 2, 2, 1, 1, floats(2)),
  'received: no segment': (b, p) => b.attentionReceived(p, floats(2), 1, 1, 2, [], 1, 0, false, floats(0), false),
  'received: runs of 2 lengths': (b, p) =>
    b.attentionReceived(p, floats(4), 2, 2, 2, flat(run([1, 2])), 1, 0, false, floats(3), false),
  'received: run past the end': (b, p) =>
    b.attentionReceived(p, floats(2), 1, 1, 2, flat(run([5])), 1, 0, false, floats(5), false),
  'received: out too short': (b, p) =>
    b.attentionReceived(p, floats(2), 1, 1, 2, flat(run([4])), 1, 0, false, floats(3), false),
  'received: 2^16 + 1 heads': (b, p) =>
    b.attentionReceived(p, floats(2 * 65_537), 65_537, 1, 2, flat(run([4])), 1, 0, false, floats(4), false),
  'received: 2^22 + 1 keys': (b, p) => {
    const keys = new Uint16Array(2 ** 22 + 1)
    const segment = { ...run([keys.length]), k: keys, v: keys }
    return b.attentionReceived(p, floats(1), 1, 1, 1, flat(segment), 1, 0, false, floats(keys.length), false)
  },
  'received: index past 2^32': (b, p) =>
    b.attentionReceived(p, floats(4), 1, 1, 2, flat(run([1])), 1, 2 ** 32 - 2, false, floats(1), false),
  'cosine: out too short': (b, p) => b.cosineToMean(p, floats(4), 2, 1, 2, floats(1)),
  'cosine: headDim 1,025': (b, p) => b.cosineToMean(p, floats(1025), 1, 1, 1025, floats(1)),
  'lag: partition 0': (b, p) => b.lagSpread(p, floats(4), 2, 1, 2, 0, 0, floats(2)),
  'lag: out too long': (b, p) => b.lagSpread(p, floats(4), 2, 1, 2, 0, 1, floats(3)),
  'lag: 2^21 + 1 tokens': (b, p) => b.lagSpread(p, floats(2 ** 21 + 1), 2 ** 21 + 1, 1, 1, 0, 1, floats(2 ** 21 + 1)),
  'ranks: partition 0': (b, p) => b.lagRanks(p, floats(2), 2, 1, 0, 0, floats(2)),
  'ranks: x of another size': (b, p) => b.lagRanks(p, floats(3), 2, 1, 0, 1, floats(2)),
  'ranks: 2^21 + 1 tokens': (b, p) => b.lagRanks(p, floats(2 ** 21 + 1), 2 ** 21 + 1, 1, 0, 1, floats(2 ** 21 + 1)),
  'expected: rotation of another size': (b, p) =>
    b.expectedAttention(p, floats(4), floats(4), 2, 1, 1, 2, floats(3), 1, 0, floats(2)),
  'expected: 3 heads on 2': (b, p) =>
    b.expectedAttention(p, floats(6), floats(4), 1, 3, 2, 2, floats(4), 1, 0, floats(2)),
  'expected: out too short': (b, p) =>
    b.expectedAttention(p, floats(4), floats(4), 2, 1, 1, 2, floats(4), 1, 0, floats(1)),
  'expected: scale NaN': (b, p) =>
    b.expectedAttention(p, floats(4), floats(4), 2, 1, 1, 2, floats(4), Number.NaN, 0, floats(2)),
  'sha256: pieces of 0 bytes': (b, p) => b.sha256(p, new Uint8Array(4), 0, new Uint8Array(32)),
  'sha256: out for 1 piece of 2': (b, p) => b.sha256(p, new Uint8Array(4), 3, new Uint8Array(32)),
  'mean over heads: out too short': (b) => b.meanOverHeads(floats(4), 2, 2, floats(3)),
  'mean over heads: product past 2^64': (b) => b.meanOverHeads(floats(0), huge, huge, floats(0)),
  'softmax: not rows': (b, p) => b.softmax(p, floats(5), 2, floats(5)),
  'softmax: rows of 0': (b, p) => b.softmax(p, floats(5), 0, floats(5)),
  'softmax: out too short': (b, p) => b.softmax(p, floats(4), 2, floats(3)),
  'argmax: not rows': (b, p) => b.argmax(p, floats(5), 2, floats(2)),
  'argmax: rows of 0': (b, p) => b.argmax(p, floats(0), 0, floats(0)),
  'argmax: rows of 2^24 + 1': (b, p) => b.argmax(p, floats(0), 2 ** 24 + 1, floats(0)),
  'argmax: out too short': (b, p) => b.argmax(p, floats(4), 2, floats(1)),
  'describe: rows of 0': (b, p) => b.describeRows(p, floats(0), 0, floats(0), indices(0), floats(0)),
  'describe: rows of 2^24 + 1': (b, p) => b.describeRows(p, floats(0), 2 ** 24 + 1, floats(0), indices(), floats(0)),
  'describe: weights too short': (b, p) => b.describeRows(p, floats(4), 2, floats(1), indices(0), floats(8)),
  'describe: 3 rows of 2 kinds': (b, p) => b.describeRows(p, floats(6), 2, floats(4), indices(0, 0), floats(12)),
  'describe: rows without weights': (b, p) => b.describeRows(p, floats(4), 2, floats(0), indices(), floats(8)),
  'describe: pick = width': (b, p) => b.describeRows(p, floats(2), 2, floats(2), indices(2), floats(4)),
  'describe: out too short': (b, p) => b.describeRows(p, floats(2), 2, floats(2), indices(0), floats(3)),
  'norms: out too short': (b) => b.norms(floats(4), 2, 1, 2, floats(1)),
  'zScore: out too short': (b) => b.zScore(floats(2), floats(1)),
  'addScaled: lengths 2 and 1': (b) => b.addScaled(floats(2), floats(1), 1, floats(2)),
  'multiply: lengths 2 and 1': (b) => b.multiply(floats(2), floats(1), floats(2)),
  'averagePool: even width': (b) => b.averagePool(floats(2), 2, 2, floats(2)),
  'averagePool: rows of another length': (b) => b.averagePool(floats(3), 2, 3, floats(3)),
}

const wrong = (value: unknown): never => value as never

/** Wrong kinds: TypeError. */
const wrongKinds: Readonly<Record<string, Call>> = {
  'a plain object as pool': (b) => b.swiglu(wrong({}), floats(1), floats(1), floats(1)),
  'no arguments': (b) => (b.swiglu as (...none: unknown[]) => unknown)(),
  'an array for ids': (b, p) => b.embed(p, q8, new Uint8Array(34), 1, 32, wrong([0]), floats(32)),
  'f16 for x': (b, p) => b.swiglu(p, wrong(new Uint16Array(1)), floats(1), floats(1)),
  'f64 for x': (b, p) => b.swiglu(p, wrong(new Float64Array(1)), floats(1), floats(1)),
  'a string for eps': (b, p) => b.rmsNorm(p, floats(2), floats(2), wrong('1e-5'), floats(2)),
  'segments that are not a list': (b, p) => b.attend(p, floats(2), 1, 1, 2, wrong({}), 1, 0, floats(2), false),
  'a segment of null': (b, p) => b.attend(p, floats(2), 1, 1, 2, wrong([null]), 1, 0, floats(2), false),
  'a segment without counts': (b, p) =>
    b.attend(p, floats(2), 1, 1, 2, flat({ ...run([1]), counts: wrong(undefined) }), 1, 0, floats(2), false),
  'k f32 and v f16': (b, p) =>
    b.attend(p, floats(2), 1, 1, 2, flat({ ...run([1]), v: new Uint16Array(8) }), 1, 0, floats(2), false),
  'maximum as 1': (b, p) =>
    b.attentionReceived(p, floats(2), 1, 1, 2, flat(run([1])), 1, 0, wrong(1), floats(1), false),
  'an array for picks': (b, p) => b.describeRows(p, floats(2), 2, floats(2), wrong([0]), floats(4)),
  'bf16 as 1': (b, p) => b.attend(p, floats(2), 1, 1, 2, flat(run([1])), 1, 0, floats(2), wrong(1)),
  'store: three targets': (b, p) => b.store(p, 4, 0, 1, 2, ...[1, 2, 3].flatMap(() => [floats(8), floats(2)])),
  'store: an f16 source': (b, p) => b.store(p, 4, 0, 1, 2, floats(8), new Uint16Array(2)),
  'rope: five tensors': (b, p) =>
    b.rope(p, indices(0), frequencies, true, ...Array.from({ length: 10 }, () => floats(2))),
  'rope: no tensor': (b, p) => b.rope(p, indices(0), frequencies, true),
  'rope: f32 frequencies': (b, p) => b.rope(p, indices(0), wrong(floats(1)), true, floats(2), floats(2)),
  'segments of eight values': (b, p) =>
    b.attend(p, floats(2), 1, 1, 2, flat(run([1])).slice(1), 1, 0, floats(2), false),
  'matmulEach: no matrix': (b, p) => b.matmulEach(p, floats(32), undefined, 0, undefined, true),
  'matmulEach: four matrices': (b, p) =>
    b.matmulEach(
      p,
      floats(32),
      undefined,
      0,
      undefined,
      true,
      ...[1, 2, 3, 4].flatMap(() => [q8, new Uint8Array(34), 1, 32, undefined, floats(1)]),
    ),
  'int8 as 1': (b, p) =>
    b.matmul(p, q8, new Uint8Array(34), 1, 32, floats(32), undefined, undefined, floats(1), wrong(1)),
  'convert f32 to f32': (b, p) => b.convert(p, floats(1), floats(1)),
  'gather f32 to f16': (b, p) => b.gather(p, floats(2), 2, indices(0), new Uint16Array(2)),
  'an abort word that is not shared': (b, p) => b.watchAbort(p, new Int32Array(1)),
  'an abort word of 0 elements': (b, p) => b.watchAbort(p, new Int32Array(new SharedArrayBuffer(0))),
  'a path that is a number': (b) => b.mapFile(wrong(1)),
  'unmapping an array': (b) => b.unmapFile(wrong(floats(1))),
  'unmapping a buffer of somebody else': (b) => b.unmapFile(new ArrayBuffer(8)),
}

for (const [calls, name] of [
  [outOfRange, 'RangeError'],
  [wrongKinds, 'TypeError'],
] as const)
  test(`addon: ${Object.keys(calls).length} wrong calls are each refused with a ${name} of one sentence`, {
    skip,
  }, () => {
    const pool = binding().createPool(2, 'scalar')
    for (const [what, call] of Object.entries(calls))
      assert.throws(() => call(binding(), pool), { name, message: /^\w+: .+[^.]$/ }, what)
    binding().disposePool(pool)
  })

test('addon: a matrix of 0 rows and an x of 0 tokens give 0 values', { skip }, () => {
  const ops = createNativeOps({ threads: 2 })
  for (const [rows, tokens] of [
    [0, 0],
    [0, 3],
    [0, 20],
    [3, 0],
  ] as const) {
    const weight = ops.weight('Q8_0', [rows, 32], new Uint8Array(rows * 34))
    const x = ops.zeros([tokens, 32], 'f32')
    assert.deepEqual(ops.matmul(x, weight).shape, [tokens, rows])
    for (const each of ops.matmulEach(x, [weight, weight])) assert.deepEqual(each.shape, [tokens, rows])
  }
  ops.dispose()
})

test('addon: indices that lie in the memory of the output are those of the call, for 512 rows', { skip }, () => {
  const pool = binding().createPool(2, 'scalar')
  const columns = 32
  const table = floats(4 * columns).fill(1e30)
  for (const fill of [
    (ids: Uint32Array, out: Float32Array) =>
      binding().embed(pool, 0, new Uint8Array(table.buffer), 4, columns, ids, out),
    (ids: Uint32Array, out: Float32Array) => binding().gather(pool, table, columns, ids, out),
  ]) {
    const out = floats(512 * columns)
    fill(new Uint32Array(out.buffer, 0, 512), out)
    assert.ok(out.every((value) => value === Math.fround(1e30)))
  }
  binding().disposePool(pool)
})

test('addon: runs of keys that lie in the memory of the output are those of the call, for 2 KV heads', { skip }, () => {
  const pool = binding().createPool(1, 'scalar')
  const out = floats(2 * 2 * 300)
  const starts = new Uint32Array(out.buffer, 0, 2)
  const counts = new Uint32Array(out.buffer, 8, 2).fill(4)
  const segment = { ...run([4, 4]), v: floats(8).fill(7), starts, counts }
  binding().attend(pool, floats(out.length), 2, 2, 2, flat(segment), 1, 0, out, false)
  assert.ok(out.every((value) => value === 7))
  binding().disposePool(pool)
})

test('addon: a getter that disposes the pool or detaches the queries is noticed before anything is computed', {
  skip,
}, () => {
  const memory = new ArrayBuffer(8)
  const q = new Float32Array(memory)
  const kept = binding().createPool(2, 'scalar')
  const lost = binding().createPool(2, 'scalar')
  const segmentThat = (act: () => void) =>
    Object.defineProperty(flat(run([4])), 5, {
      get: () => {
        act()
        return undefined
      },
    })
  const disposing = segmentThat(() => binding().disposePool(lost))
  const detaching = segmentThat(() => structuredClone(memory, { transfer: [memory] }))
  assert.throws(() => binding().attend(lost, floats(2), 1, 1, 2, disposing, 1, 0, floats(2), false), {
    name: 'TypeError',
  })
  assert.throws(() => binding().attend(kept, q, 1, 1, 2, detaching, 1, 0, floats(2), false), { name: 'RangeError' })
  binding().disposePool(kept)
})

test('addon: a pool that is disposed is refused, disposing it twice is not', { skip }, () => {
  const pool = binding().createPool(2, 'scalar')
  binding().disposePool(pool)
  binding().disposePool(pool)
  assert.throws(() => binding().swiglu(pool, floats(1), floats(1), floats(1)), {
    name: 'TypeError',
    message: /disposed/,
  })
})

test('COMPACTOR_ISA: scalar is taken, an unknown one is refused', { skip }, () => {
  const before = process.env.COMPACTOR_ISA
  try {
    process.env.COMPACTOR_ISA = 'scalar'
    const ops = createNativeOps({ threads: 1 })
    assert.equal(ops.isa, 'scalar')
    ops.dispose()
    process.env.COMPACTOR_ISA = 'mmx'
    assert.throws(() => createNativeOps({ threads: 1 }), {
      name: 'RangeError',
      message: /scalar, avx2, avx512 or amx, got mmx/,
    })
  } finally {
    if (before === undefined) delete process.env.COMPACTOR_ISA
    else process.env.COMPACTOR_ISA = before
  }
})

test('abort: a word set before an op stops it, and the next op after clearing works', { skip }, () => {
  const abortWord = new Int32Array(new SharedArrayBuffer(4))
  const ops = createNativeOps({ threads: 2, abortWord })
  const x = ops.from(new Float32Array(64).fill(1), [1, 64])
  const weight = ops.weight('F32', [64, 64], new Uint8Array(new Float32Array(64 * 64).fill(1).buffer))
  abortWord[0] = 1
  assert.throws(() => ops.matmul(x, weight), { code: 'aborted' })
  abortWord[0] = 0
  assert.deepEqual(f32(ops.matmul(x, weight)), new Float32Array(64).fill(64))
  abortWord[0] = 1
  ops.watchAbort(undefined)
  assert.deepEqual(f32(ops.matmul(x, weight)), new Float32Array(64).fill(64))
  ops.dispose()
})

test('abort: 10 refused words leave none of their 70 threads behind', {
  skip: skip || (process.platform !== 'linux' && 'reads /proc'),
}, () => {
  const threadCount = (): number => readdirSync('/proc/self/task').length
  const before = threadCount()
  for (let turn = 0; turn < 10; turn++)
    assert.throws(() => createNativeOps({ threads: 8, abortWord: new Int32Array(1) }), { name: 'TypeError' })
  assert.ok(threadCount() < before + 10, `${before} threads became ${threadCount()}`)
})

test('abort: a word set by another thread stops an op that is running', { skip }, async () => {
  const words = new Int32Array(new SharedArrayBuffer(8)) // 0: abort, 1: products begun
  const ops = createNativeOps({ threads: 2, abortWord: words })
  const other = new Worker(
    `const { workerData: words } = require('node:worker_threads')
     Atomics.wait(words, 1, 0)
     Atomics.wait(words, 1, 1, 3)
     Atomics.store(words, 0, 1)`,
    { eval: true, workerData: words },
  )
  const size = 1024
  const x = ops.zeros([size, size], 'f32')
  const weight = ops.weight('F32', [size, size], new Uint8Array(size * size * 4))
  assert.throws(
    () => {
      for (let i = 0; i < 100_000; i++) {
        Atomics.store(words, 1, 1)
        Atomics.notify(words, 1)
        ops.scope(() => ops.matmul(x, weight))
      }
    },
    { code: 'aborted' },
  )
  await other.terminate()
  ops.dispose()
})

test('pool: 2,000 runs of 1 to 40 tasks on 8 threads leave out none and do none twice', { skip }, () => {
  const ops = createNativeOps({ threads: 8 })
  const rows = 64 * 40
  const ids = Uint32Array.from({ length: rows }, (_, i) => i)
  const table = Float32Array.from(ids)
  const weight = ops.weight('F32', [rows, 1], new Uint8Array(table.buffer))
  for (let turn = 0; turn < 2000; turn++) {
    const count = 1 + ((turn * 977) % rows)
    const out = ops.scope(() => f32(ops.embed(weight, ids.subarray(0, count))).slice())
    assert.ok(
      out.every((value, i) => value === i),
      `turn ${turn}, ${count} rows`,
    )
  }
  ops.dispose()
})

test('pool: 3 pools of 2 threads in turn, each made, used and ended 20 times, stay apart', { skip }, () => {
  for (let turn = 0; turn < 20; turn++) {
    const all = [0, 1, 2].map(() => createNativeOps({ threads: 2 }))
    for (const [which, ops] of all.entries()) {
      const x = ops.from(new Float32Array(300).fill(which + 1), [300, 1])
      const weight = ops.weight('F32', [40, 1], new Uint8Array(new Float32Array(40).fill(1).buffer))
      assert.ok(f32(ops.matmul(x, weight)).every((value) => value === which + 1))
    }
    for (const ops of all) ops.dispose()
  }
})
