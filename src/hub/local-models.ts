/** The models that are on this machine: a name, an hf: source or a path to a file. Never asks the network. */

import { existsSync } from 'node:fs'
import { readdir, rm, stat } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { CompactorError } from '../error.ts'
import { fileReason } from '../file-reason.ts'
import { splitNumber, splitParts, withoutSplit } from '../split-name.ts'
import { type CatalogEntry, catalog } from './catalog.ts'
import { type FingerprintOptions, findByFingerprint, fingerprint, rememberedFingerprint } from './fingerprint.ts'
import { type ForeignModel, listForeignModels } from './foreign-models.ts'
import { findForeign, foreignAdvice } from './foreign-name.ts'
import { checkGgufFile } from './gguf-file.ts'
import { type Environment, homeDirectory, modelsDirectory } from './home.ts'
import { hasQuant, isForeignName, localHubName, type ModelSpec, parseModelSpec } from './model-spec.ts'
import { removePartial } from './staging.ts'

export interface LocalModel {
  readonly name: string
  readonly path: string // of the first file, where it has several
  readonly bytes: number // of all
  readonly sha256: string | undefined // known once the file was checked
  readonly builtIn: boolean
}

export interface LookUp {
  readonly home?: string
  readonly env?: Environment
  readonly catalog?: readonly CatalogEntry[]
}

/** What a model given by its path is called. */
export const nameOfPath = (path: string): string => withoutSplit(basename(path).replace(/\.gguf$/i, ''))

export const listModels = async (home: string = homeDirectory()): Promise<LocalModel[]> => {
  const directory = modelsDirectory(home)
  const names = await readdir(directory).catch((error: unknown) => {
    if ((error as { code?: string }).code === 'ENOENT') return []
    throw new CompactorError('file-unreadable', `the folder ${directory} cannot be read: ${fileReason(error)}`, {
      cause: error,
    })
  })
  const models: LocalModel[] = []
  for (const file of names.filter((name) => name.endsWith('.gguf') && !name.startsWith('.')).sort()) {
    const path = join(directory, file)
    // A model in several files stands where its first is, once all are there.
    const bytes = (splitNumber(file)?.number ?? 1) === 1 ? await bytesOf(splitParts(path)) : undefined
    if (bytes === undefined) continue
    const name = nameOfPath(file)
    const sha256 = await rememberedFingerprint(path, home)
    models.push({ name, path, bytes, sha256, builtIn: catalog.some((entry) => entry.name === name) })
  }
  return models
}

/** undefined if one of them is removed since, a link to nowhere, or no file. */
const bytesOf = async (paths: readonly string[]): Promise<number | undefined> => {
  let bytes = 0
  for (const path of paths) {
    const stats = await stat(path).catch(() => undefined)
    if (!stats?.isFile()) return undefined
    bytes += stats.size
  }
  return bytes
}

/** Files of a model of which not all are here: a pull of them was broken off. */
const looseParts = async (home: string, name: string): Promise<string[]> => {
  const directory = modelsDirectory(home)
  const files = await readdir(directory).catch((): string[] => []) // no folder: no files
  return files
    .filter((file) => file.endsWith('.gguf') && splitNumber(file) !== undefined && nameOfPath(file) === name)
    .map((file) => join(directory, file))
}

/** Deletes a model of the home's models folder, by name or hf: source, or what is here of a download that was broken off. */
export const removeModel = async (home: string, name: string): Promise<LocalModel> => {
  const models = await listModels(home)
  const parsed = parseModelSpec(name)
  const model = findLocal(parsed, models)
  if (!model && isForeignName(name))
    throw new CompactorError(
      'model-unknown',
      `${name} belongs to another program and is only read here; remove it with that program`,
    )
  const called = parsed.kind === 'hub' && parsed.file !== undefined ? localHubName(parsed.repo, parsed.file) : name
  const loose = await looseParts(home, model?.name ?? called)
  const partial = await removePartial(home, model?.name ?? called)
  const paths = model ? splitParts(model.path) : loose
  const bytes = (await bytesOf(paths)) ?? 0
  for (const path of paths) await removeFile(path)
  if (!model) {
    const [first] = loose
    if (first !== undefined) return { name, path: first, bytes, sha256: undefined, builtIn: false }
    if (partial) return { ...partial, bytes: partial.doneBytes, sha256: undefined, builtIn: false }
    throw new CompactorError(
      'model-unknown',
      `${name} is not among the models in ${modelsDirectory(home)}: ${nameList(models)}`,
    )
  }
  return model
}

const removeFile = async (path: string): Promise<void> => {
  try {
    await rm(path)
  } catch (cause) {
    throw new CompactorError('write-failed', `${path} could not be removed: ${fileReason(cause)}`, { cause })
  }
}

/** The file behind a name, an hf: source or a path, if it is here; otherwise what is known and what to do. */
export const resolveModel = async (spec: string, options: LookUp = {}): Promise<{ name: string; path: string }> => {
  const parsed = parseModelSpec(spec)
  const { env, home = homeDirectory(env), catalog: entries = catalog } = options
  if (parsed.kind === 'path') {
    const [foreign] = await findForeign(spec, parsed, env)
    if (foreign) return foreign
    await checkGgufFile(parsed.path)
    return { name: nameOfPath(parsed.path), path: resolve(parsed.path) }
  }
  const models = await listModels(home)
  const found = findLocal(parsed, models) ?? (await findBuiltIn(spec, entries, home))
  if (found) return found
  const [foreign] = await findForeign(spec, parsed, env)
  if (foreign) return foreign
  throw unknownModel(spec, parsed, { models, entries, foreign: await listForeignModels(env) })
}

/** A built-in model that was found at another program before. */
const findBuiltIn = async (
  spec: string,
  entries: readonly CatalogEntry[],
  home: string,
): Promise<{ name: string; path: string } | undefined> => {
  const entry = entries.find(({ name }) => name === spec)
  const path = entry && (await findByFingerprint(entry.sha256, home))
  return path === undefined ? undefined : { name: spec, path }
}

/**
 * Path of the model with this sha256: one seen before, wherever it lies, one of which another program says so and is right,
 * or one in the home's models folder.
 */
export const findModel = async (
  sha256: string,
  options: FingerprintOptions & { readonly env?: Environment } = {},
): Promise<string | undefined> => {
  const home = options.home ?? homeDirectory()
  const seen = await findByFingerprint(sha256, home)
  if (seen !== undefined) return seen
  for (const { path, claimedSha256 } of await listForeignModels(options.env))
    if (claimedSha256 === sha256 && (await fingerprint(path, { ...options, home })) === sha256) return path
  for (const model of await listModels(home))
    if (model.sha256 === undefined && (await fingerprint(model.path, { ...options, home })) === sha256)
      return model.path
  return undefined
}

export const findLocal = (spec: ModelSpec, models: readonly LocalModel[]): LocalModel | undefined => {
  if (spec.kind === 'path') return models.find(({ path }) => path === resolve(spec.path))
  if (spec.kind === 'name') return models.find(({ name }) => name === spec.name)
  const { repo, file, quant } = spec
  if (file !== undefined) return models.find(({ name }) => name === localHubName(repo, file))
  const ofRepo = models.filter(({ name }) => name.startsWith(localHubName(repo, '.gguf')))
  const matching = quant === undefined ? ofRepo : ofRepo.filter(({ name }) => hasQuant(name, quant))
  return matching.length === 1 ? matching[0] : undefined
}

const nameList = (models: readonly LocalModel[]): string =>
  models.length === 0 ? 'there is none yet' : models.map(({ name }) => name).join(', ')

export interface KnownModels {
  readonly models: readonly LocalModel[]
  readonly entries: readonly CatalogEntry[]
  readonly foreign: readonly ForeignModel[]
}

export const unknownModel = (
  spec: string,
  parsed: ModelSpec,
  { models, entries, foreign }: KnownModels,
): CompactorError => {
  const pullable = parsed.kind === 'hub' || entries.some(({ name }) => name === spec)
  if (pullable)
    return new CompactorError(
      'model-unknown',
      `the model ${spec} is not on this machine; get it with \`compactor pull ${spec}\``,
    )
  if (isForeignName(spec))
    return new CompactorError(
      'model-unknown',
      `there is no ${spec} on this machine (\`compactor model list\` shows what other programs have here)${foreignAdvice(spec, foreign)}`,
    )
  if (existsSync(spec))
    return new CompactorError(
      'model-unknown',
      `there is no model ${spec}, but a file of that name; if it is a GGUF model, give it as ./${spec}, else a name (\`compactor model list\`)`,
    )
  const known = [...entries, ...models].map(({ name }) => name)
  const meant = foreignAdvice(spec, foreign, known)
  const own = models.filter(({ builtIn }) => !builtIn)
  const local = own.length === 0 ? '' : `; on this machine: ${nameList(own)}`
  return new CompactorError(
    'model-unknown',
    `unknown model ${JSON.stringify(spec)}: built in are ${entries.map(({ name }) => name).join(', ')}${local}; or give hf:user/repo:QUANT or a path to a .gguf file${meant}`,
  )
}
