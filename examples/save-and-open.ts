/**
 * What is read once can be asked by any later process.
 *   npx tsx examples/save-and-open.ts [model]
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CompactorError, createEngine } from 'compactor-kv'

const [modelName = 'qwen2.5-coder-0.5b'] = process.argv.slice(2)
const document = readFileSync(new URL('document.txt', import.meta.url), 'utf8').slice(0, 4000)
const question = 'What is the name of the station dog?'
const folder = mkdtempSync(join(tmpdir(), 'compactor-example-'))
const path = join(folder, 'report.cctx')

const read = async (): Promise<string> => {
  const engine = await createEngine()
  try {
    const model = await engine.loadModel(modelName)
    const context = await model.compress({ document, keep: 0.5 })
    const { bytes } = await context.save(path)
    console.log(`${context.stats.originalTokens} tokens saved as ${bytes} bytes`)
    // An existing file is never overwritten unless the caller says `force`.
    const error = await context.save(path).catch((error: unknown) => error)
    if (error instanceof CompactorError) console.log(`saved again: ${error.code}`)
    return await context.ask(question, { maxTokens: 24 }).text
  } finally {
    await engine.dispose()
  }
}

const open = async (): Promise<string> => {
  const engine = await createEngine()
  try {
    const model = await engine.loadModel(modelName)
    const start = performance.now()
    const context = await model.openContext(path)
    console.log(`opened and checked in ${(performance.now() - start).toFixed(0)} ms`)
    return await context.ask(question, { maxTokens: 24 }).text
  } finally {
    await engine.dispose()
  }
}

try {
  const [first, second] = [await read(), await open()]
  console.log(`> ${question}\n${second}`)
  if (first !== second) throw new Error(`the saved context answered differently: ${first}`)
} finally {
  rmSync(folder, { recursive: true })
}
