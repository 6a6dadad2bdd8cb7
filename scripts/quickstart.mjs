/**
 * `npm run quickstart`, also as the first command on a fresh clone: installs, builds, gets a model, reads the example
 * document twice (keeping everything, keeping a quarter) and asks both the same three questions. Every answer is
 * computed while you watch; `--small` takes the 98 MB model, which is quick and answers badly.
 */
import { readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, pull, root } from './setup.mjs'

const [option, ...rest] = process.argv.slice(2)
if (rest.length > 0 || ![undefined, '--small'].includes(option)) {
  process.stderr.write(`usage: npm run quickstart [-- --small], got: ${process.argv.slice(2).join(' ')}\n`)
  process.exit(2)
}
const modelName = option === '--small' ? 'smollm2-135m' : 'qwen2.5-coder-0.5b'
const keep = 0.25

build()
pull(modelName)

const { createEngine } = await import('../dist/index.js')
const path = (name) => fileURLToPath(new URL(`../examples/${name}`, import.meta.url))
const document = readFileSync(path('document.txt'), 'utf8')
const questions = readFileSync(path('questions.txt'), 'utf8').trim().split('\n')

const print = (text = '') => process.stdout.write(`${text}\n`)
const seconds = (start) => `${((performance.now() - start) / 1000).toFixed(1)} s`
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`

/** Reads the document and says what that took and what is left of it. */
const read = async (model, share, label) => {
  const onProgress = ({ done, total }) => {
    if (process.stderr.isTTY) process.stderr.write(`\r${label}: ${Math.floor((done / total) * 100)} % `)
  }
  const start = performance.now()
  const context = await model.compress({ document, documentName: 'document.txt', keep: share, onProgress })
  if (process.stderr.isTTY) process.stderr.write('\r')
  const { keptTokens, bytes } = context.stats
  print(
    `${label.padEnd(22)}${seconds(start).padStart(8)}${Math.round(keptTokens).toString().padStart(8)} tokens${megabytes(bytes).padStart(10)}`,
  )
  for (const warning of context.warnings) print(`  ${warning}`)
  return context
}

const ask = async (context, label, question) => {
  const start = performance.now()
  const answer = context.ask(question, { maxTokens: 64 })
  process.stdout.write(`  ${label.padEnd(12)}`)
  for await (const piece of answer.textStream) process.stdout.write(piece.replaceAll('\n', ' '))
  const { usage } = await answer.done
  print(`  [${usage.outputTokens} tokens, ${seconds(start)}]`)
}

const engine = await createEngine()
try {
  const model = await engine.loadModel(modelName)
  const { name, reason } = engine.backend
  print(
    `\nexamples/document.txt, ${document.length} characters, with ${modelName} on the ${name} backend${reason ? `: ${reason}` : ''}\n`,
  )
  const whole = await read(model, 1, 'read, everything kept')
  const small = await read(model, keep, `read, keep ${keep}`)
  const { bytes, fullBytes, keptShare } = small.stats
  print(`\n${(keptShare * 100).toFixed(1)} % kept, ${(fullBytes / bytes).toFixed(1)} times smaller\n`)
  for (const question of questions) {
    print(question)
    await ask(whole, 'everything', question)
    await ask(small, `keep ${keep}`, question)
    print()
  }
  const saved = path('document.cctx')
  const file = await small.save(saved, { force: true })
  const shown = relative(root, saved)
  print(`saved as ${shown} (${megabytes(file.bytes)}). It needs the document no more:`)
  print(`  node dist/cli/main.js ask ${shown} "Who was the mechanic?"`)
  print()
  print(
    'Where the two answers differ, the quarter has lost a detail: --sources shows which passages an answer comes from,',
  )
  print(
    '--keep 0.5 and a larger model (compactor pull qwen2.5-coder-1.5b) lose less, and docs/evaluation.md says how much.',
  )
} finally {
  await engine.dispose()
}
