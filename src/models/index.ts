/** The table of architectures, found by `general.architecture`. A new model is one file and one line here. */
import { CompactorError } from '../error.ts'
import { shown } from '../shown.ts'
import { gemma3 } from './gemma3.ts'
import { llama } from './llama.ts'
import type { Architecture } from './model.ts'
import { qwen2 } from './qwen2.ts'
import { qwen3 } from './qwen3.ts'

export const architectures: readonly Architecture[] = [llama, qwen2, qwen3, gemma3]

/** Throws CompactorError('model-unsupported') with the list of what works. */
export const architectureOf = (name: unknown): Architecture => {
  const found = architectures.find((architecture) => architecture.name === name)
  if (found) return found
  const list = architectures.map((architecture) => architecture.name).join(', ')
  throw new CompactorError(
    'model-unsupported',
    `architecture ${name === undefined ? '(none named)' : shown(name)} is not supported; take a model of one that is: ${list}`,
  )
}
