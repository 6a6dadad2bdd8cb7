import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { pairsOfShare, rank, type Selection, type SelectionRequest, select, share, tierTotals } from './selection.ts'

const runOf = ({ ranking, boundaries }: Selection, head: number): number[] => {
  const start = ranking.starts[head] as number
  return [...ranking.positions.subarray(start, start + (boundaries.at(-1)?.[head] as number))]
}

const total = (counts: Iterable<number>): number => [...counts].reduce((a, b) => a + b, 0)

/** Few distinct codes, so that ties are the rule. */
const layers = fc
  .record({
    kvHeadCount: fc.integer({ min: 1, max: 8 }),
    documentTokens: fc.integer({ min: 1, max: 80 }),
    protectFirst: fc.integer({ min: 0, max: 20 }),
    protectLast: fc.integer({ min: 0, max: 20 }),
    heads: fc.constantFrom('across' as const, 'apart' as const),
    part: fc.double({ min: 0, max: 1, noNaN: true }),
    spread: fc.constantFrom(1, 3, 65536),
    seed: fc.integer(),
  })
  .map(({ part, spread, seed, ...shape }) => {
    const whole = shape.kvHeadCount * shape.documentTokens
    let state = seed
    const codes = Uint16Array.from({ length: whole }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) | 0
      return (state >>> 16) % spread
    })
    const request: SelectionRequest = { ...shape, nested: true, pairs: Math.max(1, Math.round(part * whole)) }
    return { codes, request }
  })

/** The order as a comparator sort would have it. */
const plainOrder = (codes: Uint16Array, request: SelectionRequest): { head: number; position: number }[] => {
  const { kvHeadCount, documentTokens, protectFirst, protectLast } = request
  const isProtected = (p: number): boolean => p < protectFirst || p >= documentTokens - protectLast
  const worth = (head: number, p: number): number =>
    isProtected(p) ? 65536 : (codes[head * documentTokens + p] as number)
  const pairs = []
  for (let head = 0; head < kvHeadCount; head++)
    for (let position = 0; position < documentTokens; position++) pairs.push({ head, position })
  return pairs.sort(
    (a, b) => worth(b.head, b.position) - worth(a.head, a.position) || a.position - b.position || a.head - b.head,
  )
}

test('selection across heads: the same pairs in the same order as a plain sort, 300 random layers with ties', () => {
  fc.assert(
    fc.property(layers, ({ codes, request: { heads: _, ...shape } }) => {
      const request: SelectionRequest = { ...shape, heads: 'across', order: 'importance' }
      const selection = select(codes, request)
      const expected = plainOrder(codes, request).slice(0, selection.pairs)
      for (let head = 0; head < request.kvHeadCount; head++)
        assert.deepEqual(
          runOf(selection, head),
          expected.filter((pair) => pair.head === head).map(({ position }) => position),
        )
    }),
    { numRuns: 300 },
  )
})

test('selection: exactly the budget, or the protected tokens where they are more, 300 random layers', () => {
  fc.assert(
    fc.property(layers, ({ codes, request }) => {
      const least = Math.min(request.documentTokens, request.protectFirst + request.protectLast) * request.kvHeadCount
      const selection = select(codes, request)
      assert.equal(selection.pairs, Math.max(least, request.pairs))
      assert.equal(total(selection.boundaries.at(-1) as Uint32Array), selection.pairs)
      assert.equal(selection.raisedFrom, least > request.pairs ? request.pairs : undefined)
    }),
    { numRuns: 300 },
  )
})

test('selection: protected tokens stay first and by position, positions are unique, codes fall after them', () => {
  fc.assert(
    fc.property(layers, ({ codes, request }) => {
      const { kvHeadCount, documentTokens, protectFirst, protectLast } = request
      const selection = select(codes, { ...request, order: 'importance' })
      const everything = Array.from({ length: documentTokens }, (_, p) => p)
      const kept = everything.filter((p) => p < protectFirst || p >= documentTokens - protectLast)
      for (let head = 0; head < kvHeadCount; head++) {
        const run = runOf(selection, head)
        assert.deepEqual(run.slice(0, kept.length), kept)
        assert.equal(new Set(run).size, run.length)
        const worth = run.slice(kept.length).map((p) => codes[head * documentTokens + p] as number)
        assert.ok(worth.every((code, i) => i === 0 || code <= (worth[i - 1] as number)))
      }
    }),
  )
})

test('selection apart: heads differ by at most 1 pair, the first heads have the remainder', () => {
  fc.assert(
    fc.property(layers, ({ codes, request }) => {
      const { boundaries } = select(codes, { ...request, heads: 'apart', order: 'importance' })
      for (const counts of boundaries)
        assert.ok(counts.every((count, i) => i === 0 || count === counts[i - 1] || count + 1 === counts[0]))
    }),
  )
})

test('share: sums to its total and never takes a pair back as the total grows, every total of 100 random layers', () => {
  fc.assert(
    fc.property(layers, ({ codes, request }) => {
      const ranking = rank(codes, request, request)
      let last = new Uint32Array(request.kvHeadCount)
      for (let pairs = ranking.protectedCount * request.kvHeadCount; pairs <= codes.length; pairs++) {
        const counts = share(ranking, pairs, request.heads)
        assert.equal(total(counts), pairs)
        assert.ok(counts.every((count, head) => count >= (last[head] as number)))
        last = Uint32Array.from(counts)
      }
    }),
    { numRuns: 100 },
  )
})

test('selection: a smaller budget is a prefix of every run of a larger one, and every tier too, 300 random pairs', () => {
  fc.assert(
    fc.property(layers, fc.double({ min: 0, max: 1, noNaN: true }), ({ codes, request }, part) => {
      const large = select(codes, { ...request, order: 'importance' })
      const small = select(codes, {
        ...request,
        order: 'importance',
        pairs: Math.max(1, Math.round(part * large.pairs)),
      })
      for (let head = 0; head < request.kvHeadCount; head++) {
        const run = runOf(small, head)
        if (small.pairs <= large.pairs) assert.deepEqual(runOf(large, head).slice(0, run.length), run)
        for (const [tier, counts] of large.boundaries.entries())
          assert.ok((counts[head] as number) >= (large.boundaries[tier - 1]?.[head] ?? 0))
      }
    }),
    { numRuns: 300 },
  )
})

test('tiers: 1/16, 1/8, 1/4 of the document and the rest of a budget of 0.3', () => {
  const shape = { documentTokens: 1600, kvHeadCount: 2, protectFirst: 4, protectLast: 4, heads: 'across' as const }
  assert.deepEqual(tierTotals(shape, pairsOfShare(0.3, shape)), [200, 400, 800, 960])
  assert.deepEqual(tierTotals(shape, pairsOfShare(0.25, shape)), [200, 400, 800])
  assert.deepEqual(tierTotals(shape, pairsOfShare(1, shape)), [200, 400, 800, 1600, 3200])
  assert.deepEqual(tierTotals({ ...shape, protectFirst: 296 }, 960), [600, 800, 960])
})

test('selection: a method that is not nested has 1 tier', () => {
  const codes = Uint16Array.from({ length: 320 }, (_, i) => i)
  const request = {
    documentTokens: 160,
    kvHeadCount: 2,
    protectFirst: 0,
    protectLast: 0,
    heads: 'across' as const,
    pairs: 200,
  }
  assert.equal(select(codes, { ...request, nested: false }).boundaries.length, 1)
  assert.equal(select(codes, { ...request, nested: true }).boundaries.length, 5)
})

test('selection: the whole budget needs no scores and stays in position order, unless ranked on purpose', () => {
  const request = {
    documentTokens: 3,
    kvHeadCount: 2,
    protectFirst: 0,
    protectLast: 0,
    heads: 'across' as const,
    pairs: 6,
    nested: true,
  }
  const whole = select(undefined, request)
  assert.deepEqual(
    [runOf(whole, 0), runOf(whole, 1)],
    [
      [0, 1, 2],
      [0, 1, 2],
    ],
  )
  assert.equal(whole.ranking.codes, undefined)
  const ranked = select(Uint16Array.of(1, 2, 3, 5, 4, 6), { ...request, order: 'importance' })
  assert.deepEqual(
    [runOf(ranked, 0), runOf(ranked, 1)],
    [
      [2, 1, 0],
      [2, 0, 1],
    ],
  )
})

test('selection: NaN (code 0) loses to every score, all-equal scores go by position then head', () => {
  const request = {
    documentTokens: 4,
    kvHeadCount: 2,
    protectFirst: 0,
    protectLast: 0,
    heads: 'across' as const,
    nested: true,
  }
  const nan = select(Uint16Array.of(0, 1, 0, 1, 1, 0, 1, 0), { ...request, pairs: 4 })
  assert.deepEqual(
    [runOf(nan, 0), runOf(nan, 1)],
    [
      [1, 3],
      [0, 2],
    ],
  )
  const equal = select(new Uint16Array(8).fill(7), { ...request, pairs: 5 })
  assert.deepEqual(
    [runOf(equal, 0), runOf(equal, 1)],
    [
      [0, 1, 2],
      [0, 1],
    ],
  )
})

test('selection: budgets of 0, half a pair and 7 of 6 pairs are refused, and codes of another shape', () => {
  const request = {
    documentTokens: 3,
    kvHeadCount: 2,
    protectFirst: 0,
    protectLast: 0,
    heads: 'across' as const,
    nested: true,
  }
  const codes = new Uint16Array(6)
  for (const pairs of [0, 0.5, -1, 7, Number.NaN]) assert.throws(() => select(codes, { ...request, pairs }), RangeError)
  assert.throws(() => select(new Uint16Array(5), { ...request, pairs: 3 }), /2 × 3 score codes, got 5/)
  assert.throws(() => select(undefined, { ...request, pairs: 3 }), TypeError)
  assert.throws(() => share(rank(codes, request, request), 7, 'across'), RangeError)
})
