/** A GGUF file opened for computing: mapped, understood, its tokenizer and template ready. Lives in the worker. */
import { basename } from 'node:path'
import type { Ops } from '../backends/ops.ts'
import { CompactorError } from '../error.ts'
import { ggufWeights } from '../formats/gguf-weights.ts'
import { openGguf } from '../formats/open-gguf.ts'
import { architectureOf } from '../models/index.ts'
import type { Model, ModelConfig } from '../models/model.ts'
import { createTemplate, createTurn, type Template } from '../tokenizer/template.ts'
import { createTokenizer, type Tokenizer } from '../tokenizer/tokenizer.ts'
import { Shared } from './shared.ts'

export interface ModelFile {
  readonly name: string
  readonly fingerprint: string
  readonly source: string // file name
  readonly model: Model
  readonly tokenizer: Tokenizer
  /** The chat template's pieces around document and question; rendered when a document is compressed. */
  template(system?: string): Promise<Template>
  /** What stands between an answer and the next question; rendered when a conversation begins. */
  turn(): Promise<Uint32Array>
  /** Its contexts own it too. */
  readonly owners: Shared
}

export interface ModelFileSource {
  readonly path: string
  readonly name: string
  readonly fingerprint: string
}

/** Throws CompactorError: 'file-unreadable', 'model-corrupt', 'model-unsupported'. */
export const openModelFile = (ops: Ops, { path, name, fingerprint }: ModelFileSource): ModelFile => {
  const file = openGguf(path, name)
  try {
    const { gguf } = file
    const weights = ggufWeights(ops, gguf)
    const architecture = architectureOf(gguf.metadata.get('general.architecture'))
    const model = architecture.create(ops, architecture.readConfig(gguf.metadata, weights), weights)
    const tokenizer = createTokenizer(gguf.metadata)
    checkVocabulary(model.config, tokenizer, name)
    return {
      name,
      fingerprint,
      source: basename(path),
      model,
      tokenizer,
      template: (system) => createTemplate(gguf.metadata, tokenizer, system),
      turn: () => createTurn(gguf.metadata, tokenizer),
      owners: new Shared(() => file.release()),
    }
  } catch (error) {
    file.release()
    throw error
  }
}

/** What the model says must be a token, and what is said to it a row of its embedding. */
const checkVocabulary = ({ vocabularySize }: ModelConfig, tokenizer: Tokenizer, name: string): void => {
  if (tokenizer.vocabularySize !== vocabularySize)
    throw new CompactorError(
      'model-corrupt',
      `the tokenizer of ${name} has ${tokenizer.vocabularySize} tokens and its embedding ${vocabularySize} rows, expected one for each; get the file again`,
    )
}
