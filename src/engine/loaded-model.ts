/** A model in the engine's worker, as the caller holds it: makes contexts from documents and opens saved ones. */
import type { Precision } from '../backends/ops.ts'
import { folderStore, type Store } from '../cache/store.ts'
import { CompactorError } from '../error.ts'
import { contextsDirectory } from '../hub/home.ts'
import { createMethod } from '../methods/index.ts'
import type { SelectionDefaults } from '../methods/method.ts'
import type { ModelConfig } from '../models/model.ts'
import { checkKeep, type Keep } from './budget.ts'
import { Context } from './context.ts'
import { contextKey } from './context-key.ts'
import type { CompressRequest, ModelInfo } from './protocol.ts'
import type { Progress, WorkerClient } from './worker-client.ts'

export interface CompressOptions extends Partial<SelectionDefaults> {
  /** Plain text; compressed alone, without any question. */
  readonly document: string
  /** A name for lists and messages. */
  readonly documentName?: string
  /** System text before the document: kept whole, not counted in `keep`. Default: what the model's template says. */
  readonly system?: string
  /** How much stays: a share in (0, 1], { tokens } or { bytes }. Default 0.25. */
  readonly keep?: Keep
  /** Default 'compactor'; the others are in docs/methods.md. */
  readonly method?: string
  readonly methodOptions?: Readonly<Record<string, unknown>>
  /** Precision of kept keys and values. Default 'f16'. */
  readonly precision?: Precision
  /** Tokens of the trained context left free for question and answer. Default 1024. */
  readonly reserve?: number
  /** Of the method's random numbers. Default 42. */
  readonly seed?: number
  /** Save the result in the engine's home and open it from there when the same is asked again. Default false. */
  readonly remember?: boolean
  readonly signal?: AbortSignal
  /** In tokens × layers. */
  readonly onProgress?: (progress: Progress) => void
}

const known = new Set(
  'document documentName system keep method methodOptions precision reserve seed remember signal onProgress protectFirst protectLast heads'.split(
    ' ',
  ),
)

export class LoadedModel {
  readonly name: string
  readonly path: string
  /** sha256 of the GGUF file; a context belongs to the model with the same one. */
  readonly fingerprint: string
  readonly config: ModelConfig
  readonly #client: WorkerClient
  readonly #model: number
  readonly #store: Store

  constructor(
    client: WorkerClient,
    info: ModelInfo,
    file: { path: string; name: string; fingerprint: string; home: string },
  ) {
    this.#client = client
    this.#model = info.model
    this.config = info.config
    this.name = file.name
    this.path = file.path
    this.fingerprint = file.fingerprint
    this.#store = folderStore(contextsDirectory(file.home))
  }

  /**
   * Reads a document once and keeps the part of its cache that matters.
   * Throws TypeError, RangeError for wrong options; CompactorError: 'document-invalid', 'document-too-long',
   * 'budget-invalid', 'usage' (unknown method), 'aborted', and with `remember` 'write-failed'.
   */
  async compress(options: CompressOptions): Promise<Context> {
    const request = compressRequest(options)
    if (!options.remember) return this.#compress(request, options)
    const id = contextKey(this.fingerprint, request)
    const found = await this.#recall(id, options)
    if (found instanceof Context) return found
    const context = await this.#compress(request, { ...options, warnings: found })
    const { signal } = options
    await this.#store.put(id, (target) => context.save(target, { force: true, ...(signal && { signal }) }))
    return context
  }

  /**
   * A context saved before, by this model. Every byte is checked first.
   * Throws CompactorError: 'file-unreadable', 'context-corrupt', 'context-unsupported', 'context-mismatch'.
   */
  async openContext(path: string, { signal }: { readonly signal?: AbortSignal } = {}): Promise<Context> {
    const info = await this.#client.call('openContext', { model: this.#model, path }, { signal })
    return new Context(this.#client, info)
  }

  async dispose(): Promise<void> {
    await this.#client.call('release', { model: this.#model })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose()
  }

  async #compress(
    request: CompressRequest,
    { signal, onProgress, warnings = [] }: CompressOptions & { readonly warnings?: readonly string[] },
  ): Promise<Context> {
    const info = await this.#client.call('compress', { ...request, model: this.#model }, { signal, onProgress })
    return new Context(this.#client, { ...info, warnings: [...warnings, ...info.warnings] })
  }

  /** A remembered context, or why there is none that can be used (nothing to say if there never was one). */
  async #recall(id: string, { signal }: CompressOptions): Promise<Context | string[]> {
    const path = await this.#store.open(id)
    if (path === undefined) return []
    try {
      return await this.openContext(path, signal && { signal })
    } catch (error) {
      if (!(error instanceof CompactorError) || !/^context-(corrupt|unsupported)$/.test(error.code)) throw error
      return [`the remembered context was not usable and is made again: ${error.message}`]
    }
  }
}

const compressRequest = (options: CompressOptions): CompressRequest => {
  const unknown = Object.keys(options).find((name) => !known.has(name))
  if (unknown !== undefined) throw new TypeError(`compress has no option "${unknown}"; it has ${[...known].join(', ')}`)
  if (typeof options.document !== 'string')
    throw new TypeError(`document must be a string, got ${typeof options.document}`)
  const { protectFirst, protectLast, heads, precision = 'f16' } = options
  if (heads !== undefined && heads !== 'across' && heads !== 'apart')
    throw new RangeError(`heads must be 'across' or 'apart', got ${String(heads)}`)
  if (precision !== 'f16' && precision !== 'f32')
    throw new RangeError(`precision must be 'f16' or 'f32', got ${String(precision)}`)
  const count = (name: string, value: number): number => {
    if (Number.isInteger(value) && value >= 0 && value < 2 ** 31) return value
    throw new RangeError(`${name} must be a whole number of at least 0, got ${value}`)
  }
  createMethod(options.method ?? 'compactor', options.methodOptions) // refuses wrong names and options at once
  return {
    document: options.document,
    documentName: options.documentName ?? 'document',
    ...(options.system === undefined ? {} : { system: options.system }),
    keep: checkKeep(options.keep ?? 0.25),
    method: options.method ?? 'compactor',
    methodOptions: options.methodOptions ?? {},
    selection: {
      ...(protectFirst === undefined ? {} : { protectFirst: count('protectFirst', protectFirst) }),
      ...(protectLast === undefined ? {} : { protectLast: count('protectLast', protectLast) }),
      ...(heads === undefined ? {} : { heads }),
    },
    precision,
    reserve: count('reserve', options.reserve ?? 1024),
    seed: count('seed', options.seed ?? 42),
  }
}
