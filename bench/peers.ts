/**
 * Speed beside llama.cpp: prefill and decode of the same tokens, ours and node-llama-cpp in turn (A B A B), each in a
 * process of its own; with --llama-bench also llama.cpp's own benchmark. llama.cpp is tried in the settings its users have,
 * and the ratio is taken against the best of them.
 *
 *   npm run bench peers -- --model qwen2.5-coder-0.5b --tokens 2048 [--rounds 3] [--threads 2] [--decode 64] [--only peers]
 *     [--llama-bench PATH]
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { machine, machineLine } from '../src/eval/machine.ts'
import { exampleText, modelFile } from './document.ts'
import { checkLlamaBench, runLlamaBench } from './llama-bench.ts'
import { median, spread, table, writeResult } from './table.ts'

/** What both children take; `node-llama-cpp.mjs` and `ours.ts` print a Rates line. */
interface Job {
  readonly modelPath: string
  readonly text: string
  readonly tokenCount: number
  readonly decodeCount: number
  readonly threads: number
}

interface Rates {
  readonly idsHash?: string // llama-bench reads tokens of its own
  readonly prefillPerSecond: number
  readonly decodePerSecond: number
  readonly ownPrefillPerSecond?: number // llama.cpp's own clock, without the wrapper
  readonly ownDecodePerSecond?: number
}

interface Contender {
  readonly name: string
  readonly peer: boolean
  readonly settings: object
  readonly measure: (job: Job) => Rates
}

const peerFolder = fileURLToPath(new URL('peers/', import.meta.url))
const peerScript = join(peerFolder, 'node-llama-cpp.mjs')
const oursCommand = ['--import', 'tsx', fileURLToPath(new URL('ours.ts', import.meta.url))]

const ours = (name: string, settings: object): Contender => ({
  name,
  peer: false,
  settings,
  measure: (job) => runChild(oursCommand, { ...job, ...settings }),
})

interface PeerSettings {
  readonly flashAttention: boolean
  readonly cacheType?: 'q8_0'
}

/** What users of llama.cpp may choose; a quantised V cache needs flash attention. */
const peerSettings: Readonly<Record<string, PeerSettings>> = {
  'flash attention off, f16 cache': { flashAttention: false },
  'flash attention on, f16 cache': { flashAttention: true },
  'flash attention on, q8_0 cache': { flashAttention: true, cacheType: 'q8_0' },
}

const throughNode = ([name, settings]: [string, PeerSettings]): Contender => ({
  name: `llama.cpp, ${name}`,
  peer: true,
  settings,
  measure: (job) => runChild([peerScript], { ...job, ...settings, ...(settings.cacheType && { cacheType: 'Q8_0' }) }),
})

const throughItself =
  (path: string) =>
  ([name, settings]: [string, PeerSettings]): Contender => ({
    name: `llama-bench, ${name}`,
    peer: true,
    settings,
    measure: (job) => {
      const rates = runLlamaBench(path, { ...job, ...settings })
      return { ...rates, ownPrefillPerSecond: rates.prefillPerSecond, ownDecodePerSecond: rates.decodePerSecond }
    },
  })

/** The first one of ours holds everything, as the peer does, and is the one that ratios are about. */
const contenders = (llamaBench: string | undefined): readonly Contender[] => [
  ours('compactor, whole cache', {}),
  ours('compactor, keep 0.25', { keep: 0.25 }),
  ...Object.entries(peerSettings).map(throughNode),
  ...(llamaBench === undefined ? [] : Object.entries(peerSettings).map(throughItself(llamaBench))),
]

/** The peer has its own package.json and lock, so that no normal install pays for it. */
const installPeers = (): void => {
  if (existsSync(join(peerFolder, 'node_modules', 'node-llama-cpp'))) return
  process.stderr.write('installing node-llama-cpp into bench/peers (85 MB)\n')
  // Not `npm ci`: the lock leaves out the peer's binaries for GPUs and other systems, which that would call incomplete.
  execFileSync('npm', ['install', '--no-save'], { cwd: peerFolder, stdio: ['ignore', 2, 2] })
}

const runChild = (command: readonly string[], job: object): Rates => {
  const { stdout, stderr, status } = spawnSync(process.execPath, [...command, JSON.stringify(job)], {
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  })
  if (status !== 0) throw new Error(`${command.at(-1)} ended with status ${status}: ${stderr.slice(-2000)}`)
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Rates
}

const textOf = (folder: string, tokenCount: number): string => {
  const path = join(folder, 'text.txt')
  writeFileSync(path, exampleText(tokenCount))
  return path
}

const report = (results: ReadonlyMap<Contender, Rates[]>): void => {
  const of = (rates: readonly Rates[], key: keyof Rates): number[] =>
    rates.flatMap((rate) => (rate[key] === undefined ? [] : [Number(rate[key])]))
  const cell = (rates: readonly Rates[], key: keyof Rates): string =>
    of(rates, key).length > 0 ? spread(of(rates, key)) : ''
  const keys = ['prefillPerSecond', 'decodePerSecond', 'ownDecodePerSecond'] as const
  const rows = [...results].map(([{ name }, rates]) => [name, ...keys.map((key) => cell(rates, key))])
  process.stdout.write(
    `${table(['tok/s: median (least … most)', 'prefill', 'decode', 'decode, its own clock'], rows)}\n`,
  )
  const ours = [...results].find(([{ peer: isPeer }]) => !isPeer)?.[1]
  if (!ours) return
  for (const [label, mine, theirs] of [
    ['prefill', 'prefillPerSecond', 'ownPrefillPerSecond'],
    ['decode', 'decodePerSecond', 'ownDecodePerSecond'],
  ] as const) {
    const best = Math.max(
      ...[...results].filter(([{ peer: isPeer }]) => isPeer).map(([, rates]) => median(of(rates, theirs))),
    )
    process.stdout.write(
      `${label}: ours / best setting of llama.cpp by its own clock = ${(median(of(ours, mine)) / best).toFixed(2)}\n`,
    )
  }
}

export const run = (args: string[]): void => {
  const { values } = parseArgs({
    args,
    options: {
      model: { type: 'string', default: 'qwen2.5-coder-0.5b' },
      tokens: { type: 'string', default: '2048' },
      decode: { type: 'string', default: '64' },
      rounds: { type: 'string', default: '3' },
      threads: { type: 'string', default: '2' },
      only: { type: 'string', default: 'all' },
      'llama-bench': { type: 'string' },
    },
  })
  const modelPath = modelFile(values.model)
  if (!existsSync(modelPath))
    throw new RangeError(`${modelPath} is missing: run \`compactor pull ${values.model}\` first`)
  if (!['all', 'peers'].includes(values.only)) throw new RangeError(`--only takes all or peers, got ${values.only}`)
  const llamaBench = values['llama-bench']
  if (llamaBench !== undefined) checkLlamaBench(llamaBench)
  installPeers()
  const folder = mkdtempSync(join(tmpdir(), 'compactor-bench-'))
  const tokenCount = Number(values.tokens)
  const job: Job = {
    modelPath,
    text: textOf(folder, tokenCount),
    tokenCount,
    decodeCount: Number(values.decode),
    threads: Number(values.threads),
  }
  const chosen = contenders(llamaBench).filter(({ peer: isPeer }) => isPeer || values.only === 'all')
  const results = new Map<Contender, Rates[]>(chosen.map((contender) => [contender, []]))
  try {
    for (let round = 0; round < Number(values.rounds); round++)
      for (const contender of chosen) {
        process.stderr.write(`round ${round + 1}: ${contender.name}\n`)
        results.get(contender)?.push(contender.measure(job))
      }
  } finally {
    rmSync(folder, { recursive: true })
  }
  const hashes = new Set([...results.values()].flat().flatMap(({ idsHash }) => idsHash ?? []))
  if (hashes.size > 1) throw new Error(`the two sides read different tokens: ${[...hashes].join(', ')}`)
  process.stdout.write(`${values.model}, ${tokenCount} tokens, ${values.threads} threads; ${machineLine(machine())}\n`)
  report(results)
  const measured = Object.fromEntries([...results].map(([{ name }, rates]) => [name, rates]))
  process.stdout.write(
    `${writeResult('peers', `${values.model}-${tokenCount}`, { model: values.model, tokenCount, threads: job.threads, measured })}\n`,
  )
}
