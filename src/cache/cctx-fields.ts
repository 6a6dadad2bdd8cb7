/** Readers of untrusted JSON: each takes a value and where it stands, gives it typed, or throws a RangeError that names the place. */

import { quoted, shown } from '../shown.ts'

export type Reader<T> = (value: unknown, at: string) => T

export const boolean: Reader<boolean> = (value, at) => {
  if (typeof value !== 'boolean') throw wrong(at, 'true or false', value)
  return value
}

export const number: Reader<number> = (value, at) => {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw wrong(at, 'a finite number', value)
  return value
}

export const nothing: Reader<null> = (value, at) => {
  if (value !== null) throw wrong(at, 'null', value)
  return value
}

export const integer =
  (least: number, most: number): Reader<number> =>
  (value, at) => {
    if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most)
      throw wrong(at, `a whole number from ${least} to ${most}`, value)
    return value
  }

export const text =
  (maxLength: number): Reader<string> =>
  (value, at) => {
    if (typeof value !== 'string' || value.length > maxLength)
      throw wrong(at, `text of at most ${maxLength} characters`, value)
    return value
  }

export const matching =
  (pattern: RegExp, what: string): Reader<string> =>
  (value, at) => {
    if (typeof value !== 'string' || !pattern.test(value)) throw wrong(at, what, value)
    return value
  }

export const oneOf =
  <T extends string>(...allowed: readonly T[]): Reader<T> =>
  (value, at) => {
    const found = allowed.find((name) => name === value)
    if (found === undefined) throw wrong(at, allowed.join(' or '), value)
    return found
  }

export const list =
  <T>(item: Reader<T>, maxLength: number): Reader<T[]> =>
  (value, at) => {
    if (!Array.isArray(value) || value.length > maxLength) throw wrong(at, `a list of at most ${maxLength}`, value)
    return value.map((entry, i) => item(entry, `${at}[${i}]`))
  }

/** An object of any names. */
export const record =
  <T>(item: Reader<T>, maxSize: number): Reader<Record<string, T>> =>
  (value, at) => {
    const entries = Object.entries(object(value, at))
    if (entries.length > maxSize) throw wrong(at, `an object of at most ${maxSize} entries`, value)
    return Object.fromEntries(entries.map(([name, entry]) => [name, item(entry, `${at}.${shown(name)}`)]))
  }

type Readers<T> = { readonly [K in keyof T]: Reader<T[K]> }

/** An object of exactly these names, the optional ones there or not. */
export const fields =
  <T extends object, O extends object = object>(
    readers: Readers<T>,
    optional: Readers<O> = {} as Readers<O>,
  ): Reader<T & Partial<O>> =>
  (value, at) => {
    const given = object(value, at)
    const unknown = Object.keys(given).find((name) => !Object.hasOwn(readers, name) && !Object.hasOwn(optional, name))
    if (unknown !== undefined) throw new RangeError(`${at}: unknown field ${quoted(unknown)}`)
    const entries = Object.entries<Reader<unknown>>(readers)
    const missing = entries.find(([name]) => !Object.hasOwn(given, name))
    if (missing) throw new RangeError(`${at}: no field "${missing[0]}"`)
    const present = Object.entries<Reader<unknown>>(optional).filter(([name]) => Object.hasOwn(given, name))
    return Object.fromEntries(
      [...entries, ...present].map(([name, read]) => [name, read(given[name], `${at}.${name}`)]),
    ) as T & Partial<O>
  }

const object = (value: unknown, at: string): Readonly<Record<string, unknown>> => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(at, 'an object', value)
  return value as Readonly<Record<string, unknown>>
}

const wrong = (at: string, expected: string, value: unknown): RangeError =>
  new RangeError(`${at}: expected ${expected}, got ${typeof value === 'string' ? quoted(value) : shown(value)}`)
