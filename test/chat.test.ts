/** Conversations about a context, and contexts cut smaller, on smollm2-135m with the native backend. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import {
  type AnswerInfo,
  type AskOptions,
  type Chat,
  CompactorError,
  type Context,
  createEngine,
  type Engine,
  type LoadedModel,
} from '../src/index.ts'
import { modelPath } from './models.ts'

const document = readFileSync(new URL('./fixtures/passage.txt', import.meta.url), 'utf8')
const first = 'What is this text about?'
const second = 'What did I ask you before?'
const maxTokens = 16

let folder: string
let engine: Engine
let model: LoadedModel
let context: Context

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'compactor-chat-'))
  engine = await createEngine({ threads: 2, home: folder, backend: 'native', activations: 'f32' })
  model = await engine.loadModel(modelPath('smollm2-135m'))
  context = await model.compress({ document, keep: 0.5 })
})

after(async () => {
  await engine.dispose()
  await rm(folder, { recursive: true })
})

const isAborted = (error: unknown): boolean => error instanceof CompactorError && error.code === 'aborted'

test('chat: the first turn is the answer of ask, the second has all of the first before it and reads only what is new', async () => {
  await using chat = context.chat()
  const [alone, one] = [context.ask(first, { maxTokens }), chat.ask(first, { maxTokens })]
  assert.equal(await one.text, await alone.text)
  const before = (await one.done).usage
  const two = await chat.ask(second, { maxTokens }).done
  const unread = before.totalTokens - two.usage.cachedInputTokens
  assert.ok(unread === 0 || unread === 1, `${unread} tokens of the first answer were not read`)
  assert.ok(two.usage.inputTokens > before.totalTokens)
  assert.equal(two.forgottenTurns, undefined)
})

test('ask and chat: reading a question of some 700 tokens is told in tokens, ascending, to its end, and no further', async () => {
  const long = `${first} ${'The keeper of the light wrote it down. '.repeat(80)}`
  await using chat = context.chat()
  for (const place of [context, chat]) {
    const told: { done: number; total: number }[] = []
    const onProgress = (progress: { done: number; total: number }): void => void told.push(progress)
    const { usage } = await place.ask(long, { maxTokens: 4, onProgress }).done
    const total = usage.inputTokens - usage.cachedInputTokens
    assert.ok(total > 600 && told.length > 1, `${total} tokens, told ${told.length} times`)
    assert.ok(told.every((one, at) => one.total === total && one.done >= (told[at - 1]?.done ?? 0)))
    assert.deepEqual(told.at(-1), { done: total, total })
  }
  const asks = [{ context, question: first, onProgress: () => undefined }]
  assert.throws(() => model.batch(asks), { name: 'TypeError', message: /batch has no option "onProgress"/ })
})

test('chat: the same conversation twice says the same', async () => {
  await using chat = context.chat()
  const [a, b] = [await chat.ask(first, { maxTokens }).text, await chat.ask(second, { maxTokens }).text]
  await using again = context.chat()
  assert.deepEqual([await again.ask(first, { maxTokens }).text, await again.ask(second, { maxTokens }).text], [a, b])
})

test('chat: after the first turn was forgotten the rest, read again, answers as a conversation that never had it', async () => {
  const word = { maxTokens, schema: { const: 'heron' } } // an answer that does not depend on what was said before
  const last = { schema: { type: 'string', minLength: 20, maxLength: 60 } } as const
  const { contextLength } = model.config
  const said = async (chat: Chat, more: AskOptions): Promise<[string, AnswerInfo]> => {
    assert.equal(await chat.ask('Give me the code word.', word).text, '"heron"')
    const answer = chat.ask('What was the code word?', { ...last, ...more })
    return [await answer.text, await answer.done]
  }
  await using short = context.chat()
  const [expected, { usage, forgottenTurns }] = await said(short, {})
  assert.equal(forgottenTurns, undefined)

  await using long = context.chat()
  await long.ask(`Remember: ${'one two three four five '.repeat(60)}`, { maxTokens }).text
  const room = contextLength - usage.inputTokens - 40 // for the code word and the question, not for what came first
  const [answer, info] = await said(long, { maxTokens: room })
  assert.equal(info.forgottenTurns, 1)
  assert.equal(info.usage.inputTokens, usage.inputTokens)
  assert.ok(info.usage.cachedInputTokens < usage.cachedInputTokens, 'the code word was read again')
  assert.equal(answer, expected)

  await using other = context.chat()
  await other.ask('Give me the code word.', { maxTokens, schema: { const: 'walrus' } }).text
  assert.notEqual(await other.ask('What was the code word?', last).text, expected)
})

test('shrink: a context cut to 0.1 has the numbers and answers of one compressed to 0.1; more than it has is refused', async () => {
  await using small = await context.shrink(0.1)
  await using fresh = await model.compress({ document, keep: 0.1 })
  assert.deepEqual(small.stats, fresh.stats)
  assert.equal(await small.ask(first, { maxTokens }).text, await fresh.ask(first, { maxTokens }).text)
  const whole = await context.shrink(0.5)
  assert.deepEqual(whole.stats, context.stats)
  await whole.dispose()
  await assert.rejects(context.shrink(0.6), { code: 'budget-invalid' })
  await assert.rejects(small.shrink(0.2), { code: 'budget-invalid' })
  await assert.rejects(context.shrink(2), { code: 'budget-invalid' })
  await using least = await context.shrink({ tokens: 1 })
  assert.match(least.warnings.join(), /keep was raised from 1 to \d+ tokens/)
})

test('shrink: what is left outlives the context it was cut from', async () => {
  const own = await model.compress({ document, keep: 0.5 })
  const small = await own.shrink(0.25)
  const before = await small.ask(first, { maxTokens }).text
  await own.dispose()
  assert.equal(await small.ask(first, { maxTokens }).text, before)
  await small.dispose()
  await assert.rejects(small.shrink(0.1), { code: 'disposed' })
})

test('chat: a turn that is stopped, and one that is refused, leave no trace', async () => {
  await using undisturbed = context.chat()
  await undisturbed.ask(first, { maxTokens }).text
  const expected = await undisturbed.ask(second, { maxTokens }).text

  await using chat = context.chat()
  await chat.ask(first, { maxTokens }).text
  const stopped = chat.ask('Tell a long story.', { maxTokens: 400 })
  const read = async (): Promise<void> => {
    for await (const _ of stopped.textStream) stopped.stop()
  }
  await assert.rejects(read(), isAborted)
  await assert.rejects(chat.ask(' ').done, { code: 'question-invalid' })
  await assert.rejects(chat.ask('word '.repeat(9000)).done, { code: 'question-invalid' })
  assert.equal(await chat.ask(second, { maxTokens }).text, expected)
})

test('chat: where there is no more room the oldest turns are forgotten, as few as it takes, and it goes on', async () => {
  await using chat = context.chat()
  const long = `Remember this: ${'one two three four five six seven eight nine ten '.repeat(240)}`
  const forgotten: (number | undefined)[] = []
  for (let turn = 0; turn < 5; turn++) forgotten.push((await chat.ask(long, { maxTokens }).done).forgottenTurns)
  assert.equal(forgotten[0], undefined)
  assert.ok(
    forgotten.some((count) => count === 1),
    JSON.stringify(forgotten),
  )
  assert.ok(forgotten.every((count) => count === undefined || count <= 2))
  assert.ok((await chat.ask(first, { maxTokens }).text).length > 0)
})

test('chat: a conversation outlives its context, and answers nobody after dispose', async () => {
  const own = await model.compress({ document: 'Ada Lovelace wrote the first program.', keep: 1 })
  const chat = own.chat()
  assert.ok((await chat.ask('Who wrote it?', { maxTokens }).text).length > 0)
  await own.dispose()
  assert.ok((await chat.ask('When?', { maxTokens }).text).length > 0)
  await chat.dispose()
  await chat.dispose()
  await assert.rejects(chat.ask('Why?').done, { code: 'disposed' })
})

test('chat: an answer of a schema inside a conversation is valid JSON', async () => {
  await using chat = context.chat()
  await chat.ask(first, { maxTokens }).text
  const value = await chat.ask('Is it about history?', { schema: { type: 'boolean' } }).object
  assert.equal(typeof value, 'boolean')
})
