/**
 * JSON Schema to a rule of texts, for the part of it that can be kept to while a text is written: types, properties in
 * their order, lists, enumerations, lengths, bounds of whole numbers, alternatives, references. What it does not know it
 * refuses by name, for a schema that is silently half kept to would be worse.
 */
import { CompactorError } from '../error.ts'
import { integersBetween } from './integers.ts'
import { anyObject, anyValue, colon, comma, listText, numberText, stringText } from './json-text.ts'
import { choice, leastBytes, literal, type Rule, reference, sequence } from './rule.ts'

export type JsonSchema = boolean | { readonly [keyword: string]: unknown }
type SchemaObject = Exclude<JsonSchema, boolean>

/** Said for people and programs; they change nothing of what is allowed. */
const annotations = [
  ...['$schema', '$id', '$comment', '$defs', 'definitions', 'title', 'description', 'default', 'examples'],
  ...['deprecated', 'readOnly', 'writeOnly'],
]

/** Keywords of each type, beside `type` and the annotations. */
const keywordsOf: Readonly<Record<string, readonly string[]>> = {
  object: ['properties', 'required', 'additionalProperties'],
  array: ['items', 'minItems', 'maxItems'],
  string: ['minLength', 'maxLength'],
  integer: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'],
  number: ['minimum'],
  boolean: [],
  null: [],
}

const refuse = (path: string, what: string): CompactorError =>
  new CompactorError('usage', `the schema cannot be kept to: ${path === '' ? 'it' : `${path}`} ${what}`)

/**
 * Throws CompactorError('usage') for a schema that is malformed, or has what is not known here, naming it.
 * @param at where the schema stands in a larger one, for these sentences: `/properties/date`
 */
export const ruleOfSchema = (schema: JsonSchema, at = ''): Rule => {
  const rule = new Compiler(schema, at).rule
  if (!Number.isFinite(leastBytes(rule).get(rule) ?? Number.POSITIVE_INFINITY))
    throw refuse(at, 'allows no value that ends; give a reference to itself a way out, such as an optional property')
  return rule
}

class Compiler {
  readonly #root: JsonSchema
  readonly #at: string
  readonly #references = new Map<string, Rule>()

  constructor(root: JsonSchema, at: string) {
    this.#root = root
    this.#at = at
  }

  get rule(): Rule {
    return this.#rule(this.#root, this.#at)
  }

  #rule(schema: unknown, path: string): Rule {
    if (schema === true) return anyValue
    if (typeof schema !== 'object' || schema === null || Array.isArray(schema))
      throw refuse(path, `must be an object or true, got ${JSON.stringify(schema)}`)
    const own = schema as SchemaObject
    const alone = (keyword: string): unknown => {
      const other = Object.keys(own).find(
        (key) => key !== keyword && key !== 'type' && own[key] !== undefined && !annotations.includes(key),
      )
      if (other !== undefined) throw refuse(path, `has both ${keyword} and ${other}, which are not understood together`)
      return own[keyword]
    }
    if ('$ref' in own) return this.#reference(alone('$ref'), path)
    if ('const' in own) return literal(JSON.stringify(alone('const')))
    if ('enum' in own)
      return oneOf(listed(alone('enum'), `${path}/enum`).map((value) => literal(JSON.stringify(value))))
    for (const keyword of ['anyOf', 'oneOf'])
      if (keyword in own)
        return oneOf(
          listed(alone(keyword), `${path}/${keyword}`).map((one, i) => this.#rule(one, `${path}/${keyword}/${i}`)),
        )
    return this.#typed(own, path)
  }

  #typed(schema: SchemaObject, path: string): Rule {
    const types = typesOf(schema, path)
    const known = new Set([...annotations, 'type', ...types.flatMap((type) => keywordsOf[type] ?? [])])
    const unknown = Object.keys(schema).find((key) => !known.has(key))
    if (unknown !== undefined)
      throw refuse(
        path,
        `has ${unknown}, which is not understood here; known are ${[...known].slice(annotations.length).join(', ')}, enum, const, anyOf, oneOf, $ref`,
      )
    if (types.length === 0) return anyValue
    return oneOf(types.map((type) => this.#ofType(type, schema, path)))
  }

  #ofType(type: string, schema: SchemaObject, path: string): Rule {
    switch (type) {
      case 'object':
        return this.#object(schema, path)
      case 'array': {
        const item = 'items' in schema ? this.#rule(schema.items, `${path}/items`) : anyValue
        return listText(item, ...bounds(schema, ['minItems', 'maxItems'], path))
      }
      case 'string':
        return stringText(...bounds(schema, ['minLength', 'maxLength'], path))
      case 'integer':
        return integersOf(schema, path)
      case 'number':
        if (schema.minimum !== undefined && schema.minimum !== 0)
          throw refuse(
            path,
            `has minimum ${JSON.stringify(schema.minimum)}; of numbers that need not be whole, only 0 is understood`,
          )
        return numberText({ isPositive: schema.minimum === 0 })
      case 'boolean':
        return choice(literal('true'), literal('false'))
      default:
        return literal('null')
    }
  }

  /** Properties in the order of the schema; those that are not required may be left out. */
  #object(schema: SchemaObject, path: string): Rule {
    const { properties, required = [], additionalProperties } = schema
    if (properties === undefined) {
      if (additionalProperties === false) return literal('{}')
      if (listed(required, `${path}/required`, 0).length === 0 && !isSchema(additionalProperties)) return anyObject
      throw refuse(path, 'is an object without properties; name them in properties')
    }
    if (typeof properties !== 'object' || properties === null)
      throw refuse(path, `needs an object of properties, got ${JSON.stringify(properties)}`)
    const names = Object.keys(properties)
    const needed = listed(required, `${path}/required`, 0)
    const missing = needed.find((name) => typeof name !== 'string' || !names.includes(name))
    if (missing !== undefined)
      throw refuse(path, `requires ${JSON.stringify(missing)}, which is not among its properties`)
    const members = names.map((name) => ({
      isNeeded: needed.includes(name),
      rule: sequence(
        literal(JSON.stringify(name)),
        colon,
        this.#rule((properties as Record<string, unknown>)[name], `${path}/properties/${name}`),
      ),
    }))
    return sequence(literal('{'), membersFrom(members), literal('}'))
  }

  /** One rule for each place that is referred to, made when it is first met, so that it may refer to itself. */
  #reference(target: unknown, path: string): Rule {
    if (typeof target !== 'string' || !/^#(\/|$)/.test(target))
      throw refuse(
        path,
        `refers to ${JSON.stringify(target)}; only places in the same schema, as #/$defs/name, are understood`,
      )
    const known = this.#references.get(target)
    if (known) return known
    let made: Rule | undefined
    const rule = reference(() => {
      if (!made) throw new TypeError(`${target} is used before it is made`)
      return made
    })
    this.#references.set(target, rule)
    made = this.#rule(this.#find(target, path), target)
    return rule
  }

  #find(target: string, path: string): unknown {
    const steps = target.split('/').slice(1)
    let found: unknown = this.#root
    for (const step of steps) {
      const key = decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~')
      if (typeof found !== 'object' || found === null || !Object.hasOwn(found, key))
        throw refuse(path, `refers to ${target}, where there is nothing`)
      found = (found as Record<string, unknown>)[key]
    }
    return found
  }
}

interface Member {
  readonly isNeeded: boolean
  readonly rule: Rule
}

/** From the last member to the first: what may follow when something stands before, and when nothing does. */
const membersFrom = (members: readonly Member[]): Rule => {
  let [first, later]: [Rule, Rule] = [sequence(), sequence()]
  for (const { isNeeded, rule } of [...members].reverse()) {
    const taken = [sequence(rule, later), sequence(comma, rule, later)] as const
    ;[first, later] = isNeeded ? [...taken] : [choice(taken[0], first), choice(taken[1], later)]
  }
  return first
}

const oneOf = (options: readonly Rule[]): Rule => (options.length === 1 && options[0] ? options[0] : choice(...options))

const isSchema = (value: unknown): boolean => value !== undefined && typeof value !== 'boolean'

const listed = (value: unknown, path: string, least = 1): readonly unknown[] => {
  if (Array.isArray(value) && value.length >= least) return value
  throw refuse(path, `must be a list${least > 0 ? ' of at least one' : ''}, got ${JSON.stringify(value)}`)
}

/** The types named; where none is, the one that its keywords speak of; none at all where everything is allowed. */
const typesOf = (schema: SchemaObject, path: string): readonly string[] => {
  const { type } = schema
  const inferred = 'properties' in schema ? ['object'] : 'items' in schema ? ['array'] : []
  const types = type === undefined ? inferred : Array.isArray(type) ? type : [type]
  const unknown = types.find((name) => typeof name !== 'string' || !Object.hasOwn(keywordsOf, name))
  if (unknown === undefined) return types
  throw refuse(path, `has type ${JSON.stringify(unknown)}; there are ${Object.keys(keywordsOf).join(', ')}`)
}

const bounds = (schema: SchemaObject, [low, high]: readonly [string, string], path: string): [number, number] => {
  const read = (keyword: string, otherwise: number): number => {
    const value = schema[keyword] ?? otherwise
    if (typeof value === 'number' && (value === otherwise || (Number.isInteger(value) && value >= 0))) return value
    throw refuse(path, `has ${keyword} ${JSON.stringify(value)}, expected a whole number from 0`)
  }
  const found: [number, number] = [read(low, 0), read(high, Number.POSITIVE_INFINITY)]
  if (found[0] > found[1]) throw refuse(path, `has ${low} ${found[0]} above ${high} ${found[1]}`)
  return found
}

const integersOf = (schema: SchemaObject, path: string): Rule => {
  const read = (keyword: string): number | undefined => {
    const value = schema[keyword]
    if (value === undefined || typeof value === 'number') return value
    throw refuse(path, `has ${keyword} ${JSON.stringify(value)}, expected a number`)
  }
  const [above, below] = [read('exclusiveMinimum'), read('exclusiveMaximum')]
  const low = Math.max(
    Number.MIN_SAFE_INTEGER,
    Math.ceil(read('minimum') ?? Number.NEGATIVE_INFINITY),
    above === undefined ? Number.NEGATIVE_INFINITY : Math.floor(above) + 1,
  )
  const high = Math.min(
    Number.MAX_SAFE_INTEGER,
    Math.floor(read('maximum') ?? Number.POSITIVE_INFINITY),
    below === undefined ? Number.POSITIVE_INFINITY : Math.ceil(below) - 1,
  )
  if (low > high) throw refuse(path, 'has bounds between which there is no whole number')
  return integersBetween(low, high)
}
