/** Many fields of one document at once: a question for each property of a schema, answered together over the same memory. */
import { CompactorError } from '../error.ts'
import { type JsonSchema, ruleOfSchema } from '../grammar/json-schema.ts'
import type { Answer } from './answer.ts'
import { batch } from './batch.ts'
import { refuseUnknown } from './check-options.ts'
import type { Context } from './context.ts'
import type { AnswerInfo } from './protocol.ts'
import type { SamplingOptions } from './sampler.ts'
import type { WorkerClient } from './worker-client.ts'

export interface ExtractOptions extends SamplingOptions {
  /** At most this many tokens for each field. Default 128. */
  readonly maxTokens?: number | undefined
  /** How many passages of the document, from 1 to 50, each field's info names as `sources`; see AskOptions. Default: none. */
  readonly sources?: number | undefined
  /**
   * Every field is what its question gets by itself, bit for bit, whatever else is asked; see BatchOptions. Default true; false is up
   * to 1.5 times as fast, and a near tie between two tokens may end the other way.
   */
  readonly asAlone?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

export interface Extracted {
  /** In the order of the schema; a field that is not required and not in the document is left out. */
  readonly object: Readonly<Record<string, unknown>>
  /** What each field cost, by its name. */
  readonly fields: Readonly<Record<string, AnswerInfo>>
}

const defaultMaxTokens = 128
const optionNames = ['maxTokens', 'sources', 'asAlone', 'temperature', 'topK', 'topP', 'minP', 'seed', 'signal']

/**
 * Throws what `extract` would refuse this schema with, before a document is read: CompactorError('usage'), naming the property
 * and what of it is not understood.
 */
export const checkExtractSchema = (schema: JsonSchema): void => {
  fieldsOf(schema)
}

export const extract = async (
  client: WorkerClient,
  context: Context,
  schema: JsonSchema,
  { asAlone = true, ...options }: ExtractOptions,
): Promise<Extracted> => {
  refuseUnknown('extract', options, optionNames)
  const fields = fieldsOf(schema)
  const asked = longestFirst(fields)
  const asks = asked.map(({ question, schema }) => ({
    ...options,
    maxTokens: options.maxTokens ?? defaultMaxTokens,
    context,
    question,
    schema,
  }))
  const begun = batch(client, undefined, asks, { asAlone })
  const answers = fields.map((field) => begun[asked.indexOf(field)] as Answer)
  try {
    const values = await Promise.all(answers.map(({ object }) => object))
    const infos = await Promise.all(answers.map(({ done }) => done))
    const found = fields.flatMap(({ name, isNeeded }, i) =>
      values[i] === null && !isNeeded ? [] : [[name, values[i]] as const],
    )
    return {
      object: Object.fromEntries(found),
      fields: Object.fromEntries(fields.map(({ name }, i) => [name, infos[i] as AnswerInfo])),
    }
  } finally {
    for (const answer of answers) answer.stop() // one that failed ends the others
  }
}

interface Field {
  readonly name: string
  readonly question: string
  readonly schema: JsonSchema
  readonly isNeeded: boolean
  readonly mostText: number
}

/** What may take the most steps waits for nothing, so that it does not end alone, long after the others. */
const longestFirst = (fields: readonly Field[]): Field[] =>
  [...fields].sort((a, b) => (a.mostText === b.mostText ? 0 : b.mostText - a.mostText))

/** Characters that a value may have; what is not bound may have any number. */
const mostTextOf = (schema: JsonSchema): number => {
  if (typeof schema !== 'object') return Number.POSITIVE_INFINITY
  const { type, maxLength } = schema
  if (typeof maxLength === 'number') return maxLength
  const isShort = 'enum' in schema || 'const' in schema || shortTypes.some((short) => short === type)
  return isShort ? 0 : Number.POSITIVE_INFINITY
}

const shortTypes = ['integer', 'number', 'boolean', 'null']

type SchemaObject = Exclude<JsonSchema, boolean>

/** Throws CompactorError('usage') for a schema that is not of an object with properties, or cannot be kept to. */
const fieldsOf = (schema: JsonSchema): Field[] => {
  const properties = typeof schema === 'object' && schema !== null ? schema.properties : undefined
  if (typeof schema !== 'object' || typeof properties !== 'object' || properties === null)
    throw new CompactorError(
      'usage',
      'the schema must be of an object with properties, a field each, as {"type":"object","properties":{"date":{"type":"string"}}}',
    )
  const { $defs, definitions, required } = schema
  const needed: readonly unknown[] = Array.isArray(required) ? required : []
  const shared = { ...($defs === undefined ? {} : { $defs }), ...(definitions === undefined ? {} : { definitions }) }
  const entries = Object.entries(properties as Record<string, JsonSchema>)
  if (entries.length === 0) throw new CompactorError('usage', 'the schema has no property; name at least one field')
  return entries.map(([name, own]) => {
    const isNeeded = needed.includes(name)
    ruleOfSchema(withShared(own, shared), `/properties/${name}`) // by the place that the caller knows, not by that in a question's schema
    const schema = isNeeded ? withShared(own, shared) : { ...shared, anyOf: [own, { type: 'null' }] }
    return { name, question: questionOf(name, own, isNeeded), schema, isNeeded, mostText: mostTextOf(own) }
  })
}

const withShared = (schema: JsonSchema, shared: SchemaObject): JsonSchema =>
  typeof schema === 'object' ? { ...shared, ...schema } : schema

/** A description that is a question already is asked as it is. Exported for tests. */
export const questionOf = (name: string, schema: JsonSchema, isNeeded: boolean): string => {
  const { title, description } = typeof schema === 'object' ? schema : {}
  const told = [description, title].find((text) => typeof text === 'string' && text.trim() !== '') as string | undefined
  const about = (told ?? spaced(name)).trim().replace(/[.?]+$/, '')
  const asked = asksAlready.test(about) ? upperFirst(about) : `What is ${hasArticle.test(about) ? '' : 'the '}${about}`
  return `${asked}?${isNeeded ? '' : ' If the document does not say, answer null.'}`
}

const asksAlready = /^(who|what|which|when|where|why|how|is|are|was|were|does|do|did|has|have|can)\b/i
const hasArticle = /^(the|an?|all|any|this|that|its|their)\b/i

/** `signedOn`, `signed_on` → signed on */
const spaced = (name: string): string =>
  name
    .replaceAll(/[_-]+/g, ' ')
    .replaceAll(/(\p{Ll})(\p{Lu})/gu, (_, a: string, b: string) => `${a} ${b.toLowerCase()}`)

const upperFirst = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)
