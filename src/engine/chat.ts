/** A conversation about a context, as the caller holds it. */
import { Answer } from './answer.ts'
import { type AskOptions, askRequest } from './ask-options.ts'
import type { WorkerClient } from './worker-client.ts'

export class Chat {
  readonly #client: WorkerClient
  readonly #chat: Promise<number>

  constructor(client: WorkerClient, context: Promise<number>) {
    this.#client = client
    this.#chat = context.then(async (context) => (await client.call('chat', { context })).chat)
    this.#chat.catch(() => undefined) // whoever uses it learns of it then
  }

  /**
   * The next turn. Options and errors are those of `Context.ask`, and CompactorError('model-unsupported') where the model's
   * template does not do conversations. A turn that is stopped or fails is as if it had never been. Where the trained context
   * has no more room the oldest turns are forgotten; `done` says how many (`forgottenTurns`).
   */
  ask(question: string, options: AskOptions = {}): Answer {
    const { request, signal, onProgress } = askRequest('ask', question, options)
    return new Answer(
      async (call) => this.#client.call('say', { ...request, chat: await this.#chat }, { ...call, onProgress }),
      signal,
    )
  }

  /** Frees what was said. */
  async dispose(): Promise<void> {
    await this.#client.release({ chat: await this.#chat })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose()
  }
}
