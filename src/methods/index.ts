/** The table of compression methods. */
import { CompactorError } from '../error.ts'
import { didYouMean } from '../nearest-name.ts'
import { attentionMass } from './attention-mass.ts'
import { compactor } from './compactor.ts'
import { expectedAttention } from './expected-attention.ts'
import { keyNorm } from './key-norm.ts'
import { keydiff } from './keydiff.ts'
import { kvzip } from './kvzip.ts'
import { lagkv } from './lagkv.ts'
import { leverage } from './leverage.ts'
import type { Method, MethodEntry } from './method.ts'
import { observedAttention } from './observed-attention.ts'
import { type OptionValue, readOptions } from './options.ts'
import { random } from './random.ts'
import { snapkv } from './snapkv.ts'
import { streaming } from './streaming.ts'
import { tova } from './tova.ts'

export type { Method, MethodEntry, SelectionDefaults, View } from './method.ts'

export const methods: readonly MethodEntry[] = [
  compactor,
  leverage,
  attentionMass,
  random,
  streaming,
  keyNorm,
  keydiff,
  snapkv,
  tova,
  observedAttention,
  lagkv,
  expectedAttention,
  kvzip,
]

/** A method by name with its options. Throws CompactorError('usage') for an unknown name; TypeError, RangeError for options. */
export const createMethod = (name: string, options?: Readonly<Record<string, unknown>>): Method =>
  entryOf(name).create(options)

/** The same options with the method's defaults filled in. */
export const methodOptions = (name: string, options?: Readonly<Record<string, unknown>>): Record<string, OptionValue> =>
  readOptions(name, entryOf(name).options, options)

const entryOf = (name: string): MethodEntry => {
  const entry = methods.find((candidate) => candidate.name === name)
  if (!entry) {
    const names = methods.map((candidate) => candidate.name)
    throw new CompactorError(
      'usage',
      `unknown method "${name}"; there are ${names.join(', ')}${didYouMean(name, names)}`,
    )
  }
  return entry
}
