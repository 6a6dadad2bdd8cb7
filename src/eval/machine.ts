/** What a measurement was made on: written into every result, because a figure without its machine says nothing. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os'
import { version } from '../version.ts'

export interface Machine {
  readonly cpu: string
  readonly features: readonly string[] // the instruction sets that kernels are written for
  readonly cores: number
  readonly memoryGb: number
  readonly node: string
  readonly loadAtStart: number // processes that wanted a processor in the last minute, before the benchmark began
  readonly commit: string // with + when the tree had changes; 'release 0.1.0' without one
}

const loadAtStart = loadavg()[0] ?? 0

const worthNaming = [
  'avx2',
  'fma',
  'f16c',
  'avx512f',
  'avx512_vnni',
  'avx512_bf16',
  'amx_int8',
  'amx_bf16',
  'avx_vnni',
  'asimd',
]

const cpuFlags = (): Set<string> => {
  if (process.platform !== 'linux') return new Set()
  const line = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? ''
  return new Set(line.split(' '))
}

const git = (...args: string[]): string | undefined => {
  const { status, stdout } = spawnSync('git', args, { cwd: new URL('../..', import.meta.url), encoding: 'utf8' })
  return status === 0 ? stdout.trim() : undefined
}

/** The commit, with + where files differ from it; a copy without history of its own names its release. */
const commit = (): string => {
  const head = git('rev-parse', '--show-prefix') === '' ? git('rev-parse', '--short', 'HEAD') : undefined
  return head === undefined
    ? `release ${version}`
    : head + (git('status', '--porcelain', '--untracked-files=no') ? '+' : '')
}

export const machine = (): Machine => {
  const flags = cpuFlags()
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    features: worthNaming.filter((name) => flags.has(name)),
    cores: availableParallelism(),
    memoryGb: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    loadAtStart,
    commit: commit(),
  }
}

/** A busy machine is named: its times are too long, and not for all contenders alike. */
export const machineLine = ({ cpu, features, cores, node, commit, loadAtStart: load }: Machine): string =>
  `${cpu}, ${cores} cores, ${features.join(' ')}, node ${node}, commit ${commit}${load > 0.5 ? `, BUSY: load ${load.toFixed(1)}` : ''}`
