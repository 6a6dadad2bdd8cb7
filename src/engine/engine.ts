/** The engine as the caller holds it: one worker thread, models loaded into it, contexts made from them. */
import { availableParallelism } from 'node:os'
import { type Isa, nativeAvailable } from '../backends/native.ts'
import { CompactorError } from '../error.ts'
import { homeDirectory } from '../hub/home.ts'
import { type PullProgress, pullModel } from '../hub/pull.ts'
import { defined, refuseUnknown, requireText } from './check-options.ts'
import { LoadedModel } from './loaded-model.ts'
import type { EngineSettings } from './protocol.ts'
import { WorkerClient } from './worker-client.ts'

export interface EngineOptions {
  /** Threads that compute; default: what the process may use. */
  readonly threads?: number | undefined
  /** Default: native where it can run, else reference, with `engine.backend.reason` saying why. Named ones must run. */
  readonly backend?: 'native' | 'reference' | undefined
  /** A lower instruction set than the best one this CPU has: 'scalar' or 'avx2'. Default: COMPACTOR_ISA, else the best. */
  readonly isa?: Isa | undefined
  /** Arithmetic of small matrix products: activations in 8 bits per 32 values (default, faster) or f32. */
  readonly activations?: 'int8' | 'f32' | undefined
  /** Folder of models and remembered contexts. Default: COMPACTOR_HOME, else ~/.compactor. */
  readonly home?: string | undefined
}

export interface Backend {
  readonly name: 'native' | 'reference'
  /** Why the native backend does not run, and what to do. */
  readonly reason?: string
}

export interface LoadOptions {
  readonly signal?: AbortSignal | undefined
  /** Checksum and download, in bytes. */
  readonly onProgress?: ((progress: PullProgress) => void) | undefined
  /** A sentence when a source was passed over or a checksum was not given. */
  readonly onNote?: ((sentence: string) => void) | undefined
}

/**
 * Starts the worker. Throws RangeError for options out of range, CompactorError('backend-unavailable') when a backend
 * that was asked for cannot run here.
 */
export const createEngine = async (options: EngineOptions = {}): Promise<Engine> => {
  const { settings, backend } = settle(options)
  const client = new WorkerClient()
  try {
    await client.call('start', settings)
  } catch (error) {
    await client.close()
    throw error
  }
  const arithmetic = backend.name === 'native' ? `native ${settings.activations}` : 'reference'
  return new Engine(client, { backend, home: options.home ?? homeDirectory(), arithmetic })
}

const mostThreads = 256

const settle = (options: EngineOptions): { settings: EngineSettings; backend: Backend } => {
  const { threads = Math.min(mostThreads, availableParallelism()), activations = 'int8', isa } = options
  refuseUnknown('createEngine', options, ['threads', 'backend', 'isa', 'activations', 'home'])
  if (!Number.isInteger(threads) || threads < 1 || threads > mostThreads)
    throw new RangeError(`threads must be a whole number from 1 to ${mostThreads}, got ${threads}`)
  if (activations !== 'int8' && activations !== 'f32')
    throw new RangeError(`activations must be 'int8' or 'f32', got ${String(activations)}`)
  const backend = chooseBackend(options.backend)
  return { settings: { threads, activations, backend: backend.name, ...(isa === undefined ? {} : { isa }) }, backend }
}

const chooseBackend = (asked: EngineOptions['backend']): Backend => {
  if (asked === 'reference') return { name: 'reference' }
  if (asked !== undefined && asked !== 'native')
    throw new RangeError(`backend must be 'native' or 'reference', got ${String(asked)}`)
  const native = nativeAvailable()
  if (native.available) return { name: 'native' }
  if (asked === 'native') throw new CompactorError('backend-unavailable', native.reason)
  return { name: 'reference', reason: native.reason }
}

interface EngineParts {
  readonly backend: Backend
  readonly home: string
  readonly arithmetic: string // what rounding depends on
}

export class Engine {
  readonly backend: Backend
  /** Folder of models and remembered contexts. */
  readonly home: string
  readonly #client: WorkerClient
  readonly #arithmetic: string

  constructor(client: WorkerClient, { backend, home, arithmetic }: EngineParts) {
    this.#client = client
    this.backend = backend
    this.home = home
    this.#arithmetic = arithmetic
  }

  /**
   * A model by built-in name, `hf:user/repo:QUANT` or path of a GGUF file; what is not here yet is downloaded.
   * Throws CompactorError: 'model-unknown', 'model-unsupported', 'model-corrupt', 'download-failed', 'aborted'.
   */
  async loadModel(spec: string, options: LoadOptions = {}): Promise<LoadedModel> {
    requireText('model', spec)
    refuseUnknown('loadModel', options, ['signal', 'onProgress', 'onNote'])
    const { name, path, sha256 } = await pullModel(spec, { ...defined(options), home: this.home })
    const file = { path, name, fingerprint: sha256 }
    const info = await this.#client.call('loadModel', file, { signal: options.signal })
    return new LoadedModel(this.#client, info, { ...file, home: this.home, arithmetic: this.#arithmetic })
  }

  /** Ends the worker. Whatever is still under way rejects with CompactorError('disposed'). */
  async dispose(): Promise<void> {
    await this.#client.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose()
  }
}
