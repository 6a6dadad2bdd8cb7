import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Generation } from './generation.ts'
import type { Sequence } from './sequence.ts'
import { type Growing, partsAsAlone, partsTogether } from './step-parts.ts'

/** Answers that have so many tokens to read; each reads what it is told to. */
const growing = (counts: readonly number[]): { readonly all: Growing[]; readonly left: () => number[] } => {
  const unread = [...counts]
  const all = counts.map((_, i): Growing => {
    const generation = {
      get unread(): number {
        return unread[i] as number
      },
      read: (most: number): Uint32Array => {
        const count = Math.min(most, unread[i] as number)
        unread[i] = (unread[i] as number) - count
        return new Uint32Array(count)
      },
    }
    return { sequence: {} as Sequence, generation: generation as unknown as Generation }
  })
  return { all, left: () => unread }
}

const countsOf = (
  parts: (all: readonly Growing[]) => readonly { readonly one: Growing; readonly ids: Uint32Array }[],
  counts: readonly number[],
): (number | undefined)[] => {
  const { all } = growing(counts)
  const taken = new Map(parts(all).map(({ one, ids }) => [one, ids.length]))
  return all.map((one) => taken.get(one))
}

test('step parts: together, everyone takes part, short ones first, within 512 tokens of which 256 are of one question', () => {
  assert.deepEqual(countsOf(partsTogether, [1, 1, 1, 1, 20]), [1, 1, 1, 1, 20])
  assert.deepEqual(countsOf(partsTogether, [300, 1, 255, 300]), [256, 1, 255, undefined])
  assert.deepEqual(countsOf(partsTogether, [200, 200, 200]), [200, 200, 112])
})

test('step parts: as alone, questions are read first and none is cut where it is not cut alone', () => {
  assert.deepEqual(countsOf(partsAsAlone, [1, 20, 1, 6]), [undefined, 20, undefined, undefined])
  assert.deepEqual(countsOf(partsAsAlone, [200, 200, 200]), [200, 200, undefined])
  assert.deepEqual(countsOf(partsAsAlone, [300, 300, 9]), [256, 256, undefined])
  assert.deepEqual(countsOf(partsAsAlone, [19, 9, 9, 6, 1]), [undefined, 9, undefined, 6, undefined])
})

test('step parts: as alone, 4 or 5 tokens have a step of their own; then 3 tokens in the order given', () => {
  assert.deepEqual(countsOf(partsAsAlone, [1, 4, 5, 1]), [undefined, 4, undefined, undefined])
  assert.deepEqual(countsOf(partsAsAlone, [1, 1, 1, 1]), [1, 1, 1, undefined])
  assert.deepEqual(countsOf(partsAsAlone, [2, 2, 1, 1]), [2, undefined, 1, undefined])
  assert.deepEqual(countsOf(partsAsAlone, [3, 1]), [3, undefined])
})
