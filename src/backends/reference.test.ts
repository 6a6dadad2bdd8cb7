/** The definition itself: numbers worked out by hand, one real layer, and the suite that every backend runs. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { f16FromF32, f32FromF16 } from './half.ts'
import { testLayer14 } from './layer14.conformance.ts'
import { testOps } from './ops.conformance.ts'
import type { Segment, Tensor, WeightType } from './ops.ts'
import { createReferenceOps } from './reference.ts'
import { dependentKeys } from './scoring-cases.conformance.ts'
import { blockLayout, f32 } from './tensor.ts'

const ops = createReferenceOps()
const tensor = (values: readonly number[], ...shape: number[]): Tensor => ops.from(Float32Array.from(values), shape)
const near = (got: Tensor, want: readonly number[], within = 1e-6): void => {
  const values = [...f32(got)]
  assert.equal(values.length, want.length)
  for (const [i, value] of values.entries())
    assert.ok(Math.abs(value - (want[i] as number)) <= within, `${values} is not ${want}`)
}

describe('reference: half precision', () => {
  test('all 65,536 halves survive the way to f32 and back, NaN as NaN', () => {
    for (let bits = 0; bits < 65536; bits++) {
      const value = f32FromF16(bits)
      if (Number.isNaN(value)) assert.ok(Number.isNaN(f32FromF16(f16FromF32(value))))
      else assert.equal(f16FromF32(value), bits)
    }
  })

  test('7 known halves: 1, −2, 65504, 2^-14, 2^-24, infinity, 1/3', () => {
    const known = {
      15360: 1,
      49152: -2,
      31743: 65504,
      1024: 2 ** -14,
      1: 2 ** -24,
      31744: Number.POSITIVE_INFINITY,
      13653: 0.333251953125,
    }
    for (const [bits, value] of Object.entries(known)) assert.equal(f32FromF16(Number(bits)), value)
  })

  test('a tie goes to the even half: 1 + 2^-11 down, 1 + 3 · 2^-11 up, 65520 to infinity, 2^-25 to 0', () => {
    assert.equal(f16FromF32(1 + 2 ** -11), 15360)
    assert.equal(f16FromF32(1 + 3 * 2 ** -11), 15362)
    assert.equal(f16FromF32(65520), 31744)
    assert.equal(f16FromF32(65519), 31743)
    assert.equal(f16FromF32(2 ** -25), 0)
    assert.equal(f16FromF32(1.5 * 2 ** -24), 2)
  })
})

describe('reference: blocks', () => {
  /** First, second, seventeenth and last value of a block whose bytes are given from their start. */
  const decode = (type: WeightType, bytes: readonly number[]): number[] => {
    const { values, bytes: size } = blockLayout[type]
    const block = Uint8Array.from({ length: size }, (_, i) => bytes[i] ?? 0)
    const row = f32(ops.embed(ops.weight(type, [1, values], block), Uint32Array.of(0)))
    return [0, 1, 16, values - 1].map((index) => row[index] as number)
  }
  const one = [0x00, 0x3c] // the half 1
  const two = [0x00, 0x40]
  const zeros = (count: number): number[] => new Array(count).fill(0)

  test('Q4_0: d (q − 8), low halves first', () => {
    assert.deepEqual(decode('Q4_0', [...two, 0x9f, 0x08, ...zeros(13), 0x70]), [14, 0, 2, -2])
  })
  test('Q4_1: d q + m', () => {
    assert.deepEqual(decode('Q4_1', [...two, ...one, 0x9f, 0x08, ...zeros(13), 0x70]), [31, 17, 19, 15])
  })
  test('Q5_0: d (q + 16 · bit − 16)', () => {
    assert.deepEqual(
      decode('Q5_0', [...two, 0x01, 0x00, 0x01, 0x80, 0x9f, 0x08, ...zeros(13), 0x70]),
      [30, -16, 18, 14],
    )
  })
  test('Q5_1: d (q + 16 · bit) + m', () => {
    assert.deepEqual(
      decode('Q5_1', [...two, ...one, 0x01, 0x00, 0x01, 0x80, 0x9f, 0x08, ...zeros(13), 0x70]),
      [63, 17, 51, 47],
    )
  })
  test('Q8_0: d q with signed bytes', () => {
    assert.deepEqual(decode('Q8_0', [...two, 127, 0x80, ...zeros(14), 3, ...zeros(14), 0xff]), [254, -256, 6, -2])
  })
  test('Q4_K: d · scale · q − dmin · minimum, scales of 6 bits in two layouts', () => {
    // group 0: scale 5, minimum 3; group 7: scale 2 + 16 · 1, minimum 4 + 16 · 2
    const scales = [5, 0, 0, 0x40, 3, 0, 0, 0x80, 0, 0, 0, 0x42]
    const codes = [0x0f, 0x01, ...zeros(14), 0x02, ...zeros(110), 0xa0]
    assert.deepEqual(decode('Q4_K', [...two, ...one, ...scales, ...codes]), [147, 7, 17, 324])
  })
  test('Q5_K: the same with a fifth bit', () => {
    const scales = [5, 0, 0, 0x40, 3, 0, 0, 0x80, 0, 0, 0, 0x42]
    const high = [0x01, ...zeros(30), 0x80]
    const codes = [0x0f, 0x01, ...zeros(14), 0x02, ...zeros(110), 0xa0]
    assert.deepEqual(decode('Q5_K', [...two, ...one, ...scales, ...high, ...codes]), [307, 7, 17, 900])
  })
  test('Q6_K: d · scale · (q − 32), one signed scale for 16 values', () => {
    const low = [0x0f, 0x01, ...zeros(14), 0x02, ...zeros(110), 0xa0]
    const high = [0x03, ...zeros(62), 0x40]
    const scales = [2, 0xff, ...zeros(13), 3]
    assert.deepEqual(decode('Q6_K', [...low, ...high, ...scales, ...two]), [124, -124, 60, -36])
  })
})

describe('reference: transformer ops', () => {
  test('matmul: [1 2; 3 4] · [5 6; 7 8]ᵀ + bias [1 2] + add', () => {
    const weight = ops.weight('F32', [2, 2], new Uint8Array(Float32Array.of(5, 6, 7, 8).buffer))
    const out = ops.matmul(tensor([1, 2, 3, 4], 2, 2), weight, {
      bias: tensor([1, 2], 2),
      add: tensor([0, 0, 0, 100], 2, 2),
    })
    near(out, [18, 25, 40, 155])
  })
  test('rmsNorm: [3 4] has root mean square √12.5', () => {
    near(ops.rmsNorm(tensor([3, 4], 1, 2), tensor([1, 2], 2), 0), [3 / Math.sqrt(12.5), 8 / Math.sqrt(12.5)])
    near(ops.rmsNorm(tensor([0, 0], 1, 2), tensor([1, 2], 2), 1e-5), [0, 0])
  })
  test('swiglu: silu(0) = 0, silu(ln 3) = ln 3 · 3/4', () => {
    near(ops.swiglu(tensor([0, Math.log(3)], 2), tensor([5, 2], 2)), [0, 1.5 * Math.log(3)])
  })
  test('rope: a quarter turn in the first pair, a hundredth of it in the second', () => {
    // headDim 4 and theta 10,000: frequencies 1 and 1/100. Position 0 changes nothing.
    const [c1, s1, c2, s2] = [Math.cos(1), Math.sin(1), Math.cos(0.01), Math.sin(0.01)]
    const x = tensor([1, 0, 0, 1, 1, 2, 3, 4], 2, 1, 4)
    near(ops.rope([x], Uint32Array.of(1, 0), { theta: 1e4, layout: 'interleaved' })[0], [c1, s1, -s2, c2, 1, 2, 3, 4])
    near(ops.rope([x], Uint32Array.of(1, 0), { theta: 1e4, layout: 'halves' })[0], [c1, -s2, s1, c2, 1, 2, 3, 4])
  })
})

describe('reference: attention', () => {
  const segment = (k: readonly number[], v: readonly number[], rest: Partial<Segment> = {}): Segment => ({
    k: tensor(k, k.length, 1),
    v: tensor(v, v.length, 1),
    starts: Uint32Array.of(0),
    counts: Uint32Array.of(k.length),
    ...rest,
  })
  const whole = { scale: 1, firstIndex: 0 }

  test('logits 0 and ln 3 weigh 1/4 and 3/4', () => {
    near(ops.attend(tensor([1], 1, 1, 1), [segment([0, Math.log(3)], [8, 16])], whole), [14])
  })
  test('two segments are one softmax, and a bias of ln 2 doubles a weight', () => {
    const segments = [segment([0], [12]), segment([0, 0], [6, 24], { bias: tensor([Math.log(2), 0], 2) })]
    near(ops.attend(tensor([1], 1, 1, 1), segments, whole), [(12 + 2 * 6 + 24) / 4])
  })
  test('a causal segment from index 5 shows query 6 two keys and query 4 none', () => {
    const segments = [segment([0, 0, 0], [1, 3, 100], { causalFrom: 5 })]
    near(ops.attend(tensor([1, 1, 1], 3, 1, 1), segments, { scale: 1, firstIndex: 4 }), [0, 1, 2])
  })
  test('4 query heads share 2 KV heads pairwise, each with its own run', () => {
    const runs = segment([0, 0, 0], [1, 2, 30], { starts: Uint32Array.of(2, 0), counts: Uint32Array.of(1, 2) })
    near(ops.attend(tensor([1, 1, 1, 1], 1, 4, 1), [runs], whole), [30, 30, 1.5, 1.5])
  })
  test('a hidden key or a logit of −∞ does not count, even with a value of NaN', () => {
    const hidden = segment([0, 0], [4, Number.NaN], { bias: tensor([0, Number.NEGATIVE_INFINITY], 2) })
    near(ops.attend(tensor([1], 1, 1, 1), [hidden, segment([0], [Number.NaN], { causalFrom: 1 })], whole), [4])
  })
  test('a logit of NaN makes the query head NaN', () => {
    assert.ok(Number.isNaN(f32(ops.attend(tensor([1], 1, 1, 1), [segment([Number.NaN, 0], [1, 2])], whole))[0]))
  })
})

describe('reference: scores', () => {
  test('exact leverage with a ridge of 1: keys −1, 0, 1 have Gram 2, so 1/3, 0, 1/3', () => {
    near(ops.leverage(tensor([1, 2, 3], 3, 1, 1), { ridge: 1 }), [1 / 3, 0, 1 / 3])
  })
  test('leverage sums to nearly the rank: 4 keys of 2 dims, ridge 1e-12', () => {
    const out = f32(ops.leverage(tensor([1, 0, -1, 0, 0, 2, 0, -2], 4, 1, 2), { ridge: 1e-12 }))
    near(ops.from(out, [4]), [0.5, 0.5, 0.5, 0.5])
  })
  test('leverage in chunks of 2: each pair is ±1 about its own mean', () => {
    near(ops.leverage(tensor([1, 3, 11, 13], 4, 1, 1), { ridge: 2, chunkTokens: 2 }), [0.25, 0.25, 0.25, 0.25])
  })
  test('a ridge of 1e-9 beside a singular Gram matrix of 2^40 grows tenfold to 1e-3', () => {
    const small = 0.03 ** 2 / (2 * 0.03 ** 2 + 1e-3)
    near(ops.leverage(tensor(dependentKeys, 6, 1, 3), { ridge: 1e-9 }), [0.25, 0.25, 0.25, 0.25, small, small])
  })
  test('keys of NaN have a leverage of NaN', () => {
    assert.ok(f32(ops.leverage(tensor([1, Number.NaN, 3], 3, 1, 1), { ridge: 1 })).every(Number.isNaN))
  })
  test('a sketch maps keys first: Φ = [2; 0] makes a Gram matrix of 8', () => {
    near(ops.leverage(tensor([1, 7, -1, 9], 2, 1, 2), { ridge: 8, sketch: tensor([2, 0], 2, 1) }), [0.25, 0.25])
  })
  test('chunkAttentionMass: keys 0 and ln 3 get 2/4 and 6/4 from two queries of 1, a chunk of one gets 1', () => {
    const q = tensor([1, 1, 5], 3, 1, 1)
    near(ops.chunkAttentionMass(q, tensor([0, Math.log(3), 9], 3, 1, 1), { chunkTokens: 2, scale: 1 }), [0.5, 1.5, 1])
  })
  test('zScore: 1, 2, 3 have a population deviation of √(2/3)', () => {
    near(ops.zScore(tensor([1, 2, 3], 1, 3)), [-Math.sqrt(1.5), 0, Math.sqrt(1.5)])
    near(ops.zScore(tensor([0.1, 0.1, 0.1], 1, 3)), [0, 0, 0], 0)
  })
  test('norms are head-major: [3 4] is 5', () => {
    near(ops.norms(tensor([3, 4, 0, 1, 6, 8, 0, 2], 2, 2, 2)), [5, 10, 1, 2])
  })
  test('attentionReceived: queries of 1 and −1 give keys 0 and ln 3 together 1/4 + 3/4 twice, at most 3/4', () => {
    const segment: Segment = {
      k: tensor([0, Math.log(3)], 2, 1),
      v: tensor([Number.NaN, Number.NaN], 2, 1),
      starts: Uint32Array.of(0),
      counts: Uint32Array.of(2),
    }
    const options = { scale: 1, firstIndex: 0 }
    near(ops.attentionReceived(tensor([1, -1], 2, 1, 1), [segment], { ...options, reduce: 'sum' }), [1, 1])
    near(ops.attentionReceived(tensor([1, -1], 2, 1, 1), [segment], { ...options, reduce: 'max' }), [3 / 4, 3 / 4])
    near(ops.attentionReceived(tensor([1, 1], 1, 2, 1), [segment], { ...options, reduce: 'sum' }), [1 / 2, 3 / 2])
  })
  test('attentionReceived: keys of a second segment take part in the softmax, and a causal key is seen by later queries only', () => {
    const run = (k: readonly number[], rest: Partial<Segment> = {}): Segment => ({
      k: tensor(k, k.length, 1),
      v: tensor(k, k.length, 1),
      starts: Uint32Array.of(0),
      counts: Uint32Array.of(k.length),
      ...rest,
    })
    const q = tensor([1, 1], 2, 1, 1)
    const options = { scale: 1, firstIndex: 3, reduce: 'sum' } as const
    near(ops.attentionReceived(q, [run([0, 0]), run([0, Math.log(5)])], options), [1 / 4, 1 / 4])
    near(ops.attentionReceived(q, [run([0, 0], { causalFrom: 3 })], options), [3 / 2, 1 / 2])
    near(ops.attentionReceived(q, [run([0, 0], { causalFrom: 9 }), run([0])], options), [0, 0])
  })
  test('cosineToMean: of [2 0], [0 3] and [0 0] the mean direction is [1/3 1/3]', () => {
    near(ops.cosineToMean(tensor([2, 0, 0, 3, 0, 0], 3, 1, 2)), [Math.SQRT1_2, Math.SQRT1_2, 0])
  })
  test('lagSpread: channels on the scale of the next partition, deviations with n − 1, softmax', () => {
    // The next partition spans [0 2] and [10 30]: the first two become [0 0] and [1/2 −1/2], with deviations 0 and √(1/2).
    const x = tensor([9, 9, 0, 10, 1, 0, 0, 30, 2, 10, 7, 7], 6, 1, 2)
    const power = Math.exp(Math.SQRT1_2)
    near(ops.lagSpread(x, { first: 1, partitionTokens: 2 }), [0, 1 / (1 + power), power / (1 + power), 0, 0, 0])
  })
  test('lagSpread: a channel that stands still in the next partition is shifted, not divided', () => {
    const x = tensor([5, 0, 8, 0, 5, 0, 5, 0], 4, 1, 2) // [0 0] and [3 0]: deviations 0 and 3/√2
    const power = Math.exp(3 / Math.SQRT2)
    near(ops.lagSpread(x, { first: 0, partitionTokens: 2 }), [1 / (1 + power), power / (1 + power), 0, 0])
  })
  test('expectedAttention: queries 1 and 3 have mean 2 and variance 1, so keys 0 and 1 at scale 2 have logits 0 and 4 + 2', () => {
    const [q, k] = [tensor([9, 1, 3], 3, 1, 1), tensor([7, 0, 1], 3, 1, 1)]
    const power = Math.exp(6)
    near(ops.expectedAttention(q, k, { rotation: tensor([1], 1, 1), scale: 2, first: 1 }), [
      0,
      1 / (1 + power),
      power / (1 + power),
    ])
  })
  test('expectedAttention: row i of the rotation is where unit vector i goes; a quarter turn brings [1 0] to [0 1]', () => {
    const q = tensor([1, 0, 1, 0], 2, 1, 2)
    const k = tensor([0, Math.log(3), 5, 0], 2, 1, 2)
    near(ops.expectedAttention(q, k, { rotation: tensor([0, 1, -1, 0], 2, 2), scale: 1, first: 0 }), [3 / 4, 1 / 4])
  })
  test('meanOverHeads gives every head the mean', () => {
    near(ops.meanOverHeads(tensor([1, 2, 3, 6], 2, 2)), [2, 4, 2, 4])
  })
  test('lagRanks: 3 partitions of 3 tokens after 1, the last without ranks; an earlier equal is better, NaN worst', () => {
    const x = tensor([9, 0.1, 0.3, 0.2, 7, Number.NaN, 7, 5, 6, 8, 4], 1, 11)
    near(ops.lagRanks(x, { first: 1, partitionTokens: 3 }), [0, 0, 2 / 3, 1 / 3, 2 / 3, 0, 1 / 3, 0, 0, 0, 0])
  })

  test('averagePool cuts its window at the ends', () => {
    near(ops.averagePool(tensor([3, 6, 9, 30], 1, 4), 3), [4.5, 6, 15, 19.5])
  })
})

describe('reference: rows of logits', () => {
  const { NEGATIVE_INFINITY: nothing, NaN: nan } = Number

  test('softmax: 0 and ln 3 are 1/4 and 3/4, −∞ is 0 even alone, one NaN spoils its row', () => {
    near(ops.softmax(tensor([0, Math.log(3), nothing], 1, 3)), [1 / 4, 3 / 4, 0])
    near(ops.softmax(tensor([nothing, nothing], 1, 2)), [0, 0])
    assert.ok(f32(ops.softmax(tensor([0, nan], 1, 2))).every(Number.isNaN))
  })
  test('argmax: the first of equals, NaN passed over, 0 where nothing is above −∞', () => {
    const x = tensor([1, 3, 3, nan, -1, -2, nothing, nan, nothing, nan, nan, nan], 4, 3)
    assert.deepEqual([...f32(ops.argmax(x))], [1, 1, 0, 0])
  })
  test('describeRows: 4 rows against 2 kinds of weights and picks', () => {
    const x = tensor([0, Math.log(3), 2, 2, 5, -5, 1, 8], 4, 2)
    const out = ops.describeRows(x, tensor([1, 2, 0, -1], 2, 2), Uint32Array.of(1, 0))
    near(out, [
      ...[Math.log(4), 1, 2 * Math.log(3), Math.log(3)],
      ...[2 + Math.LN2, 0, -2, 2],
      ...[5 + Math.log1p(Math.exp(-10)), 0, -5, -5],
      ...[8 + Math.log1p(Math.exp(-7)), 1, -8, 1],
    ])
  })
  test('describeRows: a weight of 0 takes nothing from −∞, NaN is not the largest but spoils the sum', () => {
    near(ops.describeRows(tensor([nothing, 3], 1, 2), tensor([0, 2], 1, 2), Uint32Array.of(1)), [3, 1, 6, 3])
    const [sum, index] = f32(ops.describeRows(tensor([nan, 3], 1, 2), tensor([0, 2], 1, 2), Uint32Array.of(1)))
    assert.deepEqual([sum, index], [nan, 1])
  })
})

testOps('reference', createReferenceOps)
testLayer14('reference', createReferenceOps)
