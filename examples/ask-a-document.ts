/**
 * Read a document once, ask it three questions.
 *   npx tsx examples/ask-a-document.ts [model]
 */
import { readFileSync } from 'node:fs'
import { createEngine } from 'compactor-kv'

const [modelName = 'qwen2.5-coder-0.5b'] = process.argv.slice(2)
const here = (name: string): URL => new URL(name, import.meta.url)
const document = readFileSync(here('document.txt'), 'utf8')
const questions = readFileSync(here('questions.txt'), 'utf8').trim().split('\n')

const engine = await createEngine()
const { name: backend, reason } = engine.backend
console.log(`backend: ${backend}${reason ? `, because ${reason}` : ''}`)
try {
  const model = await engine.loadModel(modelName)
  const context = await model.compress({ document, keep: 0.25 })
  const { originalTokens, keptTokens, keptShare, bytes } = context.stats
  console.log(
    `${originalTokens} tokens read, ${Math.round(keptTokens)} kept (${(keptShare * 100).toFixed(1)} %): ${bytes} bytes`,
  )

  for (const question of questions) {
    console.log(`\n> ${question}`)
    const answer = context.ask(question, { maxTokens: 48 })
    for await (const piece of answer.textStream) process.stdout.write(piece)
    const { usage, finishReason } = await answer.done
    console.log(`\n  [${usage.outputTokens} tokens, ended by ${finishReason}]`)
  }
} finally {
  await engine.dispose()
}
