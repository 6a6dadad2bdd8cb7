/** The engine as the caller holds it: one worker thread, models loaded into it, contexts made from them. */
import { homeDirectory } from '../hub/home.ts'
import { type PullProgress, pullModel } from '../hub/pull.ts'
import { defined, refuseUnknown, requireText } from './check-options.ts'
import { LoadedModel } from './loaded-model.ts'
import type { EngineSettings } from './protocol.ts'
import { arithmeticOf, type Backend, type ComputeOptions, machineOf, settle } from './settings.ts'
import { WorkerClient } from './worker-client.ts'

export interface EngineOptions extends ComputeOptions {
  /** Folder of models and remembered contexts. Default: COMPACTOR_HOME, else ~/.compactor. */
  readonly home?: string | undefined
}

export interface LoadOptions {
  readonly signal?: AbortSignal | undefined
  /** Checksum and download, in bytes. */
  readonly onProgress?: ((progress: PullProgress) => void) | undefined
  /** A sentence when a source was passed over or a checksum was not given. */
  readonly onNote?: ((sentence: string) => void) | undefined
  /** Download nothing. Default: what HF_HUB_OFFLINE says. */
  readonly offline?: boolean | undefined
}

/**
 * Starts the worker. Throws RangeError for options out of range, CompactorError('backend-unavailable') when a backend
 * that was asked for cannot run here.
 */
export const createEngine = async (options: EngineOptions = {}): Promise<Engine> => {
  refuseUnknown('createEngine', options, ['threads', 'backend', 'isa', 'activations', 'home'])
  const { settings, backend } = settle(options)
  const client = new WorkerClient()
  try {
    await client.call('start', settings)
  } catch (error) {
    await client.close()
    throw error
  }
  return new Engine(client, {
    backend,
    home: options.home ?? homeDirectory(),
    arithmetic: arithmeticOf(settings),
    machine: machineOf(settings),
    settings,
  })
}

interface EngineParts {
  readonly backend: Backend
  readonly home: string
  readonly arithmetic: string // what rounding depends on
  readonly machine: string // what speed depends on
  readonly settings: EngineSettings
}

export class Engine {
  readonly backend: Backend
  /** Folder of models and remembered contexts. */
  readonly home: string
  readonly #client: WorkerClient
  readonly #arithmetic: string
  readonly #machine: string
  readonly #settings: EngineSettings

  constructor(client: WorkerClient, { backend, home, arithmetic, machine, settings }: EngineParts) {
    this.#client = client
    this.backend = backend
    this.home = home
    this.#arithmetic = arithmetic
    this.#machine = machine
    this.#settings = settings
  }

  /**
   * A model by built-in name, `hf:user/repo:QUANT` or path of a GGUF file; what is not here yet is downloaded.
   * Throws CompactorError: 'model-unknown', 'model-unsupported', 'model-corrupt', 'download-failed', 'aborted'.
   */
  async loadModel(spec: string, options: LoadOptions = {}): Promise<LoadedModel> {
    requireText('model', spec)
    refuseUnknown('loadModel', options, ['signal', 'onProgress', 'onNote', 'offline'])
    const { name, path, sha256 } = await pullModel(spec, { ...defined(options), home: this.home })
    const file = { path, name, fingerprint: sha256 }
    const info = await this.#client.call('loadModel', file, { signal: options.signal })
    const facts = { arithmetic: this.#arithmetic, machine: this.#machine, settings: this.#settings }
    return new LoadedModel(this.#client, info, { ...file, ...facts, home: this.home })
  }

  /** Ends the worker. Whatever is still under way rejects with CompactorError('disposed'). */
  async dispose(): Promise<void> {
    await this.#client.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose()
  }
}
