/** The table of compression methods. */
import { CompactorError } from '../error.ts'
import { didYouMean } from '../nearest-name.ts'
import { compactor } from './compactor.ts'
import type { Method, MethodEntry } from './method.ts'
import { type OptionValue, readOptions } from './options.ts'
import { random } from './random.ts'
import { streaming } from './streaming.ts'

export type { Method, MethodEntry, SelectionDefaults, View } from './method.ts'

export const methods: readonly MethodEntry[] = [compactor, random, streaming]

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
