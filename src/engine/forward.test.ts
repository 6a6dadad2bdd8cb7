import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toyBlock, toyRequest } from '../../test/fixtures/toy-context.ts'
import { toyModel } from '../../test/toy-model.ts'
import { createReferenceOps } from '../backends/reference.ts'
import { Control } from './control.ts'
import { type Part, type Prediction, predict } from './forward.ts'
import { argmax } from './sampler.ts'
import { Sequence } from './sequence.ts'

const shape = { layerCount: 2, kvHeadCount: 2, headDim: 16, precision: 'f32' } as const
const asked = [[3, 8, 13], [9, 8], [40], [7, 7, 1, 2]].map((ids) => Uint32Array.from(ids))

const predictions = async (
  wanted: {
    readonly of?: (part: Part) => boolean
    readonly indexOnly?: (part: Part) => boolean
    asAlone?: boolean
  } = {},
): Promise<Prediction[]> => {
  const ops = createReferenceOps()
  const model = toyModel(ops, { layers: 2, heads: 4, kvHeads: 2, headDim: 16, vocabulary: 64 })
  const block = toyBlock(ops, toyRequest({ shape }))
  const parts = asked.map((ids) => ({
    sequence: new Sequence(ops, model, { block, nextPosition: 107, precision: 'f32' }),
    ids,
  }))
  const found: Prediction[] = []
  for await (const prediction of predict(ops, model, { parts, control: new Control(), ...wanted }))
    found.push(prediction)
  return found
}

const isOf =
  (...indices: readonly number[]) =>
  ({ ids }: Part): boolean =>
    indices.some((index) => asked[index] === ids)

test('predict: parts that want an index get that of their largest logit, the others their logits, to the bit', async () => {
  const logits = (await predictions()) as Float32Array[]
  const indices = logits.map((row) => argmax(row))
  assert.equal(new Set(indices).size > 1, true, 'all the same would show nothing')
  for (const asAlone of [false, true]) {
    assert.deepEqual(await predictions({ indexOnly: () => true, asAlone }), indices)
    const mixed = await predictions({ indexOnly: isOf(1, 3), asAlone })
    assert.deepEqual(mixed, [logits[0], indices[1], logits[2], indices[3]])
  }
})

test('predict: only parts that are named have predictions, in their order', async () => {
  const logits = (await predictions()) as Float32Array[]
  const some = await predictions({ of: isOf(1, 2, 3), indexOnly: isOf(2) })
  assert.deepEqual(some, [logits[1], argmax(logits[2] as Float32Array), logits[3]])
})
