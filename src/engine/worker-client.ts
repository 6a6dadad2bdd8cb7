/** The caller's end of the engine's worker: sends requests, hands out replies, aborts and progress through shared memory. */
import { Worker } from 'node:worker_threads'
import { TemporaryFiles } from '../cache/temporary-files.ts'
import { CompactorError } from '../error.ts'
import { Control } from './control.ts'
import { fromWire, type Kind, type ReplyMessage, type RequestMessage, type Requests, type Results } from './protocol.ts'

export interface Progress {
  readonly done: number
  readonly total: number
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined
  readonly onPiece?: ((text: string) => void) | undefined
  readonly onProgress?: ((progress: Progress) => void) | undefined
}

interface Pending {
  readonly resolve: (value: never) => void
  readonly reject: (error: Error) => void
  readonly onPiece: ((text: string) => void) | undefined
}

const progressMs = 100

/** The compiled worker; under tsx, which does not reach into workers by itself, the source through tsx. */
const startWorker = (): Worker => {
  if (!import.meta.url.endsWith('.ts')) return new Worker(new URL('./worker.js', import.meta.url))
  const source = JSON.stringify(new URL('./worker.ts', import.meta.url).href)
  const tsx = JSON.stringify(import.meta.resolve('tsx/esm/api')) // code without a file resolves names from the working folder
  return new Worker(`import(${tsx}).then(({ register }) => (register(), import(${source})))`, { eval: true })
}

export class WorkerClient {
  readonly #worker: Worker
  readonly #pending = new Map<number, Pending>()
  readonly #temporaryFiles = new TemporaryFiles()
  #nextId = 1
  #end: Error | undefined

  constructor() {
    this.#worker = startWorker()
    this.#worker.unref() // an idle engine does not keep the process alive
    this.#worker.on('message', (message: ReplyMessage) => this.#receive(message))
    this.#worker.on('error', (error) => this.#fail(fromWire({ name: 'Error', message: error.message })))
    this.#worker.on('exit', (code) =>
      this.#fail(
        new CompactorError('worker-failed', `the engine's worker ended with code ${code}; create a new engine`),
      ),
    )
  }

  async call<K extends Kind>(kind: K, request: Requests[K], options: CallOptions = {}): Promise<Results[K]> {
    const { signal, onPiece, onProgress } = options
    if (this.#end) throw this.#end
    if (signal?.aborted) throw abortedBy(signal)
    const control = new Control()
    const abort = (): void => control.abort()
    signal?.addEventListener('abort', abort, { once: true })
    const timer = onProgress && setInterval(() => report(control, onProgress), progressMs)
    try {
      const result = await this.#send(kind, { request, control: control.buffer, onPiece })
      if (onProgress) report(control, onProgress)
      return result
    } catch (error) {
      throw signal?.aborted && error instanceof CompactorError && error.code === 'aborted' ? abortedBy(signal) : error
    } finally {
      clearInterval(timer)
      signal?.removeEventListener('abort', abort)
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

  async close(): Promise<void> {
    this.#fail(new CompactorError('disposed', 'the engine was disposed; create a new one'))
    await this.#worker.terminate()
  }

  #send<K extends Kind>(
    kind: K,
    { request, control, onPiece }: { request: Requests[K]; control: SharedArrayBuffer; onPiece: Pending['onPiece'] },
  ): Promise<Results[K]> {
    const id = this.#nextId++
    const message: RequestMessage<K> = { id, kind, request, control }
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject, onPiece })
      this.#worker.ref()
      this.#worker.postMessage(message)
    })
  }

  #receive(message: ReplyMessage): void {
    const pending = this.#pending.get(message.id)
    if (!pending) return // ended already, by close()
    if (message.type === 'piece') {
      pending.onPiece?.(message.text)
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

const report = (control: Control, onProgress: (progress: Progress) => void): void => {
  const progress = control.progress
  if (progress.total > 0) onProgress(progress)
}

const abortedBy = (signal: AbortSignal): CompactorError =>
  new CompactorError('aborted', 'stopped by the caller’s AbortSignal', { cause: signal.reason })
