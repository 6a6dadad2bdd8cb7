/** A document in small, as the caller holds it: ask it, save it, share it. */
import { resolve } from 'node:path'
import type { JsonSchema } from '../grammar/json-schema.ts'
import { Answer } from './answer.ts'
import { type AskOptions, askRequest } from './ask-options.ts'
import { checkKeep, type Keep } from './budget.ts'
import { Chat } from './chat.ts'
import { refuseUnknown, requireText } from './check-options.ts'
import { rememberHandle } from './context-handle.ts'
import { type Extracted, type ExtractOptions, extract } from './extract.ts'
import type { ContextInfo, Results } from './protocol.ts'
import type { ContextStats } from './stats.ts'
import type { WorkerClient } from './worker-client.ts'

export interface SaveOptions {
  /** Replace an existing file. Default false: refuse with 'output-exists'. */
  readonly force?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

/** What is told of each answer. */
export type OnAsked = (stats: ContextStats, asked: Results['ask']) => void

export class Context {
  readonly stats: ContextStats
  /** What the caller should know about how this was made, a sentence each. */
  readonly warnings: readonly string[]
  readonly #client: WorkerClient
  readonly #context: Promise<number>
  readonly #onAsked: OnAsked | undefined

  constructor(
    client: WorkerClient,
    info: Omit<ContextInfo, 'context'> & { readonly context: number | Promise<number> },
    onAsked?: OnAsked,
  ) {
    this.#client = client
    this.#onAsked = onAsked
    this.#context = Promise.resolve(info.context)
    rememberHandle(this, this.#context)
    this.#context.catch(() => undefined) // whoever uses a failed fork learns of it then
    this.stats = info.stats
    this.warnings = info.warnings
  }

  /**
   * Asks one question; questions do not see one another. Begins at once, read the result as it comes.
   * Throws TypeError for an unknown option; everything else rejects in the answer: RangeError for a value out of range,
   * CompactorError 'question-invalid' (empty, or does not fit), 'aborted', 'disposed'.
   */
  ask(question: string, options: AskOptions = {}): Answer {
    const { request, signal, onProgress } = askRequest('ask', question, options)
    return new Answer(async (call) => {
      const asked = { ...request, context: await this.#context }
      const answered = await this.#client.call('ask', asked, { ...call, onProgress })
      // Sources and schemas take time that other answers do not.
      if (!request.sources && !request.schema) this.#onAsked?.(this.stats, answered)
      return answered.info
    }, signal)
  }

  /**
   * A conversation about this context: each question sees what was said before. Its own cache is beside the context's bytes,
   * which it keeps alive; dispose of it on its own.
   */
  chat(): Chat {
    return new Chat(this.#client, this.#context)
  }

  /**
   * Finds the fields of a schema (of an object; each property with its description is a question) and answers all of them at
   * once. Throws TypeError for an unknown option; CompactorError 'usage' for a schema that cannot be kept to, and as `ask`.
   */
  extract(schema: JsonSchema, options: ExtractOptions = {}): Promise<Extracted> {
    return extract(this.#client, this, schema, options)
  }

  /**
   * Writes a .cctx file: temporary name, synced, renamed, so that the name never holds half a file.
   * Throws CompactorError: 'output-exists', 'write-failed', 'aborted'. → the file's size
   */
  async save(path: string, options: SaveOptions = {}): Promise<{ readonly bytes: number }> {
    refuseUnknown('save', options, ['force', 'signal'])
    requireText('path', path)
    const { force = false, signal } = options
    return this.#client.save({ context: await this.#context, path: resolve(path), force }, { signal })
  }

  /** Another handle on the same bytes, disposed of on its own. */
  fork(): Context {
    const copy = this.#context.then(async (context) => (await this.#client.call('fork', { context })).context)
    return new Context(this.#client, { context: copy, stats: this.stats, warnings: this.warnings }, this.#onAsked)
  }

  /**
   * The same document in less memory, for another `keep` (of the whole document): what `compress` with it would have given,
   * without reading anything again. This context stays as it is and shares the bytes that both keep.
   * Throws CompactorError('budget-invalid') for more than is kept, and where nothing was ranked (`keep: 1`, methods that
   * rank for one budget); 'aborted', 'disposed'.
   */
  async shrink(keep: Keep, options: { readonly signal?: AbortSignal | undefined } = {}): Promise<Context> {
    refuseUnknown('shrink', options, ['signal'])
    const request = { context: await this.#context, keep: checkKeep(keep) }
    return new Context(this.#client, await this.#client.call('shrink', request, options), this.#onAsked)
  }

  /** Frees the bytes once no fork needs them. */
  async dispose(): Promise<void> {
    await this.#client.release({ context: await this.#context })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose()
  }
}
