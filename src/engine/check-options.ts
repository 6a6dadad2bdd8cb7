/** What the public functions ask of their options before any work: known names, values of the right kind. */

/** Throws TypeError naming the first option that `what` does not have. */
export const refuseUnknown = (what: string, options: object, known: readonly string[]): void => {
  const unknown = Object.keys(options).find((name) => !known.includes(name))
  if (unknown !== undefined) throw new TypeError(`${what} has no option "${unknown}"; it has ${known.join(', ')}`)
}

/** Throws TypeError if a value is not text, RangeError if it has more than `most` characters. */
export const requireText = (name: string, value: unknown, most: number = Number.POSITIVE_INFINITY): string => {
  if (typeof value !== 'string') throw new TypeError(`${name} must be a string, got ${typeof value}`)
  if (value.length > most) throw new RangeError(`${name} may have ${most} characters, got ${value.length}`)
  return value
}

export const largestCount: number = 2 ** 31 - 1

/** Throws RangeError unless the value is a whole number from 0 to 2³¹ − 1. */
export const requireCount = (name: string, value: number): number => {
  if (Number.isInteger(value) && value >= 0 && value <= largestCount) return value
  throw new RangeError(`${name} must be a whole number from 0 to ${largestCount}, got ${value}`)
}

/** Without the properties that are undefined. */
export const defined = <T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }
