/** What a user may call a model of another program: as it is listed, as that program calls it, or nearly so. */
import { existsSync } from 'node:fs'
import { didYouMean } from '../nearest-name.ts'
import { splitPath, withoutSplit } from '../split-name.ts'
import { type ForeignModel, listForeignModels } from './foreign-models.ts'
import type { Environment } from './home.ts'
import type { ModelSpec } from './model-spec.ts'

/** The name in the list that a text stands for; undefined for one that can stand for none. */
const listedName = (spec: string): string | undefined => {
  if (spec.startsWith('llama.cpp:')) return withoutSplit(spec.replace(/\.gguf$/i, ''))
  if (spec.startsWith('hf:')) return splitPath(spec, 1) // of a model in several files the first is listed
  if (/^ollama:[^:]+$/.test(spec)) return `${spec}:latest` // as Ollama itself takes it
  if (spec.startsWith('ollama:')) return spec
  return /^[^:]+:[^/\\:]+$/.test(spec) ? `ollama:${spec}` : undefined // as Ollama itself shows it
}

/** A path with a colon behind its last slash, where no such file is, may be Ollama's USER/NAME:TAG. */
const mayBeForeign = (spec: string, { kind }: ModelSpec): boolean => kind !== 'path' || !existsSync(spec)

/** Models of other programs that a user means by this text; several where the same is there twice. */
export const findForeign = async (
  spec: string,
  parsed: ModelSpec,
  env: Environment | undefined,
): Promise<ForeignModel[]> => {
  const wanted = mayBeForeign(spec, parsed) ? listedName(spec) : undefined
  return wanted === undefined ? [] : (await listForeignModels(env)).filter(({ name }) => name === wanted)
}

const ollamaName = (name: string): string => name.replace(/^ollama:/, '').replace(/:[^/:]*$/, '')

/**
 * To end a sentence with that there is no such model: Ollama's tags of that name, else what is written nearly so, also among
 * `others`.
 */
export const foreignAdvice = (
  spec: string,
  models: readonly ForeignModel[],
  others: readonly string[] = [],
): string => {
  const tags = models.filter(({ name, owner }) => owner === 'Ollama' && ollamaName(name) === ollamaName(spec))
  const [first, ...more] = tags.map(({ name }) => name)
  if (first === undefined) return didYouMean(spec, [...others, ...models.map(({ name }) => name)])
  if (more.length === 0) return `; Ollama has ${ollamaName(spec)} here with one tag: did you mean ${first}?`
  return `; Ollama has ${ollamaName(spec)} here with ${more.length + 1} tags: ${[first, ...more].join(', ')}`
}
