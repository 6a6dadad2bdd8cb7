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

test('sampler: where no logit is above −∞, temperature 0 takes the first token that is allowed', () => {
  const { NaN: nan, NEGATIVE_INFINITY: nothing } = Number
  for (const logits of [
    [nan, nothing, nothing],
    [nan, nan, nan],
    [nothing, nothing, nothing],
  ].map((values) => Float32Array.from(values))) {
    assert.equal(createSampler()(logits), 0)
    assert.equal(
      createSampler()(logits, (id) => id > 0),
      1,
    )
    assert.equal(
      createSampler()(logits, () => false),
      -1,
    )
  }
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

test('sampler: without filters, what is refused is drawn again: 4,000 draws follow softmax over the allowed within 0.03', () => {
  const many = Float32Array.from({ length: 150 }, (_, id) => (id < 100 ? 4 : Math.sin(id)))
  // Few refusals a draw; and more than are drawn one by one, so that the allowed ones are found out.
  const kinds: [name: string, allows: (id: number) => boolean][] = [
    ['half', (id) => id % 2 === 0],
    ['only unlikely ones', (id) => id >= 145],
  ]
  for (const [name, allows] of kinds) {
    const sampler = createSampler({ ...all, seed: 5 })
    const seen = new Array<number>(many.length).fill(0)
    for (let i = 0; i < 4000; i++) {
      const id = sampler(many, allows)
      seen[id] = (seen[id] ?? 0) + 1
    }
    const weights = Array.from(many, (logit, id) => (allows(id) ? Math.exp(logit) : 0))
    const sum = weights.reduce((a, b) => a + b)
    for (const [id, weight] of weights.entries()) {
      const share = (seen[id] as number) / 4000
      assert.ok(Math.abs(share - weight / sum) < 0.03, `${name}, ${id}: ${share}, expected ${weight / sum}`)
      if (!allows(id)) assert.equal(share, 0)
    }
  }
})

test('sampler: where nothing is allowed the answer is −1, with filters and without, and greedy', () => {
  for (const options of [all, { temperature: 1 }, {}])
    assert.equal(
      createSampler(options)(logits, () => false),
      -1,
    )
})

test('sampler: an allowed token of weight 0 is found where all others are refused', () => {
  const steep = Float32Array.of(0, -2000, -3000)
  for (const options of [all, { temperature: 1 }, {}])
    assert.equal(
      createSampler(options)(steep, (id) => id === 2),
      2,
    )
})
