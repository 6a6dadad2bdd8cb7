/** Which model reads a context: found by fingerprint among those this machine has seen, or named and checked against it. */
import { CompactorError } from '../error.ts'
import type { ContextHeader } from '../index.ts'
import { bytesText } from './figures.ts'
import { builtInModels } from './flags.ts'
import { showPull } from './pull.ts'
import type { Terminal } from './terminal.ts'

interface Made {
  readonly file: string // as the user calls it
  readonly by: ContextHeader['model']
}

/** The path of the model's file. Throws CompactorError('context-mismatch') when it is not here. */
export const findContextModel = async ({ file, by: model }: Made, terminal: Terminal): Promise<string> => {
  const { findModel, listModels } = await import('../index.ts')
  const text = { label: 'looking for the model', rate: (perSecond: number) => `${bytesText(perSecond)}/s` }
  const path = await terminal.during(text, (update) =>
    findModel(model.fingerprint, {
      signal: terminal.signal,
      onProgress: ({ doneBytes, totalBytes }) => update(doneBytes, totalBytes),
      onNote: (sentence) => terminal.note(sentence),
    }),
  )
  if (path !== undefined) return path
  const names = (await listModels()).map(({ name }) => name)
  const isBuiltIn = builtInModels.some((name) => name === model.name)
  const get = isBuiltIn ? `get it with \`compactor pull ${model.name}\` or name` : 'name'
  throw new CompactorError(
    'context-mismatch',
    `${file} was made with the model ${model.name} (sha256 ${model.fingerprint.slice(0, 12)}…), which is not on this machine (here: ${names.join(', ') || 'none'}); ${get} its file with -m`,
  )
}

/** The path of a model that the user named. What cannot be the context's own model is refused, not downloaded. */
export const getNamedModel = async (spec: string, { file, by }: Made, terminal: Terminal): Promise<string> => {
  const { pullModel } = await import('../index.ts')
  try {
    const options = { sha256: by.fingerprint }
    return (await showPull(spec, terminal, (callbacks) => pullModel(spec, { ...callbacks, ...options }))).path
  } catch (cause) {
    if (!(cause instanceof CompactorError) || cause.code !== 'checksum-mismatch') throw cause
    throw new CompactorError(
      'context-mismatch',
      `${file} was made with the model ${by.name} (sha256 ${by.fingerprint.slice(0, 12)}…), but ${cause.message}; leave out -m to ask with the model that made it`,
      { cause },
    )
  }
}
