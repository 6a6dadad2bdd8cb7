import { folderStore, type Store } from '../cache/store.ts'
import { CompactorError } from '../error.ts'
import { contextsDirectory } from '../hub/home.ts'
import type { ModelConfig } from '../models/model.ts'
import type { Answer } from './answer.ts'
import { type BatchAsk, type BatchOptions, batch } from './batch.ts'
import { refuseUnknown, requireText } from './check-options.ts'
import { type CompressOptions, compressRequest } from './compress-request.ts'
import { Context, type OnAsked } from './context.ts'
import { contextKey } from './context-key.ts'
import {
  type CalibrationPlace,
  type Estimate,
  type EstimateOptions,
  estimate,
  learnAnswer,
  learnReading,
} from './estimate.ts'
import { firstAnswer } from './first-answer.ts'
import type { CompressRequest, EngineSettings, ModelInfo, Reading, Results } from './protocol.ts'
import type { WorkerClient } from './worker-client.ts'

export interface OpenOptions {
  readonly signal?: AbortSignal | undefined
}

interface ModelFacts {
  readonly path: string
  readonly name: string
  readonly fingerprint: string
  readonly home: string
  readonly arithmetic: string // what rounding depends on
  readonly machine: string // what speed depends on
  readonly settings: EngineSettings
}

export class LoadedModel {
  readonly name: string
  readonly path: string
  /** sha256 of the GGUF file; a context belongs to the model with the same one. */
  readonly fingerprint: string
  readonly config: ModelConfig
  readonly #client: WorkerClient
  readonly #model: number
  readonly #store: Store
  readonly #arithmetic: string
  readonly #home: string
  readonly #machine: string
  readonly #settings: EngineSettings

  constructor(client: WorkerClient, info: ModelInfo, file: ModelFacts) {
    this.#client = client
    this.#model = info.model
    this.config = info.config
    this.name = file.name
    this.path = file.path
    this.fingerprint = file.fingerprint
    this.#arithmetic = file.arithmetic
    this.#home = file.home
    this.#machine = file.machine
    this.#settings = file.settings
    this.#store = folderStore(contextsDirectory(file.home))
  }

  /**
   * Reads a document once and keeps the part of its cache that matters.
   * Throws TypeError, RangeError for wrong options; CompactorError: 'document-invalid', 'document-too-long',
   * 'budget-invalid', 'usage' (unknown method), 'aborted', and with `remember` 'write-failed'.
   */
  async compress(options: CompressOptions): Promise<Context> {
    const request = compressRequest(options)
    if (!options.remember) return new Context(this.#client, await this.#compress(request, options))
    const { fingerprint } = this
    const id = contextKey(request, { fingerprint, arithmetic: this.#arithmetic })
    const found = await this.#recall(id, options)
    if (found instanceof Context) return found
    const info = await this.#compress(request, options)
    const warnings = [...found, ...info.warnings, ...(await this.#remember(id, info, options))]
    return new Context(this.#client, { ...info, warnings })
  }

  /**
   * What `compress` with the same options would cost: tokens are counted, bytes are planned, seconds come from short runs
   * of this model on this machine, which are remembered in the home. The first estimate pays for them (some seconds to a
   * minute). Throws what `compress` throws before it reads.
   */
  async estimate(options: EstimateOptions): Promise<Estimate> {
    const { name } = this
    const plan = (request: CompressRequest): Promise<Results['plan']> =>
      this.#client.call('plan', { ...request, model: this.#model }, { signal: options.signal })
    const compress = async (short: CompressOptions): Promise<{ context: Context; reading: Reading }> => {
      const info = await this.#read(compressRequest(short), short)
      return { context: new Context(this.#client, info), reading: info.reading }
    }
    const { path, fingerprint } = this
    const beginning = { settings: this.#settings, file: { path, name, fingerprint } }
    const { contextLength } = this.config
    return estimate(
      {
        ...{ name, contextLength, place: this.#place, plan, compress },
        firstAnswer: (saved, asked) => firstAnswer(beginning, saved, asked),
      },
      options,
    )
  }

  /**
   * A context saved before, by this model. Every byte is checked first.
   * Throws CompactorError: 'file-unreadable', 'context-corrupt', 'context-unsupported', 'context-mismatch'.
   */
  async openContext(path: string, options: OpenOptions = {}): Promise<Context> {
    refuseUnknown('openContext', options, ['signal'])
    requireText('path', path)
    const info = await this.#client.call('openContext', { model: this.#model, path }, options)
    const onAsked: OnAsked = (stats, answered) => learnAnswer(this.#place, stats, answered)
    return new Context(this.#client, info, onAsked)
  }

  /**
   * Answers several questions at once, about one context or several of this model: every step reads the weights once for
   * all of them. The same answers as one after another, but for rounding. → an answer for each, in their order; each can be
   * read, stopped and can fail by itself.
   * Throws TypeError and RangeError for wrong options; everything else rejects in the answers, as from `Context.ask`.
   */
  batch(asks: readonly BatchAsk[], options: BatchOptions = {}): Answer[] {
    return batch(this.#client, this.#model, asks, options)
  }

  /** Contexts made from this model stay usable. */
  async dispose(): Promise<void> {
    await this.#client.release({ model: this.#model })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose()
  }

  get #place(): CalibrationPlace {
    return { home: this.#home, fingerprint: this.fingerprint, machine: this.#machine }
  }

  /** What it took makes estimates better. */
  async #compress(request: CompressRequest, options: CompressOptions): Promise<Results['compress']> {
    const info = await this.#read(request, options)
    const { originalTokens: tokens, keptTokens } = info.stats
    learnReading(this.#place, request, { reading: info.reading, tokens, keptTokens })
    return info
  }

  #read(request: CompressRequest, { signal, onProgress }: CompressOptions): Promise<Results['compress']> {
    return this.#client.call('compress', { ...request, model: this.#model }, { signal, onProgress })
  }

  /** What was paid for is not thrown away because it cannot be stored. → why not, if so */
  async #remember(
    id: string,
    { context }: Pick<Results['compress'], 'context'>,
    { signal }: CompressOptions,
  ): Promise<string[]> {
    try {
      await this.#store.put(id, (path) => this.#client.save({ context, path, force: true }, { signal }))
      return []
    } catch (error) {
      if (!(error instanceof CompactorError) || error.code !== 'write-failed') throw error
      return [`the context is not remembered: ${error.message}`]
    }
  }

  /** A remembered context, or why there is none that can be used (nothing to say if there never was one). */
  async #recall(id: string, { signal }: CompressOptions): Promise<Context | string[]> {
    try {
      const path = await this.#store.open(id)
      if (path === undefined) return []
      return await this.openContext(path, { signal })
    } catch (error) {
      if (
        !(error instanceof CompactorError) ||
        !/^(context-corrupt|context-unsupported|file-unreadable)$/.test(error.code)
      )
        throw error
      return [`the remembered context was not usable and is made again: ${error.message}`]
    }
  }
}
