/**
 * How small may it be, and what happens to an answer? Also: forks, and stopping.
 *   npx tsx examples/compare-keeps.ts [model]
 */
import { readFileSync } from 'node:fs'
import { CompactorError, createEngine } from 'compactor-kv'

const [modelName = 'qwen2.5-coder-0.5b'] = process.argv.slice(2)
const document = readFileSync(new URL('document.txt', import.meta.url), 'utf8').slice(0, 4000)
const question = 'Who led the station?'

const engine = await createEngine()
try {
  const model = await engine.loadModel(modelName)
  for (const keep of [1, 0.5, { tokens: 200 }]) {
    const context = await model.compress({ document, keep })
    const { keptShare, bytes, fullBytes } = context.stats
    console.log(`keep ${JSON.stringify(keep)}: ${(keptShare * 100).toFixed(1)} % kept, ${bytes} of ${fullBytes} bytes`)
    console.log(`  ${(await context.ask(question, { maxTokens: 24 }).text).trim()}`)
    await context.dispose()
  }

  // A fork shares every byte and lives on when the first handle is given up.
  const context = await model.compress({ document, keep: 0.25, method: 'streaming' })
  const branch = context.fork()
  await context.dispose()

  // Any long call can be stopped; so can an answer in its middle.
  const controller = new AbortController()
  const answer = branch.ask('Tell the whole story of the winter.', { maxTokens: 400, signal: controller.signal })
  const error = await (async () => {
    for await (const _ of answer.textStream) controller.abort()
  })().catch((error: unknown) => error)
  console.log(
    error instanceof CompactorError ? `stopped in the middle of an answer: ${error.code}` : `not stopped: ${error}`,
  )
  if (!(error instanceof CompactorError) || error.code !== 'aborted') process.exitCode = 1
} finally {
  await engine.dispose()
}
