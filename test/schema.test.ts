/** Answers that keep to a JSON Schema, and fields extracted together, on smollm2-135m with the native backend. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { type Context, createEngine, type Engine } from '../src/index.ts'
import { modelPath } from './models.ts'

const document = readFileSync(new URL('./fixtures/passage.txt', import.meta.url), 'utf8')

const schema = {
  type: 'object',
  properties: {
    topic: { type: 'string', maxLength: 40 },
    numbers: { type: 'array', items: { type: 'integer' }, maxItems: 3 },
    isTechnical: { type: 'boolean' },
    mood: { enum: ['dry', 'cheerful'] },
  },
  required: ['topic', 'isTechnical', 'mood'],
  additionalProperties: false,
} as const
const validate = new Ajv2020({ strict: false }).compile(schema)

let folder: string
let engine: Engine
let context: Context

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'compactor-schema-'))
  engine = await createEngine({ threads: 2, home: folder, backend: 'native' })
  const model = await engine.loadModel(modelPath('smollm2-135m'))
  context = await model.compress({ document, keep: 0.5 })
})

after(async () => {
  await engine.dispose()
  await rm(folder, { recursive: true })
})

test('schema: 8 answers at temperature 1 with different seeds are all valid, whatever the model would say', async () => {
  const texts = new Set<string>()
  for (let seed = 0; seed < 8; seed++) {
    const answer = context.ask('Describe the text.', { schema, temperature: 1, topK: 0, topP: 1, minP: 0, seed })
    const value = await answer.object
    assert.ok(validate(value), `${await answer.text}: ${JSON.stringify(validate.errors)}`)
    assert.equal((await answer.done).finishReason, 'stop')
    texts.add(await answer.text)
  }
  assert.ok(texts.size > 4)
})

test('schema: with as many tokens as its shortest JSON has bytes the answer is whole; with one less it is refused', async () => {
  const shortest = '{"topic":"","isTechnical":true,"mood":"dry"}'.length
  const answer = context.ask('Describe the text at length.', { schema, maxTokens: shortest, temperature: 1 })
  assert.ok(validate(await answer.object), await answer.text)
  await assert.rejects(context.ask('Describe the text.', { schema, maxTokens: shortest - 1 }).done, {
    code: 'question-invalid',
    message: new RegExp(`${shortest} bytes.*${shortest - 1} tokens`),
  })
})

test('schema: the greedy answer of an enumeration is one of its values; without a schema there is no object', async () => {
  const value = await context.ask('What language is this text in?', { schema: { enum: ['English', 'Latin'] } }).object
  assert.ok(value === 'English' || value === 'Latin')
  await assert.rejects(context.ask('What is this about?', { maxTokens: 4 }).object, {
    name: 'TypeError',
    message: /schema/,
  })
})

test('schema: what cannot be kept to rejects in the answer, naming it; a stop text beside it is refused', async () => {
  await assert.rejects(context.ask('x', { schema: { type: 'string', pattern: 'a' } }).done, {
    code: 'usage',
    message: /pattern/,
  })
  assert.throws(() => context.ask('x', { schema: { type: 'string' }, stop: 'a' }), { name: 'TypeError' })
})

test('extract: 4 fields together are the answers to 4 single questions, in the order of the schema, valid, with their costs', async () => {
  const { object, fields } = await context.extract(schema)
  assert.ok(validate(object), JSON.stringify(object))
  assert.deepEqual(
    Object.keys(object),
    Object.keys(schema.properties).filter((name) => name in object),
  )
  assert.deepEqual(Object.keys(fields), Object.keys(schema.properties))
  for (const { usage } of Object.values(fields)) assert.ok(usage.outputTokens > 0)
  const single = await context.ask('What is the mood?', { schema: schema.properties.mood }).object
  assert.equal(object.mood, single)
})

test('extract: as alone, a field has the value that it has beside no other, whatever else is asked', async () => {
  const { topic, mood } = schema.properties
  const both = { type: 'object', properties: { mood, topic }, required: ['mood', 'topic'] }
  const one = { type: 'object', properties: { topic }, required: ['topic'] }
  const { object } = await context.extract(both)
  assert.deepEqual(Object.keys(object), ['mood', 'topic'])
  assert.equal(object.topic, (await context.extract(one)).object.topic)
  await assert.rejects(context.extract(one, { asAlone: 1 as never }), { name: 'TypeError', message: /asAlone/ })
})

test('extract: with sources 2 each field names 2 passages of the document, and its value is the same', async () => {
  const properties = { topic: schema.properties.topic, mood: schema.properties.mood }
  const fields = { type: 'object', properties, required: ['topic', 'mood'] }
  const plain = await context.extract(fields)
  const told = await context.extract(fields, { sources: 2 })
  assert.deepEqual(told.object, plain.object)
  for (const name of Object.keys(properties)) {
    assert.equal(plain.fields[name]?.sources, undefined)
    const sources = told.fields[name]?.sources ?? []
    assert.equal(sources.length, 2)
    for (const { text } of sources) assert.ok(document.includes(text))
  }
  await assert.rejects(context.extract(fields, { sources: 0 }), { name: 'RangeError', message: /sources/ })
})

test('extract: 14 fields with one signal leave no warning of a leak, and stop when it fires', async () => {
  const warnings: Error[] = []
  const note = (warning: Error): void => {
    warnings.push(warning)
  }
  process.on('warning', note)
  const properties = Object.fromEntries(Array.from({ length: 14 }, (_, i) => [`number${i}`, { type: 'integer' }]))
  const controller = new AbortController()
  const extracted = context.extract({ type: 'object', properties }, { signal: controller.signal, maxTokens: 20 })
  setTimeout(() => controller.abort(), 20)
  await assert.rejects(extracted, { code: 'aborted' })
  await new Promise((resolve) => setImmediate(resolve))
  process.off('warning', note)
  assert.deepEqual(
    warnings.map(({ name }) => name),
    [],
  )
})

test('extract: a schema that is not of an object, or has no field, and an unknown option are refused', async () => {
  await assert.rejects(context.extract({ type: 'string' }), { code: 'usage', message: /object with properties/ })
  await assert.rejects(context.extract({ properties: {} }), { code: 'usage', message: /at least one field/ })
  const dated = { properties: { mood: { type: 'string' }, day: { type: 'string', format: 'date' } } }
  await assert.rejects(context.extract(dated), { code: 'usage', message: /: \/properties\/day has format/ })
  await assert.rejects(context.extract(schema, { stop: 'x' } as never), { name: 'TypeError', message: /stop/ })
  await assert.rejects(context.extract(schema, { signal: AbortSignal.abort() }), { code: 'aborted' })
})
