/**
 * What a model is told of the schema that its answer is held to. The grammar holds it anyway, and small models copy words out
 * of a schema that they are shown, so a single value is spoken of in words and only objects and lists are shown.
 */
import type { JsonSchema } from '../grammar/json-schema.ts'

const words: Readonly<Record<string, string>> = {
  string: 'a short text in quotes',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  null: 'null',
}

/** One sentence. */
export const schemaHint = (schema: JsonSchema): string => {
  const kinds = kindsOf(schema)
  return kinds ? `Answer with ${kinds.join(', or ')}.` : `Answer with JSON of this schema: ${JSON.stringify(schema)}`
}

/** undefined where words do not do. */
const kindsOf = (schema: JsonSchema): readonly string[] | undefined => {
  if (typeof schema === 'boolean') return undefined
  const { type, enum: values, const: value, anyOf, oneOf, $ref } = schema
  if (value !== undefined) return [JSON.stringify(value)]
  if (Array.isArray(values)) return values.map((one) => JSON.stringify(one))
  const options: unknown = anyOf ?? oneOf
  if (Array.isArray(options)) return all(options.map((one) => kindsOf(one as JsonSchema)))
  if ($ref !== undefined) return undefined
  const types: readonly unknown[] = Array.isArray(type) ? type : [type]
  return all(
    types.map((name) => (typeof name === 'string' && Object.hasOwn(words, name) ? [words[name] ?? ''] : undefined)),
  )
}

const all = (lists: readonly (readonly string[] | undefined)[]): readonly string[] | undefined => {
  const known = lists.filter((list) => list !== undefined)
  return known.length === lists.length && known.length > 0 ? known.flat() : undefined
}
