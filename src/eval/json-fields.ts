/** Readers of one JSON object from a data file: each gives a field typed or throws a RangeError that names it. */

export type Fields = Readonly<Record<string, unknown>>

const kindOf = (value: unknown): string => {
  if (value === undefined) return 'nothing'
  if (value === null) return 'null'
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list'
  if (typeof value === 'string') return value === '' ? 'empty text' : 'text'
  if (typeof value === 'number') return `the number ${value}`
  return typeof value === 'boolean' ? String(value) : 'an object'
}

const wrong = (field: string, expected: string, value: unknown): RangeError =>
  new RangeError(
    value === undefined
      ? `"${field}" is missing; it must be ${expected}`
      : `"${field}" must be ${expected}, got ${kindOf(value)}`,
  )

export const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** May be empty. */
export const text = (fields: Fields, field: string, at: string = field): string => {
  const value = fields[field]
  if (typeof value !== 'string') throw wrong(at, 'text', value)
  return value
}

export const filledText = (fields: Fields, field: string, at: string = field): string => {
  const value = fields[field]
  if (typeof value !== 'string' || value === '') throw wrong(at, 'text that is not empty', value)
  return value
}

export const count = (fields: Fields, field: string): number => {
  const value = fields[field]
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1)
    throw wrong(field, 'a whole number from 1', value)
  return value
}

export const share = (fields: Fields, field: string): number => {
  const value = fields[field]
  if (typeof value !== 'number' || !(value >= 0 && value <= 1)) throw wrong(field, 'a number from 0 to 1', value)
  return value
}

export const truth = (fields: Fields, field: string): boolean => {
  const value = fields[field]
  if (typeof value !== 'boolean') throw wrong(field, 'true or false', value)
  return value
}

/** At least one; each may be empty. */
export const texts = (fields: Fields, field: string, at: string = field): string[] => {
  const value = fields[field]
  if (!Array.isArray(value) || value.length === 0) throw wrong(at, 'a list of at least one text', value)
  return value.map((item: unknown, i) => {
    if (typeof item !== 'string') throw wrong(`${at}[${i}]`, 'text', item)
    return item
  })
}

/** At least one. */
export const objects = (fields: Fields, field: string): Fields[] => {
  const value = fields[field]
  if (!Array.isArray(value) || value.length === 0) throw wrong(field, 'a list of at least one object', value)
  return value.map((item: unknown, i) => {
    if (!isFields(item)) throw wrong(`${field}[${i}]`, 'an object', item)
    return item
  })
}

/** { key: read() } if the field is there, else {}: for optional properties. */
export const optional = <Key extends string, T>(
  fields: Fields,
  field: string,
  { as, read }: { readonly as: Key; readonly read: (fields: Fields, field: string) => T },
): { readonly [key in Key]?: T } =>
  (fields[field] === undefined ? {} : { [as]: read(fields, field) }) as { readonly [key in Key]?: T }
