/**
 * Reading and compressing beside kvpress on the same processor: the same tokens, ours and `scripts/time-kvpress.py` in turn,
 * each with all of the cache and with Compactor at the same keep. kvpress has the weights dequantised to float32 or bfloat16.
 *
 *   npm run bench kvpress -- --python PATH [--model qwen2.5-coder-0.5b] [--tokens 1024,4096] [--keep 0.25] [--rounds 3]
 *     [--threads 2] [--dtype float32]
 *
 * PATH is a Python with `pip install kvpress==0.5.5 torch 'transformers==5.2.*' gguf`.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { machine, machineLine } from '../src/eval/machine.ts'
import { exampleText, modelFile } from './document.ts'
import { idsOf, openSubject, readDocument } from './subject.ts'
import { median, spread, table, writeResult } from './table.ts'

const script = fileURLToPath(new URL('../scripts/time-kvpress.py', import.meta.url))

/** Throws RangeError unless PATH is a Python that has kvpress. */
const checkPython = (path: string | undefined): string => {
  if (path === undefined)
    throw new RangeError('--python is needed: the path of a Python with kvpress==0.5.5, torch, transformers and gguf')
  const { status, stderr, error } = spawnSync(path, ['-c', 'import kvpress, torch, transformers, gguf'], {
    encoding: 'utf8',
  })
  if (status !== 0)
    throw new RangeError(
      `--python must be a Python that has kvpress, torch, transformers and gguf, got ${path}: ${error?.message ?? stderr.trim().split('\n').at(-1)}`,
    )
  return path
}

interface Read {
  readonly ms: number
  readonly kept: number
}

interface Peer {
  readonly versions: Readonly<Record<string, string>>
  read(ids: Uint32Array, keep: number): Promise<Read>
  close(): Promise<void>
}

/** One process for all rounds, because loading the weights takes longer than reading. */
const startPeer = async (python: string, args: readonly string[]): Promise<Peer> => {
  const env = { ...process.env, TQDM_DISABLE: '1' } // the bars of loading
  const child = spawn(python, [script, ...args], { stdio: ['pipe', 'pipe', 'inherit'], env })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async (): Promise<unknown> => {
    const { value, done } = await lines.next()
    if (done) throw new Error(`${script} ended early, see its output above`)
    return JSON.parse(value)
  }
  const versions = (await next()) as Peer['versions']
  return {
    versions,
    read: (ids, keep) => {
      child.stdin.write(`${JSON.stringify({ ids: [...ids], keep })}\n`)
      return next() as Promise<Read>
    },
    close: async () => {
      const ended = once(child, 'exit')
      child.stdin.end()
      await ended
    },
  }
}

const columns = ['ours, whole', 'ours', 'kvpress, whole', 'kvpress'] as const
type Times = Record<(typeof columns)[number], number[]>

const row = (tokens: number, times: Times): string[] => [
  `${tokens}`,
  ...columns.map((name) => spread(times[name].map((ms) => (tokens / ms) * 1000))),
  `${(median(times.kvpress) / median(times.ours)).toFixed(2)}×`,
]

export const run = async (args: string[]): Promise<void> => {
  const { values } = parseArgs({
    args,
    options: {
      python: { type: 'string' },
      model: { type: 'string', default: 'qwen2.5-coder-0.5b' },
      tokens: { type: 'string', default: '1024,4096' },
      keep: { type: 'string', default: '0.25' },
      rounds: { type: 'string', default: '3' },
      threads: { type: 'string', default: '2' },
      dtype: { type: 'string', default: 'float32' },
    },
  })
  const python = checkPython(values.python)
  const [path, keep] = [modelFile(values.model), Number(values.keep)]
  const subject = openSubject(path, { threads: Number(values.threads) })
  const peer = await startPeer(python, [path, '--threads', values.threads, '--dtype', values.dtype])
  const rows: string[][] = []
  const measured: Record<string, Times> = {}
  for (const tokens of values.tokens.split(',').map(Number)) {
    const ids = idsOf(subject, exampleText(tokens), tokens)
    const times: Times = { 'ours, whole': [], ours: [], 'kvpress, whole': [], kvpress: [] }
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const [name, share] of [['ours, whole', 1] as const, ['ours', keep] as const])
        times[name].push((await readDocument(subject, ids, { keep: share })).ms)
      for (const [name, share] of [['kvpress, whole', 1] as const, ['kvpress', keep] as const]) {
        const { ms, kept } = await peer.read(ids, share)
        if (Math.abs(kept - share * tokens) > 1)
          throw new Error(`kvpress kept ${kept} of ${tokens} tokens, expected a share of ${share}`)
        times[name].push(ms)
      }
    }
    rows.push(row(tokens, times))
    measured[tokens] = times
  }
  await peer.close()
  subject.ops.dispose()
  const versions = Object.entries(peer.versions).map(([name, version]) => `${name} ${version}`)
  process.stdout.write(
    `${values.model}, keep ${keep}, ${values.threads} threads, ${versions.join(', ')} in ${values.dtype}; ${machineLine(machine())}\n\n`,
  )
  process.stdout.write(`${table(['tok/s: median (least … most)', ...columns, 'kvpress / ours, time'], rows)}\n`)
  process.stdout.write(`${writeResult('kvpress', values.model, { ...values, versions: peer.versions, measured })}\n`)
}
