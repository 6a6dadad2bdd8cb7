/** A context as the worker holds it: made from a document, opened from a file, written to one. */
import { createHash } from 'node:crypto'
import { basename } from 'node:path'
import type { Ops, Precision } from '../backends/ops.ts'
import { type Block, elementBytes, wholeLayerCount, windowTokens } from '../cache/block.ts'
import type { ContextHeader, ContextOrigin } from '../cache/cctx-header.ts'
import { checkModel, openContext } from '../cache/cctx-open.ts'
import { writeContext } from '../cache/cctx-write.ts'
import { storePlaces } from '../documents/stored-places.ts'
import { CompactorError } from '../error.ts'
import { mapFile } from '../formats/map-file.ts'
import { createMethod } from '../methods/index.ts'
import type { ModelConfig } from '../models/model.ts'
import { countText } from '../number-text.ts'
import type { Template } from '../tokenizer/template.ts'
import { version } from '../version.ts'
import { blockShapeOf } from './block-shape.ts'
import { type BudgetShape, describeKeep, pairsPerLayer } from './budget.ts'
import type { Control } from './control.ts'
import { checkDocumentFit } from './fit.ts'
import type { ModelFile } from './model-file.ts'
import { type Prefilled, prefill } from './prefill.ts'
import type { CompressRequest, ContextInfo, SaveRequest } from './protocol.ts'
import { Shared } from './shared.ts'
import { type SizePlan, sizePlan } from './size-plan.ts'
import { type Spent, spending } from './spending.ts'
import { statsOf } from './stats.ts'
import { streamsOf } from './streams.ts'

export interface ContextState {
  readonly model: ModelFile
  readonly block: Block
  readonly origin: ContextOrigin
  readonly tokenIds: Uint32Array // [tokens] of the document
  readonly sourceOffsets: Uint32Array // [tokens], UTF-8 bytes
  readonly warnings: readonly string[]
  /** Template pieces after the document: before and behind the question. */
  readonly between: readonly number[]
  readonly end: readonly number[]
  readonly owners: Shared
}

/** A document in tokens, with what of it is to be kept. */
interface DocumentPlan {
  readonly template: Template
  readonly ids: Uint32Array
  readonly offsets: Uint32Array
  readonly pairs: number // to keep in each layer
}

const planDocument = async (model: ModelFile, request: CompressRequest): Promise<DocumentPlan> => {
  if (request.document === '')
    throw new CompactorError('document-invalid', 'the document is empty; give at least one character of text')
  const template = await model.template(request.system)
  checkDocumentLength(request.document, model)
  const { ids, offsets } = model.tokenizer.encodeWithOffsets(request.document, { after: template.head })
  if (ids.length === 0)
    throw new CompactorError(
      'document-invalid',
      `the document holds no character that ${model.name} has a token for; take a model of its language`,
    )
  const { contextLength } = model.model.config
  const shape = { headTokens: template.head.length, documentTokens: ids.length }
  checkDocumentFit({ model: model.name, contextLength, reserve: request.reserve, ...shape })
  const pairs = pairsPerLayer(request.keep, { ...shape, ...sizesOf(model.model.config, request.precision, shape) })
  return { template, ids, offsets, pairs }
}

/** How large the context would be, without reading the document. Throws what `compressDocument` throws before it reads. */
export const planContext = async (model: ModelFile, request: CompressRequest): Promise<SizePlan> => {
  const { template, ids, pairs } = await planDocument(model, request)
  return sizePlan(model.model.config, request, { documentTokens: ids.length, headTokens: template.head.length, pairs })
}

/**
 * Reads a document into a context. Throws CompactorError and, for method options, TypeError or RangeError.
 * → `spent`: on what was done after its tokens were counted
 */
export const compressDocument = async (
  ops: Ops,
  model: ModelFile,
  request: CompressRequest,
  control: Control,
): Promise<{ readonly state: ContextState; readonly spent: Spent }> => {
  const method = createMethod(request.method, request.methodOptions)
  const { template, ids, offsets, pairs } = await planDocument(model, request)
  const spent = spending()
  const { kvHeadCount } = model.model.config
  const { precision, seed } = request
  const { selection } = request
  const streams = streamsOf(method, { document: ids, template, tokenizer: model.tokenizer })
  const input = { head: template.head, document: ids, method, selection, pairs, precision, seed, control, streams }
  const prefilled = await prefill(ops, model.model, input)
  const pieces = { head: [...template.head], between: [...template.between], end: [...template.end] }
  const origin: ContextOrigin = {
    model: {
      fingerprint: model.fingerprint,
      name: model.name,
      source: model.source,
      architecture: model.model.config.architecture,
    },
    document: {
      name: request.documentName,
      sha256: createHash('sha256').update(request.document).digest('hex'),
      ...(request.places ? { places: storePlaces(request.places, ids.length) } : {}),
    },
    template: { hash: template.templateHash, pieces },
    method: { name: method.name, options: { ...request.methodOptions, seed } },
    keep: { given: describeKeep(request.keep), share: pairs / (ids.length * kvHeadCount) },
    nextPosition: template.head.length + ids.length,
    createdAt: new Date().toISOString(),
    compactorVersion: version,
    fidelity: null,
  }
  const warnings = raisedBudget(prefilled, kvHeadCount)
  const { block } = prefilled
  model.owners.retain()
  const owners = new Shared(() => model.owners.release())
  const { between, end } = pieces
  const state = { model, block, origin, tokenIds: ids, sourceOffsets: offsets, warnings, between, end, owners }
  return { state, spent: spent() }
}

/** What a budget in bytes is spent on. */
export const sizesOf = (
  config: ModelConfig,
  precision: Precision,
  { headTokens, documentTokens }: { readonly headTokens: number; readonly documentTokens: number },
): Pick<BudgetShape, 'layerCount' | 'kvHeadCount' | 'bytesPerPair' | 'windowBytes'> => {
  const shape = blockShapeOf(config, precision)
  const { kvHeadCount, headDim } = shape
  const bytesPerPair = 2 * headDim * elementBytes[precision]
  let windowed = 0
  for (let layer = 0; layer < shape.layerCount; layer++)
    windowed += windowTokens(shape, layer, headTokens + documentTokens) ?? 0
  const windowBytes = windowed * kvHeadCount * bytesPerPair
  return { layerCount: wholeLayerCount(shape), kvHeadCount, bytesPerPair, windowBytes }
}

// No text of more characters a token than this is worth the minutes of counting its tokens exactly.
const mostCharactersPerToken = 64

const checkDocumentLength = ({ length }: string, { name, model }: ModelFile): void => {
  const { contextLength } = model.config
  if (length > mostCharactersPerToken * contextLength)
    throw new CompactorError(
      'document-too-long',
      `the document has ${countText(length)} characters, far more than the ${countText(contextLength)} tokens that ${name} was trained on; shorten or split it, or take a model with a longer context`,
    )
}

/** What to say of a budget below what must stay. `raisedFrom`: pairs for each layer that were asked for. */
export const raisedBudget = (
  { raisedFrom, block }: Pick<Prefilled, 'raisedFrom' | 'block'>,
  kvHeadCount: number,
): string[] => {
  if (raisedFrom === undefined) return []
  const { protectFirst, protectLast } = block.selection
  const kept = block.stats().pairs / (wholeLayerCount(block.shape) * kvHeadCount)
  return [
    `keep was raised from ${Math.round(raisedFrom / kvHeadCount)} to ${Math.round(kept)} tokens: the first ${protectFirst} and last ${protectLast} tokens of a document always stay`,
  ]
}

/** A file whose checksums hold may still not be one that we wrote: nothing in it is taken on trust. */
const piecesFor = (
  { name, model }: ModelFile,
  { block, nextPosition, template }: ContextHeader,
  path: string,
): { readonly between: readonly number[]; readonly end: readonly number[] } => {
  const refuse = (what: string): CompactorError =>
    new CompactorError('context-corrupt', `${basename(path)} ${what}; compress the document again`)
  const { layerCount, kvHeadCount, headDim, vocabularySize, windows } = model.config
  if (block.layerCount !== layerCount || block.kvHeadCount !== kvHeadCount || block.headDim !== headDim)
    throw refuse(`does not have the layers and heads of ${name}`)
  // In JSON a layer without a window is null on both sides.
  if (JSON.stringify(block.windows ?? []) !== JSON.stringify(windows ?? []))
    throw refuse(`does not have the sliding windows of ${name}`)
  if (nextPosition !== block.headTokens + block.originalTokens)
    throw refuse(`continues at position ${nextPosition}, expected ${block.headTokens + block.originalTokens}`)
  const { between, end } = template.pieces
  if (!between || !end) throw refuse('lacks the template pieces around the question')
  if ([...between, ...end].some((id) => id >= vocabularySize)) throw refuse(`holds tokens that ${name} does not have`)
  return { between, end }
}

/** Throws CompactorError: 'file-unreadable', 'context-corrupt', 'context-unsupported', 'context-mismatch'. */
export const openSavedContext = async (ops: Ops, model: ModelFile, path: string): Promise<ContextState> => {
  const opened = await openContext(path, ops, mapFile)
  try {
    checkModel(opened.header, { name: model.name, fingerprint: model.fingerprint })
    const { header, block, tokenIds, sourceOffsets } = opened
    const { between, end } = piecesFor(model, header, path)
    model.owners.retain()
    const owners = new Shared(() => {
      opened.release()
      model.owners.release()
    })
    const { block: _, ...origin } = header
    return { model, block, origin, tokenIds, sourceOffsets, warnings: [], between, end, owners }
  } catch (error) {
    opened.release()
    throw error
  }
}

/** Throws CompactorError: 'output-exists', 'write-failed', 'aborted'. → bytes written */
export const saveContext = async (
  ops: Ops,
  state: ContextState,
  { path, force, temporaryPath }: SaveRequest,
  control: Control,
): Promise<{ readonly bytes: number }> => {
  const { origin, block, tokenIds, sourceOffsets } = state
  const signal = {
    get aborted() {
      return control.isAborted
    },
  }
  return writeContext(ops, path, { origin, block, tokenIds, sourceOffsets }, { force, signal, temporaryPath })
}

export const tellContext = (context: number, { block, origin, warnings }: ContextState): ContextInfo => ({
  context,
  stats: statsOf(block, { method: origin.method.name, model: origin.model.name, keep: origin.keep.given }),
  warnings,
})
