/**
 * What a second thread gains: the same phases with one thread and with more, in turn.
 *
 *   npm run bench threads -- [--model qwen2.5-coder-0.5b] [--tokens 2000] [--threads 2] [--rounds 3]
 */
import { parseArgs } from 'node:util'
import { machine, machineLine } from '../src/eval/machine.ts'
import { modelFile } from './document.ts'
import { readBandwidth } from './reading.ts'
import { openSubject } from './subject.ts'
import { median, table, writeResult } from './table.ts'
import { type PhaseTime, timePhases } from './three-phases.ts'

export const run = async (args: string[]): Promise<void> => {
  const { values } = parseArgs({
    args,
    options: {
      model: { type: 'string', default: 'qwen2.5-coder-0.5b' },
      tokens: { type: 'string', default: '2000' },
      threads: { type: 'string', default: '2' },
      rounds: { type: 'string', default: '3' },
    },
  })
  const counts = [1, Number(values.threads)]
  const subjects = counts.map((threads) => openSubject(modelFile(values.model), { threads }))
  const rounds: PhaseTime[][][] = [] // [round][thread count][phase]
  const reading: number[][] = []
  for (let round = 0; round < Number(values.rounds); round++) {
    const phases: PhaseTime[][] = []
    for (const subject of subjects) phases.push(await timePhases(subject, { tokens: Number(values.tokens) }))
    rounds.push(phases)
    reading.push(counts.map(readBandwidth))
  }
  const rows = (rounds[0]?.[0] ?? []).map(({ name }, phase) => {
    const ms = counts.map((_, i) => 1000 * median(rounds.map((round) => round[i]?.[phase]?.seconds ?? Number.NaN)))
    return [name, ...ms.map((each) => each.toFixed(1)), `${((ms[0] ?? 0) / (ms[1] ?? 0)).toFixed(2)}×`]
  })
  const rates = counts.map((_, i) => median(reading.map((round) => round[i] ?? Number.NaN)) / 1e9)
  rows.push([
    'plain reading, GB/s',
    ...rates.map((rate) => rate.toFixed(1)),
    `${((rates[1] ?? 0) / (rates[0] ?? 0)).toFixed(2)}×`,
  ])
  process.stdout.write(`${values.model}; ${machineLine(machine())}\n\n`)
  process.stdout.write(
    `${table(['ms', ...counts.map((count) => `${count} thread${count === 1 ? '' : 's'}`), 'gain'], rows)}\n`,
  )
  process.stdout.write(`${writeResult('threads', values.model, { ...values, rounds, reading })}\n`)
  for (const { ops } of subjects) ops.dispose()
}
