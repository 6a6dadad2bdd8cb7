/**
 * What compressing costs and when it has paid: the time of scoring and selection in reading a document, and after how many
 * questions the faster answers have won it back. Reading whole and reading compressed take turns.
 *
 *   npm run bench payback -- [--model qwen2.5-coder-0.5b] [--tokens 4000] [--keep 0.25] [--answer 32] [--rounds 3]
 */
import { parseArgs } from 'node:util'
import { machine, machineLine } from '../src/eval/machine.ts'
import { exampleText, modelFile } from './document.ts'
import { idsOf, openSubject, readDocument, sequenceOver, write } from './subject.ts'
import { median, spread, table, writeResult } from './table.ts'

export const run = async (args: string[]): Promise<void> => {
  const { values } = parseArgs({
    args,
    options: {
      model: { type: 'string', default: 'qwen2.5-coder-0.5b' },
      tokens: { type: 'string', default: '4000' },
      keep: { type: 'string', default: '0.25' },
      answer: { type: 'string', default: '32' },
      rounds: { type: 'string', default: '3' },
      threads: { type: 'string', default: '2' },
    },
  })
  const subject = openSubject(modelFile(values.model), { threads: Number(values.threads) })
  const tokens = Number(values.tokens)
  const document = idsOf(subject, exampleText(tokens), tokens)
  const question = subject.file.tokenizer.encode('What is it about?')
  const kinds = [
    { name: 'whole', keep: 1, readMs: [] as number[], askMs: [] as number[] },
    { name: `keep ${values.keep}`, keep: Number(values.keep), readMs: [] as number[], askMs: [] as number[] },
  ] as const
  await readDocument(subject, document.subarray(0, 256), {}) // pages of the weights
  for (let round = 0; round < Number(values.rounds); round++)
    for (const { keep, readMs, askMs } of kinds) {
      const { block, ms } = await readDocument(subject, document, { keep })
      readMs.push(ms)
      const { firstMs, restMs } = await write(sequenceOver(subject, block), question, Number(values.answer))
      askMs.push(firstMs + restMs)
    }
  const [whole, kept] = kinds
  const overheads = kept.readMs.map(
    (ms, round) => ((ms - (whole.readMs[round] ?? 0)) / (whole.readMs[round] ?? 0)) * 100,
  )
  const cost = median(kept.readMs) - median(whole.readMs)
  const won = median(whole.askMs) - median(kept.askMs)
  const rows = kinds.map(({ name, readMs, askMs }) => [name, spread(readMs, 0), spread(askMs, 0)])
  process.stdout.write(`${values.model}, ${tokens} tokens, answers of ${values.answer}; ${machineLine(machine())}\n\n`)
  process.stdout.write(`${table(['ms: median (least … most)', 'reading', 'a question and its answer'], rows)}\n\n`)
  process.stdout.write(`scoring and selection: ${spread(overheads)} % of reading\n`)
  process.stdout.write(
    won > 0
      ? `paid back after ${Math.max(0, Math.ceil(cost / won))} questions, memory apart\n`
      : 'not paid back in time: answers are no faster here; what is won is memory\n',
  )
  const measured = kinds.map(({ name, readMs, askMs }) => ({ name, readMs, askMs }))
  process.stdout.write(`${writeResult('payback', `${values.model}-${tokens}`, { ...values, overheads, measured })}\n`)
}
