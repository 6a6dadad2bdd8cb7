/** The example document, as long as a measurement needs it. */
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { createReferenceOps } from '../src/backends/reference.ts'
import { openModelFile } from '../src/engine/model-file.ts'

export const modelFile = (model: string): string =>
  join(process.env.COMPACTOR_HOME ?? join(homedir(), '.compactor'), 'models', `${model}.gguf`)

/** Over and over, at least as long as `tokens` tokens. */
export const exampleText = (tokens: number): string =>
  readFileSync(new URL('../examples/document.txt', import.meta.url), 'utf8').repeat(
    Math.max(1, Math.ceil(tokens / 3000)),
  )

/** Over and over, cut after exactly `tokens` tokens. */
export const documentOf = (model: string, tokens: number): string => {
  const source = { path: modelFile(model), name: model, fingerprint: '' }
  const { tokenizer } = openModelFile(createReferenceOps(), source)
  const text = exampleText(tokens)
  const end = tokenizer.encodeWithOffsets(text).offsets[tokens]
  return Buffer.from(text).subarray(0, end).toString()
}
