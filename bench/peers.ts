/**
 * Speed beside llama.cpp: prefill and decode of the same tokens, ours and node-llama-cpp in turn (A B A B), each in a
 * process of its own; with --llama-bench also llama.cpp's own benchmark. llama.cpp is tried in the settings its users have,
 * and the ratio is taken against the best of them.
 *
 *   npm run bench peers -- --model qwen2.5-coder-0.5b --tokens 2048 [--rounds 3] [--threads 2] [--decode 64] [--only peers]
 *     [--llama-bench PATH] [--through node-llama-cpp,llama-bench] [--settings off,on,on-q8_0]
 *
 * node-llama-cpp takes the best instructions of the processor. To see what others with fewer would: COMPACTOR_ISA=avx2, a llama-bench
 * built for AVX2, and --through llama-bench.
 * Beside the ratios stands what memory allows: plain reading of this machine in the same run, divided by the bytes that a step reads.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { nativeAvailable } from '../src/backends/native.ts'
import { machine, machineLine } from '../src/eval/machine.ts'
import { exampleText, modelFile } from './document.ts'
import { checkLlamaBench, runLlamaBench } from './llama-bench.ts'
import { readBandwidth } from './reading.ts'
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
  readonly stepBytes?: number // weights and document that a step of ours reads
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
const peerSettings: Readonly<Record<string, PeerSettings & { readonly name: string }>> = {
  off: { name: 'flash attention off, f16 cache', flashAttention: false },
  on: { name: 'flash attention on, f16 cache', flashAttention: true },
  'on-q8_0': { name: 'flash attention on, q8_0 cache', flashAttention: true, cacheType: 'q8_0' },
}

type NamedSettings = (typeof peerSettings)[string]

/** Throws RangeError for one that there is not. */
const settingsOf = (list: string): NamedSettings[] =>
  list.split(',').map((key) => {
    const settings = peerSettings[key]
    if (!settings) throw new RangeError(`--settings takes ${Object.keys(peerSettings).join(', ')}, got ${key}`)
    return settings
  })

const throughNode = ({ name, ...settings }: NamedSettings): Contender => ({
  name: `llama.cpp, ${name}`,
  peer: true,
  settings,
  measure: (job) => runChild([peerScript], { ...job, ...settings, ...(settings.cacheType && { cacheType: 'Q8_0' }) }),
})

const throughItself =
  (path: string) =>
  ({ name, ...settings }: NamedSettings): Contender => ({
    name: `llama-bench, ${name}`,
    peer: true,
    settings,
    measure: (job) => {
      const rates = runLlamaBench(path, { ...job, ...settings })
      return { ...rates, ownPrefillPerSecond: rates.prefillPerSecond, ownDecodePerSecond: rates.decodePerSecond }
    },
  })

const ways = ['node-llama-cpp', 'llama-bench'] as const

interface Peers {
  readonly through: readonly (typeof ways)[number][]
  readonly llamaBench: string | undefined
  readonly settings: readonly NamedSettings[]
}

/** Default: all that there are. Throws RangeError. */
const waysOf = (list: string | undefined, llamaBench: string | undefined): Peers['through'] => {
  const possible = ways.filter((way) => way !== 'llama-bench' || llamaBench !== undefined)
  return (list?.split(',') ?? possible).map((name) => {
    const way = possible.find((one) => one === name)
    if (way) return way
    throw new RangeError(`--through takes ${possible.join(', ')}, got ${name}; llama-bench needs --llama-bench PATH`)
  })
}

/** The first one of ours holds everything, as the peer does, and is the one that ratios are about. */
const contenders = ({ through, llamaBench, settings }: Peers): readonly Contender[] => [
  ours('compactor, whole cache', {}),
  ours('compactor, keep 0.25', { keep: 0.25 }),
  ...(through.includes('node-llama-cpp') ? settings.map(throughNode) : []),
  ...(through.includes('llama-bench') && llamaBench !== undefined ? settings.map(throughItself(llamaBench)) : []),
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

const report = (results: ReadonlyMap<Contender, Rates[]>, bandwidth: number): void => {
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
    const ratio = (median(of(ours, mine)) / best).toFixed(2)
    process.stdout.write(`${label}: ours / best setting of llama.cpp by its own clock = ${ratio}\n`)
    if (label === 'decode') process.stdout.write(`${limitLine(bandwidth, ours[0]?.stepBytes ?? 0, best)}\n`)
  }
}

const limitLine = (bandwidth: number, stepBytes: number, best: number): string => {
  const limit = bandwidth / stepBytes
  const said = `reading ${(bandwidth / 1e9).toFixed(1)} GB/s, ${(stepBytes / 1e6).toFixed(0)} MB a step`
  return `${said}: at most ${limit.toFixed(1)} tok/s, ${(limit / best).toFixed(2)} times the best setting`
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
      through: { type: 'string' },
      settings: { type: 'string', default: Object.keys(peerSettings).join() },
    },
  })
  const modelPath = modelFile(values.model)
  if (!existsSync(modelPath))
    throw new RangeError(`${modelPath} is missing: run \`compactor pull ${values.model}\` first`)
  if (!['all', 'peers'].includes(values.only)) throw new RangeError(`--only takes all or peers, got ${values.only}`)
  const llamaBench = values['llama-bench']
  if (llamaBench !== undefined) checkLlamaBench(llamaBench)
  const through = waysOf(values.through, llamaBench)
  if (through.includes('node-llama-cpp')) installPeers()
  const folder = mkdtempSync(join(tmpdir(), 'compactor-bench-'))
  const tokenCount = Number(values.tokens)
  const job: Job = {
    modelPath,
    text: textOf(folder, tokenCount),
    tokenCount,
    decodeCount: Number(values.decode),
    threads: Number(values.threads),
  }
  const bandwidthBefore = readBandwidth(job.threads)
  const chosen = contenders({ through, llamaBench, settings: settingsOf(values.settings) }).filter(
    ({ peer: isPeer }) => isPeer || values.only === 'all',
  )
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
  const native = nativeAvailable()
  const what = `${values.model}, ${tokenCount} tokens, ${values.threads} threads, kernels ${native.available ? native.isa : 'reference'}`
  process.stdout.write(`${what}; ${machineLine(machine())}\n`)
  const bandwidth = Math.max(bandwidthBefore, readBandwidth(job.threads)) // before and after: others use memory too
  report(results, bandwidth)
  const measured = Object.fromEntries([...results].map(([{ name }, rates]) => [name, rates]))
  process.stdout.write(
    `${writeResult('peers', `${values.model}-${tokenCount}`, { model: values.model, tokenCount, threads: job.threads, bandwidth, measured })}\n`,
  )
}
