/**
 * Reads the options of a method, or of anything else that describes its own: every name known, every value of the right
 * kind and range.
 */

export interface OptionDescription {
  readonly default: string | number | boolean
  readonly about: string
  /** Words allowed beside (or instead of) numbers. */
  readonly words?: readonly string[]
  readonly min?: number
  readonly max?: number
  readonly integer?: boolean
  readonly odd?: boolean // beside integer
  /** Any text, '' too; `words` then say nothing. */
  readonly text?: boolean
}

export type OptionValue = string | number | boolean

const kindOf = ({ default: fallback, words = [], min, max, integer, odd, text }: OptionDescription): string => {
  if (text) return 'a text'
  if (typeof fallback === 'boolean') return 'true or false'
  const range = `${min === undefined ? '' : ` ≥ ${min}`}${max === undefined ? '' : ` ≤ ${max}`}`
  return [`${odd ? 'an odd whole number' : integer ? 'a whole number' : 'a number'}${range}`, ...words].join(' or ')
}

/** Command lines and environment variables bring text; "0.5" and "true" mean what they say. */
const fromText = (value: unknown): unknown => {
  if (typeof value !== 'string') return value
  if (value === 'true' || value === 'false') return value === 'true'
  return value.trim() !== '' && Number.isFinite(Number(value)) ? Number(value) : value
}

const isAllowed = (value: unknown, description: OptionDescription): value is OptionValue => {
  if (description.text) return typeof value === 'string'
  if (typeof description.default === 'boolean') return typeof value === 'boolean'
  if (typeof value === 'string') return description.words?.includes(value) ?? false
  if (typeof value !== 'number' || !Number.isFinite(value)) return false
  const { min = -Infinity, max = Infinity, integer = false, odd = false } = description
  return value >= min && value <= max && (!integer || Number.isInteger(value)) && (!odd || value % 2 === 1)
}

/** Defaults filled in. Throws TypeError for an unknown name, RangeError for a value that is not allowed. */
export const readOptions = (
  method: string,
  descriptions: Readonly<Record<string, OptionDescription>>,
  given?: Readonly<Record<string, unknown>>,
): Record<string, OptionValue> => readOptionsOf(`method ${method}`, descriptions, given)

/** The same for any owner of options. @param owner what errors call it: "method snapkv", "task needle" */
export const readOptionsOf = (
  owner: string,
  descriptions: Readonly<Record<string, OptionDescription>>,
  given: Readonly<Record<string, unknown>> = {},
): Record<string, OptionValue> => {
  const names = Object.keys(descriptions)
  const unknown = Object.keys(given).find((name) => !names.includes(name))
  if (unknown !== undefined)
    throw new TypeError(
      `${owner} has no option "${unknown}"; ${names.length > 0 ? `it has ${names.join(', ')}` : 'it has none'}`,
    )
  const read = Object.entries(descriptions).map(([name, description]): [string, OptionValue] => {
    const wanted = given[name] ?? description.default
    const value = description.text ? wanted : fromText(wanted)
    if (!isAllowed(value, description))
      throw new RangeError(
        `option ${name} of ${owner} takes ${kindOf(description)}, got ${JSON.stringify(given[name])}`,
      )
    return [name, value]
  })
  return Object.fromEntries(read)
}
