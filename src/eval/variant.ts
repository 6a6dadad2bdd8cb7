/**
 * What a document is compressed into for a comparison: `METHOD@KEEP`, with options as `METHOD?lambda=0.5&heads=apart@KEEP`.
 * Variants that differ in budget or selection alone share one scorer. Not here: the scoring (context-reading.ts).
 */
import type { SelectionOptions } from '../cache/selection.ts'
import { CompactorError } from '../error.ts'
import { createMethod, methodOptions } from '../methods/index.ts'
import type { Method, SelectionDefaults } from '../methods/method.ts'
import type { OptionValue } from '../methods/options.ts'
import { closedBookName, fullName, type VariantSettings } from './result.ts'

export interface Variant {
  readonly name: string
  readonly method: Method
  readonly options: Readonly<Record<string, OptionValue>>
  readonly selection: SelectionOptions
  readonly keep: number
  /** Variants of the same key read one scorer's numbers. */
  readonly scorerKey: string
}

const selectionKeys = ['protectFirst', 'protectLast', 'heads'] as const
const headWords: readonly SelectionDefaults['heads'][] = ['across', 'apart', 'model']

/** "compactor?lambda=0.5&heads=apart" and a share → a variant. Throws CompactorError 'usage', RangeError, TypeError. */
export const createVariant = (text: string, keep: number): Variant => {
  const name = `${text}@${keep}`
  if (!(keep > 0 && keep <= 1))
    throw new CompactorError('usage', `a keep is a share above 0 up to 1, got ${keep} in ${name}`)
  const [methodName = '', query = ''] = text.split(/\?(.*)/s)
  const given = Object.fromEntries(new URLSearchParams(query))
  const own = Object.fromEntries(Object.entries(given).filter(([key]) => !isSelectionKey(key)))
  const method = createMethod(methodName, own)
  const options = methodOptions(methodName, own)
  const scorerKey = JSON.stringify([methodName, options, method.nested ? null : keep])
  return { name, method, options, selection: selectionOf(method, given, name), keep, scorerKey }
}

/** "METHOD[?options]@KEEP" → a variant. */
export const readVariant = (name: string): Variant => {
  const [, method, keep] = /^(.+)@([\d.]+)$/.exec(name) ?? []
  if (method === undefined || keep === undefined)
    throw new CompactorError('usage', `a variant is METHOD@KEEP, such as compactor@0.25, got "${name}"`)
  return createVariant(method, Number(keep))
}

/** Throws CompactorError 'usage' for two variants of one name or one that is called like the lines beside them. */
export const checkVariants = (variants: readonly Variant[]): void => {
  if (variants.length === 0) throw new CompactorError('usage', 'expected at least one variant, such as compactor@0.25')
  const names = new Set([fullName, closedBookName])
  for (const { name } of variants) {
    if (names.has(name)) throw new CompactorError('usage', `the variant ${name} is named twice; name each once`)
    names.add(name)
  }
}

export const settingsOf = ({ name, method, options, selection, keep }: Variant): VariantSettings => ({
  name,
  method: method.name,
  options,
  selection,
  keep,
})

const isSelectionKey = (key: string): boolean => selectionKeys.some((known) => known === key)

const selectionOf = (method: Method, given: Readonly<Record<string, string>>, name: string): SelectionOptions => {
  const { protectFirst, protectLast, heads } = method.selection
  return {
    protectFirst: countOf(given, 'protectFirst', name) ?? protectFirst,
    protectLast: countOf(given, 'protectLast', name) ?? protectLast,
    heads: headsOf(given.heads, name) ?? heads,
  }
}

const countOf = (given: Readonly<Record<string, string>>, key: string, name: string): number | undefined => {
  const text = given[key]
  if (text === undefined) return undefined
  if (!/^\d+$/.test(text))
    throw new CompactorError('usage', `${key} takes a whole number from 0, got "${text}" in ${name}`)
  return Number(text)
}

const headsOf = (text: string | undefined, name: string): SelectionDefaults['heads'] | undefined => {
  const word = headWords.find((known) => known === text)
  if (text !== undefined && word === undefined)
    throw new CompactorError('usage', `heads takes ${headWords.join(', ')}, got "${text}" in ${name}`)
  return word
}
