/** Reads the options of a method against its own description: every name known, every value of the right kind and range. */

export interface OptionDescription {
  readonly default: string | number | boolean
  readonly about: string
  /** Words allowed beside (or instead of) numbers. */
  readonly words?: readonly string[]
  readonly min?: number
  readonly max?: number
  readonly integer?: boolean
}

export type OptionValue = string | number | boolean

const kindOf = ({ default: fallback, words = [], min, max, integer }: OptionDescription): string => {
  if (typeof fallback === 'boolean') return 'true or false'
  const range = `${min === undefined ? '' : ` ≥ ${min}`}${max === undefined ? '' : ` ≤ ${max}`}`
  return [`${integer ? 'a whole number' : 'a number'}${range}`, ...words].join(' or ')
}

/** Command lines and environment variables bring text; "0.5" and "true" mean what they say. */
const fromText = (value: unknown): unknown => {
  if (typeof value !== 'string') return value
  if (value === 'true' || value === 'false') return value === 'true'
  return value.trim() !== '' && Number.isFinite(Number(value)) ? Number(value) : value
}

const isAllowed = (value: unknown, description: OptionDescription): value is OptionValue => {
  if (typeof description.default === 'boolean') return typeof value === 'boolean'
  if (typeof value === 'string') return description.words?.includes(value) ?? false
  if (typeof value !== 'number' || !Number.isFinite(value)) return false
  const { min = -Infinity, max = Infinity, integer = false } = description
  return value >= min && value <= max && (!integer || Number.isInteger(value))
}

/** Defaults filled in. Throws TypeError for an unknown name, RangeError for a value that is not allowed. */
export const readOptions = (
  method: string,
  descriptions: Readonly<Record<string, OptionDescription>>,
  given: Readonly<Record<string, unknown>> = {},
): Record<string, OptionValue> => {
  const names = Object.keys(descriptions)
  const unknown = Object.keys(given).find((name) => !names.includes(name))
  if (unknown !== undefined)
    throw new TypeError(
      `method ${method} has no option "${unknown}"; ${names.length > 0 ? `it has ${names.join(', ')}` : 'it has none'}`,
    )
  const read = Object.entries(descriptions).map(([name, description]): [string, OptionValue] => {
    const value = fromText(given[name] ?? description.default)
    if (!isAllowed(value, description))
      throw new RangeError(
        `option ${name} of method ${method} takes ${kindOf(description)}, got ${JSON.stringify(given[name])}`,
      )
    return [name, value]
  })
  return Object.fromEntries(read)
}
