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
import { machine, machineLine } from './machine.ts'
import { median, spread, table, writeResult } from './table.ts'

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url))
const command = path('../dist/cli/main.js')

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

export const run = (args: string[]): void => {
  const { values } = parseArgs({
    args,
    options: {
      model: { type: 'string', default: 'qwen2.5-coder-0.5b' },
      runs: { type: 'string', default: '7' },
      threads: { type: 'string', default: '2' },
    },
  })
  const runs = Number(values.runs)
  const folder = mkdtempSync(join(tmpdir(), 'compactor-startup-'))
  const context = join(folder, 'document.cctx')
  try {
    timed([
      command,
      'compress',
      path('../examples/document.txt'),
      '-m',
      values.model,
      '-o',
      context,
      '--threads',
      values.threads,
    ])
    const question = 'What is the name of the station dog?'
    const ask = [command, 'ask', context, question, '--max-tokens', '16', '--json', '--threads', values.threads]
    timed(ask) // warms the page cache
    const asked = times(runs, () => {
      const { stdout, ms } = timed(ask)
      const { timings, usage } = JSON.parse(stdout) as Asked
      const arithmetic = timings.questionMs + timings.answerMs
      return { whole: ms, arithmetic, beyond: ms - arithmetic, outputTokens: usage.outputTokens }
    })
    const bare = times(runs, () => timed(['-e', '0']).ms)
    const help = times(runs, () => timed([command, '--version']).ms)
    const parts = times(
      runs,
      () => JSON.parse(timed([path('startup-parts.mjs'), values.model, context]).stdout) as Record<string, number>,
    )

    process.stdout.write(`${values.model}, ${values.threads} threads; ${machineLine(machine())}\n`)
    const row = (name: string, measured: readonly number[]): string[] => [name, spread(measured, 0)]
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
      ...Object.keys(parts[0] ?? {}).map((name) =>
        row(
          `in process: ${name}`,
          parts.map((part) => part[name] ?? Number.NaN),
        ),
      ),
    ]
    process.stdout.write(`${table(['ms: median (least … most)', ''], rows)}\n`)
    const beyondMs = median(asked.map(({ beyond }) => beyond))
    process.stdout.write(
      `${writeResult('startup', values.model, { model: values.model, beyondMs, asked, bare, help, parts })}\n`,
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
}
