/** Answers that grow together with the bits that each has by itself, on smollm2-135m over a memory of random numbers. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { normals } from '../src/backends/draw.conformance.ts'
import type { Isa } from '../src/backends/isa.ts'
import { bytesOf, types } from '../src/backends/matmul-cases.conformance.ts'
import { createNativeOps, nativeAvailable } from '../src/backends/native.ts'
import { type CpuOps, cpu } from '../src/backends/tensor.ts'
import type { Block } from '../src/cache/block.ts'
import { answerTogether, type Job } from '../src/engine/answer-together.ts'
import { blockShapeOf } from '../src/engine/block-shape.ts'
import { Constraint } from '../src/engine/constraint.ts'
import { Control } from '../src/engine/control.ts'
import { rowTokens } from '../src/engine/forward.ts'
import { Generation } from '../src/engine/generation.ts'
import { type ModelFile, openModelFile } from '../src/engine/model-file.ts'
import { argmax } from '../src/engine/sampler.ts'
import { Sequence } from '../src/engine/sequence.ts'
import type { JsonSchema } from '../src/grammar/json-schema.ts'
import { toyBlock, toyRequest } from './fixtures/toy-context.ts'
import { modelPath } from './models.ts'

interface Asked {
  readonly tokens: number // of the question
  readonly alike: number // of these, those that other questions begin with too
  readonly maxTokens: number
  readonly schema?: JsonSchema
}

/** 28 tokens are 84 rows of queries; 300 are read in two steps, 258 end with one of two tokens. */
const asked: readonly Asked[] = [
  { tokens: 28, alike: 20, maxTokens: 9 },
  { tokens: 22, alike: 20, maxTokens: 3 },
  { tokens: 300, alike: 20, maxTokens: 2 },
  { tokens: 9, alike: 0, maxTokens: 6, schema: { type: 'integer' } },
  { tokens: 258, alike: 0, maxTokens: 2 },
  // Names of properties are put in at once: runs of several tokens are read in the midst of an answer.
  {
    tokens: 13,
    alike: 5,
    maxTokens: 60,
    schema: object({ name: { enum: ['wet', 'dry'] }, averageTemperature: { type: 'boolean' } }),
  },
  { tokens: 31, alike: 20, maxTokens: 12, schema: { type: 'string', maxLength: 30 } },
]

function object(properties: Readonly<Record<string, JsonSchema>>): JsonSchema {
  return { type: 'object', properties, required: Object.keys(properties), additionalProperties: false }
}

const available = nativeAvailable()
const isas = available.available ? available.isas : []

const isa = isas.at(-1) as Isa

let ops: CpuOps
let file: ModelFile
let block: Block

before(() => {
  ops = createNativeOps({ threads: 2, isa })
  file = openModelFile(ops, { path: modelPath('smollm2-135m'), name: 'smollm2-135m', fingerprint: '' })
  const shape = blockShapeOf(file.model.config, 'f16')
  block = toyBlock(ops, toyRequest({ shape, documentTokens: 300, pairs: 150 }))
})

after(() => ops.dispose())

/** Every row of logits that the answers were chosen from, as bytes. → [asked][row] */
const rowsOf = async (answers: readonly Asked[], asAlone: boolean): Promise<Buffer[][]> => {
  const rows = answers.map((): Buffer[] => [])
  const jobs = answers.map(({ tokens, alike, maxTokens, schema }, index): Job => {
    const own = asked.indexOf(answers[index] as Asked)
    const ids = Uint32Array.from({ length: tokens }, (_, i) => 1000 + 37 * i + (i < alike ? 0 : 4000 + 997 * own))
    const constraint = schema === undefined ? undefined : new Constraint(schema, file.tokenizer)
    const sampler: typeof argmax = (logits, allows) => {
      rows[index]?.push(Buffer.from(logits.slice().buffer))
      return argmax(logits, allows)
    }
    const begin = () => ({
      sequence: new Sequence(ops, file.model, { block, nextPosition: 307, precision: 'f16' }),
      generation: new Generation(file.tokenizer, {
        ids,
        maxTokens,
        sampler,
        stop: [],
        ...(constraint && { constraint }),
      }),
    })
    const onError = (error: unknown): void => assert.fail(String(error))
    const shared = { key: block, bytes: 0 }
    return {
      bytes: 0,
      shared,
      control: new Control(),
      begin,
      onPiece: () => undefined,
      onEnd: () => undefined,
      onError,
    }
  })
  await answerTogether(ops, file.model, jobs, { maxBytes: 1, control: new Control(), asAlone })
  return rows
}

const sameRows = (a: readonly Buffer[], b: readonly Buffer[]): number =>
  a.filter((row, i) => b[i] !== undefined && row.equals(b[i])).length

test('as alone: 7 answers together have every row of logits that each has by itself, bit for bit', async () => {
  const together = await rowsOf(asked, true)
  for (const [i, one] of asked.entries()) {
    const [alone = []] = await rowsOf([one], false)
    assert.equal(together[i]?.length, alone.length, `${one.tokens} tokens`)
    assert.ok(alone.length >= 2, `${alone.length} rows`)
    assert.equal(sameRows(alone, together[i] ?? []), alone.length, `${one.tokens} tokens`)
  }
})

test('as alone: where all 7 grow at every step some rows round otherwise', { skip: isa === 'scalar' }, async () => {
  const [exact, together] = [await rowsOf(asked, true), await rowsOf(asked, false)]
  const count = exact.reduce((sum, rows) => sum + rows.length, 0)
  const same = exact.reduce((sum, rows, i) => sum + sameRows(rows, together[i] ?? []), 0)
  assert.ok(same < count, `${same} of ${count}`)
})

/** Blocks of 32 in fours and a rest of 3; blocks of 256 twice. */
const columnsOf = (type: string): number => (type.endsWith('_K') ? 512 : 224)

for (const each of isas as readonly Isa[])
  for (const activations of ['int8', 'f32'] as const)
    test(`as alone: products of 1 to ${rowTokens} tokens, ${types.length} types of weights: each token has the bits of it alone (${each}, ${activations})`, () => {
      const native = createNativeOps({ threads: 1, isa: each, activations })
      for (const type of types) {
        const columns = columnsOf(type)
        const weight = native.weight(type, [19, columns], bytesOf({ type, rows: 19, columns, seed: 5 }))
        const x = normals(rowTokens * columns, 6)
        const product = (start: number, count: number): Buffer => {
          const rows = native.from(x.slice(start * columns, (start + count) * columns), [count, columns])
          return native.scope(() => Buffer.from(cpu(native.matmul(rows, weight)).data.slice().buffer))
        }
        const alone = Array.from({ length: rowTokens }, (_, token) => product(token, 1))
        for (let count = 2; count <= rowTokens; count++)
          assert.ok(product(0, count).equals(Buffer.concat(alone.slice(0, count))), `${type}, ${count} tokens`)
      }
      native.dispose()
    })
