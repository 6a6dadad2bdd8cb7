/** Which of the models on this machine made a context: found by fingerprint, wherever the file came from. */

import { CompactorError } from '../error.ts'
import type { ContextHeader, LocalModel } from '../index.ts'
import { showPull } from './pull.ts'
import type { Terminal } from './terminal.ts'

/** The path of the model's file. Throws CompactorError('context-mismatch') when it is not here. */
export const findContextModel = async (file: string, { model }: ContextHeader, terminal: Terminal): Promise<string> => {
  const { listModels } = await import('../index.ts')
  const models = await listModels()
  const known = models.find(({ sha256 }) => sha256 === model.fingerprint)
  if (known) return known.path
  const elsewhere = await checkCandidate(model.source, model.fingerprint, terminal)
  if (elsewhere) return model.source
  for (const { path } of models.filter(({ sha256 }) => sha256 === undefined))
    if (await checkCandidate(path, model.fingerprint, terminal)) return path
  throw new CompactorError('context-mismatch', missingModel(file, model, models))
}

/** Whether a file is the model; a path that leads nowhere is not. */
const checkCandidate = async (path: string, fingerprint: string, terminal: Terminal): Promise<boolean> => {
  if (!path.endsWith('.gguf')) return false
  const { pullModel } = await import('../index.ts')
  try {
    const { sha256 } = await showPull(path, terminal, (callbacks) => pullModel(path, callbacks))
    return sha256 === fingerprint
  } catch (error) {
    if (error instanceof CompactorError && ['file-unreadable', 'model-corrupt'].includes(error.code)) return false
    throw error
  }
}

const missingModel = (file: string, model: ContextHeader['model'], models: readonly LocalModel[]): string => {
  const here = models.length === 0 ? 'no model' : models.map(({ name }) => name).join(', ')
  return `${file} was made with the model ${model.name} (sha256 ${model.fingerprint.slice(0, 12)}…), but on this machine there is ${here}; get that model (\`compactor pull\`) or name its file with -m`
}
