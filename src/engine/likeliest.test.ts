import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Allows, type Candidate, type Filters, likeliest } from './likeliest.ts'
import { uniformNumbers } from './random.ts'

/** As the options are defined: every token asked, sorted, cut three times. */
const defined = (logits: Float32Array, { topK, topP, minP }: Filters, allows: Allows): number[] => {
  const sorted = Array.from(logits, (logit, id): Candidate => ({ id, logit }))
    .filter(({ id }) => allows(id))
    .sort((a, b) => b.logit - a.logit || a.id - b.id)
    .slice(0, topK === 0 ? undefined : topK)
  const weights = sorted.map(({ logit }) => Math.exp(logit - (sorted[0]?.logit ?? 0)))
  const target = topP * weights.reduce((a, b) => a + b, 0)
  let sum = 0
  let end = 0
  while (end < sorted.length && (end === 0 || topP >= 1 || sum < target)) sum += weights[end++] as number
  const floor = (sorted[0]?.logit ?? 0) + Math.log(minP)
  return sorted.slice(0, end).flatMap(({ id, logit }, i) => (i === 0 || logit >= floor ? [id] : []))
}

const normals = (count: number, uniform: () => number, scale: number): Float32Array =>
  Float32Array.from(
    { length: count },
    () => scale * Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
  )

test('likeliest: 600 cases of filters, spreads and refusals give the tokens of the definition', () => {
  const uniform = uniformNumbers(1)
  const one = <T>(values: readonly T[]): T => values[Math.floor(uniform() * values.length)] as T
  for (let i = 0; i < 600; i++) {
    const logits = normals(2000, uniform, one([0.1, 1, 3, 8]))
    const filters = { topK: one([0, 0, 1, 40, 1500]), topP: one([0, 0.5, 0.95, 1]), minP: one([0, 0.01, 0.05, 0.5]) }
    const share = one([1, 0.9, 0.1, 0.003, 0])
    const kinds = Uint8Array.from(logits, () => (uniform() < share ? 1 : 0))
    const allows: Allows = (id) => kinds[id] === 1
    const found = likeliest(logits, filters, allows).map(({ id }) => id)
    assert.deepEqual(found, defined(logits, filters, allows), JSON.stringify({ i, filters, share }))
  }
})

test('likeliest: equal logits are taken by id, negative zero is zero, what is not a number is left out', () => {
  const logits = Float32Array.of(0, Number.NaN, -0, 2, 2, Number.NEGATIVE_INFINITY)
  const all = { topK: 0, topP: 1, minP: 0 }
  assert.deepEqual(
    likeliest(logits, all).map(({ id }) => id),
    [3, 4, 0, 2, 5],
  )
})

test('likeliest: of 150,000 tokens fewer than 100 are asked where the likely ones are allowed, with top-k or without', () => {
  const logits = normals(150_000, uniformNumbers(2), 1)
  for (let i = 0; i < 20; i++) logits[i * 7000] = 20 - i / 4
  for (const topK of [0, 40]) {
    let asked = 0
    const allows: Allows = (id) => {
      asked++
      return id % 2 === 0
    }
    const found = likeliest(logits, { topK, topP: 0.95, minP: 0.05 }, allows)
    assert.ok(found.length > 5 && asked < 100, `${asked} asked, ${found.length} found`)
  }
})
