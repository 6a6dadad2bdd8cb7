/** The caller's end of the engine's worker: sends requests, hands out replies, aborts and progress through shared memory. */
import type { Worker } from 'node:worker_threads'
import { TemporaryFiles } from '../cache/temporary-files.ts'
import { CompactorError } from '../error.ts'
import { startWorker } from '../start-worker.ts'
import { Control } from './control.ts'
import { onAbort } from './on-abort.ts'
import {
  fromWire,
  type Kind,
  type Outcome,
  type ReplyMessage,
  type RequestMessage,
  type Requests,
  type Results,
} from './protocol.ts'
import { abortedBy, Turns } from './turns.ts'

export interface Progress {
  readonly done: number
  readonly total: number
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined
  readonly onPiece?: ((text: string, index: number) => void) | undefined
  readonly onAnswered?: ((index: number, outcome: Outcome) => void) | undefined
  readonly onProgress?: ((progress: Progress) => void) | undefined
}

interface Pending {
  readonly resolve: (value: never) => void
  readonly reject: (error: Error) => void
  readonly listeners: Pick<CallOptions, 'onPiece' | 'onAnswered'>
}

const progressMs = 100

export class WorkerClient {
  readonly #worker: Worker
  readonly #pending = new Map<number, Pending>()
  readonly #temporaryFiles = new TemporaryFiles()
  readonly #turns = new Turns()
  #nextId = 1
  #end: Error | undefined

  constructor() {
    this.#worker = startWorker(import.meta.url, 'worker')
    this.#worker.unref() // an idle engine does not keep the process alive
    this.#worker.on('message', (message: ReplyMessage) => this.#receive(message))
    this.#worker.on('error', (error) => this.#fail(fromWire({ name: 'Error', message: error.message })))
    this.#worker.on('exit', (code) =>
      this.#fail(
        new CompactorError('worker-failed', `the engine's worker ended with code ${code}; create a new engine`),
      ),
    )
  }

  /** One request at a time is with the worker, so that those that wait can be aborted at once. */
  async call<K extends Kind>(kind: K, request: Requests[K], options: CallOptions = {}): Promise<Results[K]> {
    const leave = await this.#turns.take(options.signal)
    try {
      return await this.#run(kind, request, options)
    } finally {
      leave()
    }
  }

  async #run<K extends Kind>(kind: K, request: Requests[K], options: CallOptions): Promise<Results[K]> {
    const { signal, onPiece, onAnswered, onProgress } = options
    if (this.#end) throw this.#end
    if (signal?.aborted) throw abortedBy(signal)
    const control = new Control()
    const leave = onAbort(signal, () => control.abort())
    const progress = new ProgressReports(control, onProgress)
    try {
      const result = await this.#send(kind, { request, control: control.buffer, listeners: { onPiece, onAnswered } })
      progress.report()
      return result
    } catch (error) {
      if (progress.failure) throw progress.failure.error
      throw signal?.aborted && error instanceof CompactorError && error.code === 'aborted' ? abortedBy(signal) : error
    } finally {
      progress.end()
      leave()
    }
  }

  /** The worker writes; what it leaves half done when the process ends or the engine is disposed is removed here. */
  async save(
    request: Omit<Requests['save'], 'temporaryPath'>,
    { signal }: Pick<CallOptions, 'signal'>,
  ): Promise<Results['save']> {
    const removeAll = (): void => this.#temporaryFiles.removeAll()
    const temporaryPath = this.#temporaryFiles.claim(request.path)
    process.on('exit', removeAll)
    try {
      return await this.call('save', { ...request, temporaryPath }, { signal })
    } catch (error) {
      if (this.#end) await this.#worker.terminate() // only now nobody writes any more
      this.#temporaryFiles.remove(temporaryPath)
      throw error
    } finally {
      process.off('exit', removeAll)
      this.#temporaryFiles.release(temporaryPath)
    }
  }

  /** Forgets a handle; nothing to do once the engine is gone. */
  async release(handle: Requests['release']): Promise<void> {
    if (this.#end) return
    await this.call('release', handle)
  }

  async close(): Promise<void> {
    this.#fail(new CompactorError('disposed', 'the engine was disposed; create a new one'))
    await this.#worker.terminate()
  }

  #send<K extends Kind>(
    kind: K,
    { request, control, listeners }: { request: Requests[K]; control: SharedArrayBuffer } & Pick<Pending, 'listeners'>,
  ): Promise<Results[K]> {
    const id = this.#nextId++
    const message: RequestMessage<K> = { id, kind, request, control }
    return new Promise((resolve, reject) => {
      try {
        this.#worker.postMessage(message)
      } catch (cause) {
        reject(new TypeError('options must be plain values, not functions or objects of a class', { cause }))
        return
      }
      this.#pending.set(id, { resolve, reject, listeners })
      this.#worker.ref()
    })
  }

  #receive(message: ReplyMessage): void {
    const pending = this.#pending.get(message.id)
    if (!pending) return // ended already, by close()
    if (message.type === 'piece') {
      pending.listeners.onPiece?.(message.text, message.index)
      return
    }
    if (message.type === 'answered') {
      pending.listeners.onAnswered?.(message.index, message.outcome)
      return
    }
    this.#pending.delete(message.id)
    if (this.#pending.size === 0) this.#worker.unref()
    if (message.type === 'done') pending.resolve(message.value as never)
    else pending.reject(fromWire(message.error))
  }

  #fail(error: Error): void {
    this.#end ??= error
    for (const { reject } of this.#pending.values()) reject(this.#end)
    this.#pending.clear()
  }
}

/** Tells how far the worker is; what the caller's function throws stops the work and is thrown by the call. */
class ProgressReports {
  failure: { readonly error: unknown } | undefined
  readonly #control: Control
  readonly #tell: ((progress: Progress) => void) | undefined
  readonly #timer: NodeJS.Timeout | undefined
  #told: Progress | undefined

  constructor(control: Control, tell: ((progress: Progress) => void) | undefined) {
    this.#control = control
    this.#tell = tell
    this.#timer = tell && setInterval(() => this.report(), progressMs)
  }

  report(): void {
    const progress = this.#control.progress
    if (!this.#tell || this.failure || progress.total === 0) return
    if (progress.done === this.#told?.done && progress.total === this.#told.total) return
    this.#told = progress
    try {
      this.#tell(progress)
    } catch (error) {
      this.failure = { error }
      this.#control.abort()
    }
  }

  end(): void {
    clearInterval(this.#timer)
  }
}
