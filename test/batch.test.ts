/** Several questions in one batch, on smollm2-135m with the native backend. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { CompactorError, type Context, createEngine, type Engine, type LoadedModel } from '../src/index.ts'
import { modelPath } from './models.ts'

const document = readFileSync(new URL('./fixtures/passage.txt', import.meta.url), 'utf8')
const questions = ['What is this text about?', 'Name one number in it.', 'Which languages occur?', 'Who wrote it?']
const maxTokens = 16

let folder: string
let engine: Engine
let model: LoadedModel
let context: Context
let other: Context
let alone: string[] // answers of `questions` about `context`, one after another

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'compactor-batch-'))
  engine = await createEngine({ threads: 2, home: folder, backend: 'native', activations: 'f32' })
  model = await engine.loadModel(modelPath('smollm2-135m'))
  context = await model.compress({ document, keep: 0.5 })
  other = await model.compress({ document: 'Ada Lovelace wrote the first program, in 1843.', keep: 1 })
  alone = []
  for (const question of questions) alone.push(await context.ask(question, { maxTokens }).text)
})

after(async () => {
  await engine.dispose()
  await rm(folder, { recursive: true })
})

const isAborted = (error: unknown): boolean => error instanceof CompactorError && error.code === 'aborted'

test('batch: 4 questions about one context get the answers they get alone, streamed in pieces, with usage of their own', async () => {
  const answers = model.batch(questions.map((question) => ({ context, question, maxTokens })))
  assert.equal(answers.length, 4)
  assert.deepEqual(await Promise.all(answers.map(({ text }) => text)), alone)
  for (const [i, answer] of answers.entries()) {
    const pieces: string[] = []
    for await (const piece of answer.textStream) pieces.push(piece)
    assert.equal(pieces.join(''), alone[i])
    const { usage, timings } = await answer.done
    assert.ok(usage.outputTokens >= 1 && usage.outputTokens <= maxTokens)
    assert.equal(usage.cachedInputTokens, context.stats.originalTokens + context.stats.headTokens)
    assert.ok(timings.questionMs > 0)
  }
})

test('batch: as alone, 4 answers drawn at temperature 1, three at a time, are those drawn alone', async () => {
  const asks = questions.map((question, seed) => ({ context, question, maxTokens, temperature: 1, seed }))
  const drawn: string[] = []
  for (const { context: about, question, ...options } of asks) drawn.push(await about.ask(question, options).text)
  const answers = model.batch(asks, { asAlone: true })
  assert.deepEqual(await Promise.all(answers.map(({ text }) => text)), drawn)
})

test('batch: two contexts in one batch, each answer as alone', async () => {
  const question = 'Who wrote the first program?'
  const expected = [await other.ask(question, { maxTokens }).text, alone[0]]
  const answers = model.batch([
    { context: other, question, maxTokens },
    { context, question: questions[0] as string, maxTokens },
  ])
  assert.deepEqual(await Promise.all(answers.map(({ text }) => text)), expected)
})

test('batch: with room for one at a time the answers are the same, and come in order', async () => {
  const ended: number[] = []
  const answers = model.batch(
    questions.map((question) => ({ context, question, maxTokens })),
    { maxBytes: 1 },
  )
  const texts = answers.map((answer, i) => answer.text.finally(() => ended.push(i)))
  assert.deepEqual(await Promise.all(texts), alone)
  assert.deepEqual(ended, [0, 1, 2, 3])
})

test('batch: one question that does not fit and one with a wrong option fail alone', async () => {
  const [good, empty, tooLong, hot] = model.batch([
    { context, question: questions[0] as string, maxTokens },
    { context, question: ' ' },
    { context, question: 'word '.repeat(9000) },
    { context, question: 'x', temperature: -1 },
  ])
  await assert.rejects(empty?.done ?? Promise.resolve(), { code: 'question-invalid' })
  await assert.rejects(tooLong?.done ?? Promise.resolve(), { code: 'question-invalid' })
  await assert.rejects(hot?.done ?? Promise.resolve(), { name: 'RangeError', message: /temperature/ })
  assert.equal(await good?.text, alone[0])
})

test('batch: one answer is stopped, by its signal or by stop(); the others go on to their ends', async () => {
  const controller = new AbortController()
  const [long, stopped, kept] = model.batch([
    { context, question: 'Tell a long story.', maxTokens: 400, signal: controller.signal },
    { context, question: 'Tell another long story.', maxTokens: 400 },
    { context, question: questions[1] as string, maxTokens },
  ])
  assert.ok(long && stopped && kept)
  const read = async (): Promise<void> => {
    for await (const _ of long.textStream) controller.abort()
  }
  await assert.rejects(read(), isAborted)
  stopped.stop()
  await assert.rejects(stopped.done, isAborted)
  assert.equal(await kept.text, alone[1])
})

test('batch: stopped while it waits behind a document, every answer rejects at once', async () => {
  const compressing = new AbortController()
  const reading = model.compress({ document: document.repeat(4), signal: compressing.signal })
  const answers = model.batch([
    { context, question: 'x' },
    { context, question: 'y' },
  ])
  for (const answer of answers) answer.stop()
  const begun = performance.now()
  for (const { done } of answers) await assert.rejects(done, isAborted)
  assert.ok(performance.now() - begun < 100)
  compressing.abort()
  await assert.rejects(reading, isAborted)
  assert.equal(await context.ask(questions[0] as string, { maxTokens }).text, alone[0])
})

test('batch: no question is no answer; wrong arguments are refused by name', async () => {
  assert.deepEqual(model.batch([]), [])
  assert.throws(() => model.batch([{ context, question: '' }], { maxBytes: 0 }), /maxBytes must be a number above 0/)
  assert.throws(() => model.batch([], { asAlone: 'yes' as never }), /asAlone must be true or false, got yes/)
  assert.throws(() => model.batch([{ context, question: 'x', maxTokns: 3 } as never]), /maxTokns/)
  assert.throws(() => model.batch([{ question: 'x' } as never]), /needs its context/)
  assert.throws(() => model.batch({} as never), /takes a list/)
})

test('batch: an engine that is disposed rejects what is under way; a context that was disposed fails alone', async () => {
  const gone = other.fork()
  await gone.dispose()
  const [lost, kept] = model.batch([
    { context: gone, question: 'x' },
    { context, question: questions[0] as string, maxTokens },
  ])
  await assert.rejects(lost?.done ?? Promise.resolve(), { code: 'disposed' })
  assert.equal(await kept?.text, alone[0])
  const own = await createEngine({ threads: 1, home: folder, backend: 'native' })
  const loaded = await own.loadModel(modelPath('smollm2-135m'))
  const small = await loaded.compress({ document: 'A cat.', keep: 1 })
  const answers = loaded.batch([{ context: small, question: 'Tell a long story.', maxTokens: 400 }])
  await own.dispose()
  await assert.rejects(answers[0]?.done ?? Promise.resolve(), { code: 'disposed' })
})
