/** Which model made a context: found by fingerprint among those this machine has seen, wherever the context came from. */
import { CompactorError } from '../error.ts'
import type { ContextHeader } from '../index.ts'
import { bytesText } from './figures.ts'
import type { Terminal } from './terminal.ts'

/** The path of the model's file. Throws CompactorError('context-mismatch') when it is not here. */
export const findContextModel = async (file: string, { model }: ContextHeader, terminal: Terminal): Promise<string> => {
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
  throw new CompactorError(
    'context-mismatch',
    `${file} was made with the model ${model.name} (sha256 ${model.fingerprint.slice(0, 12)}…), which is not on this machine (here: ${names.join(', ') || 'none'}); get it with \`compactor pull\` or name its file with -m`,
  )
}
