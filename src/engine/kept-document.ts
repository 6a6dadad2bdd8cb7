/**
 * A .cctx as somebody who reads it would see it: the document's tokens in order with how many heads keep each. Nothing is
 * computed, so neither an engine nor the model's weights are needed; only the tokenizer in the model's file turns ids to text.
 */
import { basename } from 'node:path'
import { createReferenceOps } from '../backends/reference.ts'
import { wholeLayerCount } from '../cache/block.ts'
import type { ContextHeader } from '../cache/cctx-header.ts'
import { checkModel, openContext } from '../cache/cctx-open.ts'
import { keptHeadCounts } from '../cache/kept-tokens.ts'
import { CompactorError } from '../error.ts'
import { mapFile } from '../formats/map-file.ts'
import { openGguf } from '../formats/open-gguf.ts'
import { fingerprint } from '../hub/fingerprint.ts'
import { nameOfPath } from '../hub/local-models.ts'
import { tokenTexts } from '../tokenizer/token-texts.ts'
import { createTokenizer } from '../tokenizer/tokenizer.ts'
import { refuseUnknown } from './check-options.ts'

export interface KeptDocument {
  readonly header: ContextHeader
  readonly fileBytes: number
  /** Of each token; '' where a character ends in a later one. Ids instead where no model was given. */
  readonly tokens: readonly string[]
  /** What was read before the document; kept whole. '' where no model was given. */
  readonly head: string
  readonly kept: readonly Uint16Array[] // [layer][token], KV heads that keep it
  readonly bytes: number // keys and values kept, without what was read before it in layers that see everything
  readonly fullBytes: number
}

export interface KeptDocumentOptions {
  /** The file of the model that made it; without it there are ids instead of text. */
  readonly modelPath?: string
  /** Where the model's sha256 is remembered. Default: COMPACTOR_HOME. */
  readonly home?: string
  readonly signal?: AbortSignal
}

/**
 * Throws TypeError for an unknown option; CompactorError: 'file-unreadable', 'context-corrupt', 'context-unsupported',
 * 'context-mismatch' (another model's), 'model-corrupt', 'model-unsupported', 'aborted'.
 */
export const readKeptDocument = async (path: string, options: KeptDocumentOptions = {}): Promise<KeptDocument> => {
  refuseUnknown('readKeptDocument', options, ['modelPath', 'home', 'signal'])
  const { modelPath, ...rest } = options
  const model =
    modelPath === undefined ? undefined : { path: modelPath, fingerprint: await fingerprint(modelPath, rest) }
  const ops = createReferenceOps()
  const opened = await openContext(path, ops, mapFile)
  try {
    const { header, block, tokenIds, fileBytes } = opened
    if (model) checkModel(header, { name: nameOfPath(model.path), fingerprint: model.fingerprint })
    const { bytesPerPair, pairBytes, windowBytes } = block.stats()
    const heads = wholeLayerCount(block.shape) * block.shape.kvHeadCount
    return {
      header,
      fileBytes,
      ...(model === undefined
        ? { tokens: Array.from(tokenIds, (id) => ` ${id}`), head: '' }
        : textsOf(model.path, { path, document: tokenIds, head: header.template.pieces.head ?? [] })),
      kept: keptHeadCounts(block),
      bytes: pairBytes + windowBytes,
      fullBytes: bytesPerPair * heads * block.documentTokens + windowBytes,
    }
  } finally {
    opened.release()
    ops.dispose()
  }
}

const textsOf = (
  modelPath: string,
  { path, document, head }: { readonly path: string; readonly document: Uint32Array; readonly head: readonly number[] },
): Pick<KeptDocument, 'tokens' | 'head'> => {
  const file = openGguf(modelPath, basename(modelPath))
  try {
    const tokenizer = createTokenizer(file.gguf.metadata)
    const texts = (ids: Iterable<number>): string[] => tokenTexts(tokenizer, ids)
    if ([...head, ...document].some((id) => id >= tokenizer.vocabularySize))
      throw new CompactorError(
        'context-corrupt',
        `${basename(path)} holds tokens that ${basename(modelPath)} does not have; compress the document again`,
      )
    return { tokens: texts(document), head: texts(head).join('') }
  } finally {
    file.release()
  }
}
