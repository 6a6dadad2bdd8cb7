/**
 * From a saved context to the first token: opening the file and reading the question, against the question's reading alone
 * over the same context that is open already. The model is loaded before.
 *
 *   npm run bench opening -- [--model qwen2.5-coder-0.5b] [--tokens 8000] [--keep 0.25] [--rounds 7]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { machine, machineLine } from '../src/eval/machine.ts'
import { type Context, createEngine } from '../src/index.ts'
import { documentOf, modelFile } from './document.ts'
import { median, spread, table, writeResult } from './table.ts'

const question = 'Which of all the measurements that the text speaks of was the largest, and who took it?'

const firstTokenMs = async (context: Context, start: number): Promise<number> => {
  await context.ask(question, { maxTokens: 1 }).done
  return performance.now() - start
}

export const run = async (args: string[]): Promise<void> => {
  const { values } = parseArgs({
    args,
    options: {
      model: { type: 'string', default: 'qwen2.5-coder-0.5b' },
      tokens: { type: 'string', default: '8000' },
      keep: { type: 'string', default: '0.25' },
      rounds: { type: 'string', default: '7' },
      threads: { type: 'string', default: '2' },
    },
  })
  const folder = mkdtempSync(join(tmpdir(), 'compactor-opening-'))
  const engine = await createEngine({ threads: Number(values.threads), backend: 'native' })
  try {
    const model = await engine.loadModel(modelFile(values.model))
    const path = join(folder, 'document.cctx')
    const document = documentOf(values.model, Number(values.tokens))
    const made = await model.compress({ document, keep: Number(values.keep) })
    await made.save(path)
    await made.dispose()
    const [opened, open] = [[] as number[], [] as number[]]
    for (let round = 0; round < Number(values.rounds); round++) {
      const start = performance.now()
      const context = await model.openContext(path)
      opened.push(await firstTokenMs(context, start))
      open.push(await firstTokenMs(context, performance.now()))
      await context.dispose()
    }
    const rows = [
      ['opened and asked', spread(opened)],
      ['asked', spread(open)],
      ['ratio', (median(opened) / median(open)).toFixed(2)],
    ]
    process.stdout.write(`${values.model}, ${values.tokens} tokens, keep ${values.keep}; ${machineLine(machine())}\n\n`)
    process.stdout.write(`${table(['ms to the first token: median (least … most)', ''], rows)}\n`)
    process.stdout.write(`${writeResult('opening', values.model, { ...values, opened, open })}\n`)
  } finally {
    await engine.dispose()
    rmSync(folder, { recursive: true })
  }
}
