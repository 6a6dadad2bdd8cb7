/**
 * Where the time of `compactor ask saved.cctx` goes: the whole process with warm page cache, less the arithmetic of question
 * and answer, and what its parts take in a fresh process. Needs a build (`npm run build`).
 *
 *   npm run bench startup -- [--model qwen2.5-coder-0.5b] [--runs 7] [--threads 2]
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { machine, machineLine } from '../src/eval/machine.ts'
import { commandPath } from './command.ts'
import { median, spread, table, writeResult } from './table.ts'

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

interface Asked {
  readonly timings: { readonly questionMs: number; readonly answerMs: number }
  readonly usage: { readonly outputTokens: number }
}

/** Runs node and gives its output with the wall time of the whole process. */
const timed = (args: readonly string[]): { readonly stdout: string; readonly ms: number } => {
  const start = performance.now()
  const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  const ms = performance.now() - start
  if (status !== 0) throw new Error(`node ${args.join(' ')} ended with status ${status}: ${stderr}`)
  return { stdout, ms }
}

const times = <T>(count: number, body: () => T): T[] => Array.from({ length: count }, body)

interface Measured {
  readonly asked: readonly { whole: number; arithmetic: number; beyond: number; outputTokens: number }[]
  readonly bare: readonly number[]
  readonly help: readonly number[]
  readonly parts: readonly Record<string, number>[]
}

const measure = (model: string, threads: string, runs: number, context: string): Measured => {
  const document = path('../examples/document.txt')
  timed([commandPath, 'compress', document, '-m', model, '-o', context, '--threads', threads])
  const question = 'What is the name of the station dog?'
  const ask = [commandPath, 'ask', context, question, '--max-tokens', '16', '--json', '--threads', threads]
  timed(ask) // warms the page cache
  return {
    asked: times(runs, () => {
      const { stdout, ms } = timed(ask)
      const { timings, usage } = JSON.parse(stdout) as Asked
      const arithmetic = timings.questionMs + timings.answerMs
      return { whole: ms, arithmetic, beyond: ms - arithmetic, outputTokens: usage.outputTokens }
    }),
    bare: times(runs, () => timed(['-e', '0']).ms),
    help: times(runs, () => timed([commandPath, '--version']).ms),
    parts: times(runs, () => JSON.parse(timed([path('startup-parts.mjs'), model, context]).stdout)),
  }
}

const report = ({ asked, bare, help, parts }: Measured): string => {
  const row = (name: string, measured: readonly number[]): string[] => [name, spread(measured, 0)]
  const part = (name: string): number[] => parts.map((one) => one[name] ?? Number.NaN)
  const rows = [
    row(
      'compactor ask, whole process',
      asked.map(({ whole }) => whole),
    ),
    row(
      '  question and answer arithmetic',
      asked.map(({ arithmetic }) => arithmetic),
    ),
    row(
      '  beyond it',
      asked.map(({ beyond }) => beyond),
    ),
    row('node alone', bare),
    row('compactor --version', help),
    ...Object.keys(parts[0] ?? {}).map((name) => row(`in process: ${name}`, part(name))),
  ]
  return table(['ms: median (least … most)', ''], rows)
}

export const run = (args: string[]): void => {
  const { values } = parseArgs({
    args,
    options: {
      model: { type: 'string', default: 'qwen2.5-coder-0.5b' },
      runs: { type: 'string', default: '7' },
      threads: { type: 'string', default: '2' },
    },
  })
  const { model, threads, runs } = values
  const folder = mkdtempSync(join(tmpdir(), 'compactor-startup-'))
  try {
    const measured = measure(model, threads, Number(runs), join(folder, 'document.cctx'))
    process.stdout.write(`${model}, ${threads} threads; ${machineLine(machine())}\n${report(measured)}\n`)
    const beyondMs = median(measured.asked.map(({ beyond }) => beyond))
    process.stdout.write(`${writeResult('startup', model, { model, beyondMs, ...measured })}\n`)
  } finally {
    rmSync(folder, { recursive: true })
  }
}
