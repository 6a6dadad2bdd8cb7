/** Which model reads a context: found by fingerprint among those this machine has seen, or named and checked against it. */
import type { Command } from 'commander'
import { CompactorError } from '../error.ts'
import type { ContextHeader, PulledModel } from '../index.ts'
import { bytesText } from './figures.ts'
import { givenName } from './flag-names.ts'
import { builtInModels, given } from './flags.ts'
import { showPull } from './pull.ts'
import type { Terminal } from './terminal.ts'

interface Made {
  readonly file: string // as the user calls it
  readonly by: ContextHeader['model']
}

/** Models that the user said something about. */
export interface Wanted {
  /** On the command line: this one or none. */
  readonly named: string | undefined
  /** In the environment or the file: for a context only if it is the very model that made it. */
  readonly preferred: { readonly spec: string; readonly from: string } | undefined
  readonly offline?: boolean | undefined
}

export const wantedModel = (command: Command, { model, offline }: { model?: string; offline?: boolean }): Wanted => {
  const option = command.options.find(({ long }) => long === '--model')
  if (model === undefined || option === undefined) return { named: undefined, preferred: undefined, offline }
  const isNamed = command.getOptionValueSource('model') === 'cli'
  const preferred = isNamed ? undefined : { spec: model, from: givenName(command, option) }
  return { named: isNamed ? model : undefined, preferred, offline }
}

/**
 * The path of the file of the model that made a context. Throws CompactorError('context-mismatch') when it is not here, or the
 * named one is another.
 */
export const getContextModel = async (made: Made, wanted: Wanted, terminal: Terminal): Promise<string> => {
  const search = { made, offline: wanted.offline, terminal }
  if (wanted.named !== undefined) return getNamedModel(wanted.named, search)
  const found = await findMaker(made, terminal)
  if (found !== undefined) return found
  const { preferred } = wanted
  const tried = preferred === undefined ? { why: '' } : await tryPreferred(preferred, search)
  if ('path' in tried) return tried.path
  throw await notHere(made, tried.why)
}

interface Search {
  readonly made: Made
  readonly offline: boolean | undefined
  readonly terminal: Terminal
}

/** Among the models that this machine has seen. */
const findMaker = async ({ by }: Made, terminal: Terminal): Promise<string | undefined> => {
  const { findModel } = await import('../index.ts')
  const text = { label: 'looking for the model', rate: (perSecond: number) => `${bytesText(perSecond)}/s` }
  return terminal.during(text, (update) =>
    findModel(by.fingerprint, {
      signal: terminal.signal,
      onProgress: ({ doneBytes, totalBytes }) => update(doneBytes, totalBytes),
      onNote: (sentence) => terminal.note(sentence),
    }),
  )
}

/** → why it is not the one, to go on a sentence with */
const tryPreferred = async (
  { spec, from }: NonNullable<Wanted['preferred']>,
  search: Search,
): Promise<{ readonly path: string } | { readonly why: string }> => {
  const { by } = search.made
  try {
    const { path, sha256 } = await pullExactly(spec, search)
    return sha256 === by.fingerprint
      ? { path }
      : { why: `; ${from} names ${spec}, which is another (sha256 ${sha256.slice(0, 12)}…)` }
  } catch (cause) {
    if (!(cause instanceof CompactorError) || search.terminal.signal.aborted) throw cause
    return { why: `; ${from} names ${spec}, which cannot be used: ${cause.message}` }
  }
}

const pullExactly = async (spec: string, { made: { by }, offline, terminal }: Search): Promise<PulledModel> => {
  const { pullModel } = await import('../index.ts')
  const sha256 = by.fingerprint
  return showPull(spec, terminal, (callbacks) => pullModel(spec, { ...callbacks, ...given({ offline }), sha256 }))
}

const notHere = async ({ file, by: model }: Made, why: string): Promise<CompactorError> => {
  const { listModels } = await import('../index.ts')
  const names = (await listModels()).map(({ name }) => name)
  const isBuiltIn = builtInModels.some((name) => name === model.name)
  const get = isBuiltIn ? `get it with \`compactor pull ${model.name}\` or name` : 'name'
  return new CompactorError(
    'context-mismatch',
    `${file} was made with the model ${model.name} (sha256 ${model.fingerprint.slice(0, 12)}…), which is not on this machine (here: ${names.join(', ') || 'none'})${why}; ${get} its file with -m`,
  )
}

/** What cannot be the context's own model is refused, not downloaded. */
const getNamedModel = async (spec: string, search: Search): Promise<string> => {
  const { file, by } = search.made
  const mismatch = (what: string, options?: { cause: unknown }): CompactorError =>
    new CompactorError(
      'context-mismatch',
      `${file} was made with the model ${by.name} (sha256 ${by.fingerprint.slice(0, 12)}…), but ${what}; leave out -m to ask with the model that made it`,
      options,
    )
  const { name, path, sha256 } = await pullExactly(spec, search).catch((cause: unknown) => {
    if (!(cause instanceof CompactorError) || cause.code !== 'checksum-mismatch') throw cause
    throw mismatch(cause.message, { cause })
  })
  // Before it is loaded, which takes long of a large one.
  if (sha256 !== by.fingerprint) throw mismatch(`${name} has sha256 ${sha256.slice(0, 12)}…`)
  return path
}
