/**
 * What compression gains in decoding: tokens per second after documents of several lengths, with the whole cache and with
 * shares of it, in turn, against what the bytes allow: (weights + whole cache) / (weights + kept cache) at most.
 *
 *   npm run bench decode -- [--model qwen2.5-coder-0.5b] [--tokens 0,2000,8000] [--keep 0.5,0.25,0.1] [--answer 32] [--rounds 3]
 */
import { parseArgs } from 'node:util'
import type { Block } from '../src/cache/block.ts'
import { shrink } from '../src/cache/shrink.ts'
import { machine, machineLine } from '../src/eval/machine.ts'
import { exampleText, modelFile } from './document.ts'
import {
  blockBytes,
  idsOf,
  openSubject,
  pairsOf,
  readDocument,
  type Subject,
  sequenceOver,
  weightBytes,
  write,
} from './subject.ts'
import { median, spread, table, writeResult } from './table.ts'

interface Cell {
  readonly tokens: number
  readonly keep: number
  readonly block: Block
  readonly rates: number[]
}

const cellsOf = async (subject: Subject, tokenCounts: readonly number[], keeps: readonly number[]): Promise<Cell[]> => {
  const { ops, file } = subject
  const cells: Cell[] = []
  for (const tokens of tokenCounts) {
    // A document of one token stands for none at all.
    const document = idsOf(subject, exampleText(tokens), Math.max(1, tokens))
    const { block } = await readDocument(subject, document, { order: 'importance' })
    const cut = (keep: number): Block => shrink(ops, block, pairsOf(file.model.config.kvHeadCount, tokens, keep))
    cells.push({ tokens, keep: 1, block, rates: [] })
    if (tokens > 0) for (const keep of keeps) cells.push({ tokens, keep, block: cut(keep), rates: [] })
  }
  return cells
}

export const run = async (args: string[]): Promise<void> => {
  const { values } = parseArgs({
    args,
    options: {
      model: { type: 'string', default: 'qwen2.5-coder-0.5b' },
      tokens: { type: 'string', default: '0,2000,8000' },
      keep: { type: 'string', default: '0.5,0.25,0.1' },
      answer: { type: 'string', default: '32' },
      rounds: { type: 'string', default: '3' },
      threads: { type: 'string', default: '2' },
    },
  })
  const path = modelFile(values.model)
  const subject = openSubject(path, { threads: Number(values.threads) })
  const cells = await cellsOf(subject, values.tokens.split(',').map(Number), values.keep.split(',').map(Number))
  const question = subject.file.tokenizer.encode('What is it about?')
  const count = Number(values.answer)
  for (let round = 0; round < Number(values.rounds); round++)
    for (const { block, rates } of cells) {
      const { restMs } = await write(sequenceOver(subject, block), question, count)
      rates.push(((count - 1) / restMs) * 1000)
    }
  const weights = weightBytes(path)
  const rows = cells.map(({ tokens, keep, block, rates }) => {
    const whole = cells.find((cell) => cell.tokens === tokens) as Cell
    const limit = (weights + blockBytes(whole.block)) / (weights + blockBytes(block))
    // Of each round by itself: the machine's own speed changes from one to the next.
    const gain = median(rates.map((rate, round) => rate / (whole.rates[round] ?? Number.NaN)))
    const share = keep === 1 ? '' : `${(((gain - 1) / (limit - 1)) * 100).toFixed(0)} %`
    const read = ((weights + blockBytes(block)) * median(rates)) / 1e9
    return [
      ...[tokens.toLocaleString('en'), `${keep}`, (blockBytes(block) / 1e6).toFixed(1), spread(rates), read.toFixed(1)],
      ...(keep === 1 ? ['', ''] : [gain.toFixed(2), limit.toFixed(2)]),
      share,
    ]
  })
  process.stdout.write(`${values.model}, weights ${(weights / 1e6).toFixed(0)} MB; ${machineLine(machine())}\n\n`)
  const columns = ['tokens', 'keep', 'cache, MB', 'tok/s', 'GB/s', 'gain', 'bytes allow', 'share of that']
  process.stdout.write(`${table(columns, rows)}\n`)
  const measured = cells.map(({ block, ...cell }) => ({ ...cell, bytes: blockBytes(block) }))
  process.stdout.write(`${writeResult('decode', values.model, { ...values, weights, measured })}\n`)
}
