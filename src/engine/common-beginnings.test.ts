import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toyBlock, toyRequest } from '../../test/fixtures/toy-context.ts'
import { toyModel } from '../../test/toy-model.ts'
import { createReferenceOps } from '../backends/reference.ts'
import { withoutRepeats } from './common-beginnings.ts'
import { Control } from './control.ts'
import { type Part, predict } from './forward.ts'
import { Sequence } from './sequence.ts'

const shape = { layerCount: 2, kvHeadCount: 2, headDim: 16, precision: 'f32' } as const
const questions = [
  [3, 8, 13, 18, 23, 28],
  [3, 8, 13, 40, 41], // three as in the first
  [3, 8, 13, 40, 50, 51, 52], // four as in the second, of which three are from the first
  [3, 8, 13, 40, 41], // all as in the second: the last is read all the same
  [9, 8, 13],
].map((ids) => Uint32Array.from(ids))

const toy = () => {
  const ops = createReferenceOps()
  const model = toyModel(ops, { layers: 2, heads: 4, kvHeads: 2, headDim: 16, vocabulary: 64 })
  const block = toyBlock(ops, toyRequest({ shape }))
  const fresh = (): Part[] =>
    questions.map((ids) => ({
      sequence: new Sequence(ops, model, { block, nextPosition: 107, precision: 'f32', pageTokens: 4 }),
      ids,
    }))
  const logits = async (parts: readonly Part[]): Promise<number[][]> => {
    const rows: number[][] = []
    for await (const row of predict(ops, model, { parts, control: new Control() }))
      rows.push(Array.from(row as Float32Array))
    return rows
  }
  return { fresh, logits }
}

test('common beginnings: of 5 questions with 26 tokens 14 are read, each question one at least', () => {
  const parts = withoutRepeats(toy().fresh())
  assert.deepEqual(
    parts.map(({ ids }) => [...ids]),
    [[3, 8, 13, 18, 23, 28], [40, 41], [50, 51, 52], [41], [9, 8, 13]],
  )
  assert.deepEqual(
    parts.map(({ copies }) => copies && [...copies]),
    [undefined, [0, 1, 2], [0, 1, 2, 6], [0, 1, 2, 6], undefined],
  )
})

test('common beginnings: logits after the questions and after one token more are those of reading each alone, bit for bit', async () => {
  const { fresh, logits } = toy()
  const parts = fresh()
  const together = await logits(withoutRepeats(parts))
  const next = Uint32Array.of(5)
  const further = await logits(parts.map(({ sequence }) => ({ sequence, ids: next })))
  for (const [i, part] of fresh().entries()) {
    assert.deepEqual(together[i], (await logits([part]))[0])
    assert.equal(parts[i]?.sequence.length, part.sequence.length + 1)
    assert.deepEqual(further[i], (await logits([{ ...part, ids: next }]))[0])
  }
})

test('common beginnings: sequences that have read something, and those of another place, share nothing', async () => {
  const { fresh, logits } = toy()
  const parts = fresh()
  await logits(withoutRepeats(parts))
  assert.deepEqual(withoutRepeats(parts), parts)
  const mixed = [fresh()[0], toy().fresh()[0]] as Part[]
  assert.deepEqual(withoutRepeats(mixed), mixed)
})
