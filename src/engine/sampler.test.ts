import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSampler } from './sampler.ts'

const logits = Float32Array.of(1, 3, 2, 3, -1)

const draws = (options: Parameters<typeof createSampler>[0], count = 4000): number[] => {
  const sampler = createSampler(options)
  const seen = new Array(logits.length).fill(0)
  for (let i = 0; i < count; i++) seen[sampler(logits)]++
  return seen.map((times) => times / count)
}

const all = { temperature: 1, topK: 0, topP: 1, minP: 0 }

test('sampler: temperature 0 takes the most likely token, ties to the lowest id', () => {
  assert.equal(createSampler()(logits), 1)
})

test('sampler: without filters 4,000 draws follow softmax within 0.03', () => {
  const weights = Array.from(logits, Math.exp)
  const sum = weights.reduce((a, b) => a + b)
  for (const [id, share] of draws(all).entries())
    assert.ok(Math.abs(share - (weights[id] as number) / sum) < 0.03, `${id}: ${share}`)
})

test('sampler: topK 2 draws only the two most likely of 5', () => {
  assert.deepEqual(
    draws({ ...all, topK: 2 }).map((share) => share > 0),
    [false, true, false, true, false],
  )
})

test('sampler: topP 0.5 draws the smallest set that reaches half', () => {
  // softmax: 0.40, 0.40, 0.15, 0.05, 0.01
  assert.deepEqual(
    draws({ ...all, topP: 0.5 }).map((share) => share > 0),
    [false, true, false, true, false],
  )
  assert.deepEqual(
    draws({ ...all, topP: 0.3 }).map((share) => share > 0),
    [false, true, false, false, false],
  )
})

test('sampler: minP 0.3 drops what is less likely than 0.3 of the best', () => {
  // e^-1 = 0.37 stays, e^-2 = 0.14 goes
  assert.deepEqual(
    draws({ ...all, minP: 0.3 }).map((share) => share > 0),
    [false, true, true, true, false],
  )
})

test('sampler: temperature 0.01 is nearly greedy, temperature 100 nearly flat', () => {
  assert.ok((draws({ ...all, temperature: 0.01 })[2] as number) === 0)
  for (const share of draws({ ...all, temperature: 100 })) assert.ok(Math.abs(share - 0.2) < 0.04)
})

test('sampler: the same seed draws the same 50 tokens, another seed others', () => {
  const row = (seed: number): number[] => {
    const sampler = createSampler({ ...all, temperature: 2, seed })
    return Array.from({ length: 50 }, () => sampler(logits))
  }
  assert.deepEqual(row(7), row(7))
  assert.notDeepEqual(row(7), row(8))
})

test('sampler: topK over 1,024 equals a full sort', () => {
  const many = Float32Array.from({ length: 3000 }, (_, i) => Math.sin(i) * 3)
  const row = (topK: number): number[] => {
    const sampler = createSampler({ ...all, temperature: 1, topK, seed: 3 })
    return Array.from({ length: 30 }, () => sampler(many))
  }
  assert.deepEqual(row(3000), row(0))
})

test('sampler: options out of range are refused by name', () => {
  assert.throws(() => createSampler({ temperature: -1 }), /RangeError: temperature must be between 0 and 100, got -1/)
  assert.throws(() => createSampler({ topP: 2 }), /topP/)
  assert.throws(() => createSampler({ minP: Number.NaN }), /minP/)
  assert.throws(() => createSampler({ topK: 1.5 }), /topK/)
  assert.throws(() => createSampler({ seed: 0.5 }), /seed/)
})
