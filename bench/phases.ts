/**
 * Where the time of each phase goes: products with weights (and the norms and gates between them), with the output matrix, attention, what scores the document, the
 * other ops, and what is between ops. Each op is timed from JavaScript, which adds about a microsecond to it. Draws docs/phases.svg.
 *
 *   npm run bench phases -- [--model qwen2.5-coder-0.5b] [--tokens 4000] [--keep 0.25] [--write]
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { createNativeOps } from '../src/backends/native.ts'
import type { Ops, Weight } from '../src/backends/ops.ts'
import { openModelFile } from '../src/engine/model-file.ts'
import { machine, machineLine } from '../src/eval/machine.ts'
import { type Bar, drawBars } from './bars.ts'
import { modelFile } from './document.ts'
import { table, writeResult } from './table.ts'
import { timePhases } from './three-phases.ts'

const kinds = ['products', 'output matrix', 'attention', 'scoring', 'other ops', 'between ops'] as const
type Kind = (typeof kinds)[number]

const scoring = [
  ...['leverage', 'chunkAttentionMass', 'cosineToMean', 'norms', 'zScore', 'addScaled', 'averagePool', 'meanOverHeads'],
]
/** These run others, or only make another view. */
const untimed = ['scope', 'slice', 'reshape', 'from', 'weight', 'watchAbort', 'dispose']

const kindOf = (op: string, args: readonly unknown[], outputRows: number): Kind => {
  if (['matmul', 'feedForward', 'finishLayer'].includes(op)) return 'products'
  if (op === 'matmulEach')
    return (args[1] as readonly Weight[])[0]?.shape[0] === outputRows ? 'output matrix' : 'products'
  if (op === 'attend') return 'attention'
  return scoring.includes(op) ? 'scoring' : 'other ops'
}

/** The ops, each adding the seconds it takes to what `spent` holds. */
const timedOps = <T extends Ops>(ops: T, spent: Map<Kind, number>, outputRows: () => number): T => {
  const timed = Object.entries(ops).map(([name, op]: [string, unknown]) => {
    if (typeof op !== 'function' || untimed.includes(name)) return [name, op]
    const call = (...args: unknown[]): unknown => {
      const start = performance.now()
      const result: unknown = op(...args)
      const kind = kindOf(name, args, outputRows())
      spent.set(kind, (spent.get(kind) ?? 0) + (performance.now() - start) / 1000)
      return result
    }
    return [name, call]
  })
  return Object.fromEntries(timed) as T
}

export const run = async (args: string[]): Promise<void> => {
  const { values } = parseArgs({
    args,
    options: {
      model: { type: 'string', default: 'qwen2.5-coder-0.5b' },
      tokens: { type: 'string', default: '4000' },
      keep: { type: 'string', default: '0.25' },
      threads: { type: 'string', default: '2' },
      write: { type: 'boolean', default: false },
    },
  })
  const spent = new Map<Kind, number>()
  let outputRows = 0
  const ops = timedOps(createNativeOps({ threads: Number(values.threads) }), spent, () => outputRows)
  const file = openModelFile(ops, { path: modelFile(values.model), name: 'measured', fingerprint: '' })
  outputRows = file.model.config.vocabularySize
  const bars: Bar[] = []
  const rows: string[][] = []
  await timePhases(
    { ops, file },
    { tokens: Number(values.tokens), keep: Number(values.keep) },
    {
      start: () => spent.clear(),
      stop: ({ name, seconds, steps }) => {
        const inOps = kinds.reduce((sum, kind) => sum + (spent.get(kind) ?? 0), 0)
        spent.set('between ops', seconds * steps - inOps)
        const shares = new Map(kinds.map((kind) => [kind, (spent.get(kind) ?? 0) / (seconds * steps)]))
        bars.push({ name, shares })
        rows.push([name, (seconds * 1000).toFixed(1), ...kinds.map((kind) => percent(shares.get(kind)))])
      },
    },
  )
  process.stdout.write(`${values.model}, kernels ${ops.isa}; ${machineLine(machine())}\n\n`)
  process.stdout.write(`${table(['phase', 'ms', ...kinds], rows)}\n`)
  const shown = bars.map(({ name, shares }) => ({ name, shares: Object.fromEntries(shares) }))
  process.stdout.write(`${writeResult('phases', values.model, { ...values, phases: shown })}\n`)
  const picture = drawBars(`Where the time of each phase goes: ${values.model}, keep ${values.keep}`, kinds, bars)
  if (values.write) writeFileSync(new URL('../docs/phases.svg', import.meta.url), picture)
  ops.dispose()
}

const percent = (share = 0): string => `${(share * 100).toFixed(1)} %`
