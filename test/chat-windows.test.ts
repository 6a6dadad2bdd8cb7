/** Conversations longer than a model's sliding windows, on the toy gemma3: 4 of its 6 layers see 8 tokens, pages have 256. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type AnswerInfo, type AskOptions, type Chat, type Context, createEngine } from '../src/index.ts'
import { temporaryFolder } from './fixtures/temporary-folder.ts'
import { putTogether, takeApart } from './fuzz/gguf-parts.ts'

const toy = fileURLToPath(new URL('fixtures/toy-gemma3.gguf', import.meta.url))
const pageTokens = 256

/** The toy says that it was trained on 512 tokens; its rotary angles reach further. */
const longToy = (folder: string): string => {
  const parts = takeApart(readFileSync(toy))
  for (const { key, value } of parts.pairs)
    if (key.bytes.toString() === 'gemma3.context_length') value.fixed = Buffer.from(Uint32Array.of(8192).buffer)
  const path = join(folder, 'toy.gguf')
  writeFileSync(path, putTogether(parts).bytes)
  return path
}

const setUp = async (t: TestContext): Promise<{ context: Context; pageBytes: number }> => {
  const home = temporaryFolder(t)
  const engine = await createEngine({ threads: 2, home, backend: 'native' })
  t.after(() => engine.dispose())
  const model = await engine.loadModel(longToy(home))
  const context = await model.compress({ document: 'The ship sails on Tuesday. The heron has a lamp.', keep: 0.5 })
  const { kvHeadCount, headDim } = model.config
  return { context, pageBytes: 2 * 2 * kvHeadCount * headDim * pageTokens }
}

const say = async (chat: Chat, question: string, options: AskOptions): Promise<[string, AnswerInfo]> => {
  const answer = chat.ask(question, options)
  return [await answer.text, await answer.done]
}

test('chat: 6 turns of 500 tokens hold at most 2 pages for each of 4 layers with windows of 8, all for the 2 that see everything', async (t) => {
  const { context, pageBytes } = await setUp(t)
  await using chat = context.chat()
  const documentTokens = context.stats.originalTokens + context.stats.headTokens
  for (let turn = 0; turn < 6; turn++) {
    const [, { usage, heldBytes = 0 }] = await say(chat, `${turn} `.repeat(100), { maxTokens: 300 })
    const pages = Math.ceil((usage.totalTokens - documentTokens) / pageTokens)
    const held = heldBytes / pageBytes
    assert.ok(
      held >= 2 * (pages - 1) + 4 && held <= 2 * pages + 4 * 2,
      `${held} pages after ${usage.totalTokens} tokens`,
    )
  }
})

test('chat: a turn of 900 tokens stopped behind its question leaves no trace, nor does its sources’ second reading', async (t) => {
  const { context } = await setUp(t)
  const turns = async (chat: Chat, between: () => Promise<void>): Promise<unknown[]> => {
    const said = [await say(chat, 'one '.repeat(150), { maxTokens: 300, temperature: 1, seed: 1 })]
    await between()
    for (const seed of [2, 3]) said.push(await say(chat, 'Who?', { maxTokens: 400, temperature: 1, seed, sources: 2 }))
    return said.map(([text, { usage, heldBytes, sources }]) => ({ text, usage, heldBytes, sources }))
  }
  await using chat = context.chat()
  const expected = await turns(chat, async () => undefined)
  await using other = context.chat()
  const found = await turns(other, async () => {
    const stopped = other.ask('two '.repeat(225), { maxTokens: 2000, temperature: 1 })
    const read = async (): Promise<void> => {
      for await (const _ of stopped.textStream) stopped.stop()
    }
    await assert.rejects(read(), { code: 'aborted' })
  })
  assert.deepEqual(found, expected)
})
