/** Flags that several commands share, and how a flag's text becomes a number. Other ranges are the library's to check. */
import { InvalidArgumentError, Option } from 'commander'
import { mostThreads } from '../thread-limit.ts'

export const defaultModel = 'qwen2.5-coder-0.5b'

/** For completion, which loads nothing of the library; a test compares them with the catalog. */
export const builtInModels = ['smollm2-135m', 'qwen2.5-coder-0.5b', 'qwen2.5-coder-1.5b', 'gemma3-270m'] as const

export const wholeNumber = (text: string): number => {
  if (!/^[+-]?\d+$/.test(text.trim())) throw new InvalidArgumentError('expected a whole number')
  return Number(text)
}

const largestCount = 2 ** 31 - 1

/** A number of tokens, or a seed: one rule for both and for every command. */
export const tokenCount = (text: string): number => {
  const value = wholeNumber(text)
  if (value < 0 || value > largestCount)
    throw new InvalidArgumentError(`expected a whole number from 0 to ${largestCount}`)
  return value
}

const threadCount = (text: string): number => {
  const isWhole = /^\+?\d+$/.test(text.trim())
  if (!isWhole || Number(text) < 1 || Number(text) > mostThreads)
    throw new InvalidArgumentError(`expected a whole number from 1 to ${mostThreads}`)
  return Number(text)
}

export const decimal = (text: string): number => {
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text.trim()))
    throw new InvalidArgumentError('expected a number such as 0.5')
  return Number(text)
}

/** For flags that may be repeated: each adds to the list. */
export const collect = (text: string, previous: readonly string[] | undefined): readonly string[] => [
  ...(previous ?? []),
  text,
]

export const modelFlag = (about: string): Option => new Option('-m, --model <model>', about)

export const seedFlag = (about: string): Option => new Option('--seed <number>', about).argParser(tokenCount)

export const jsonFlag = (): Option => new Option('--json', 'print one JSON value instead of text')

export const offlineFlag = (): Option =>
  new Option('--offline', 'download nothing: use what is on this machine or fail (also: HF_HUB_OFFLINE=1)')

export const engineFlags = (): Option[] => [
  new Option('--threads <count>', 'threads that compute (default: all processors)').argParser(threadCount),
  new Option('--backend <name>', 'what computes: native or reference (default: native where it runs)').choices([
    'native',
    'reference',
  ]),
  offlineFlag(),
]

export interface EngineFlags {
  readonly threads?: number
  readonly backend?: 'native' | 'reference'
  readonly offline?: boolean
}

/** The flags that were given, without the holes that exactOptionalPropertyTypes minds. */
export const given = <T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never
