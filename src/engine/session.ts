/** The worker's state: the backend, models and contexts by handle, and what each request does with them. */
import type { CpuOps } from '../backends/tensor.ts'
import { CompactorError } from '../error.ts'
import { type ContextState, compressDocument, openSavedContext, saveContext, tellContext } from './context-state.ts'
import type { Control } from './control.ts'
import { answerRoom } from './fit.ts'
import { generate } from './generate.ts'
import { Handles } from './handles.ts'
import { type ModelFile, openModelFile } from './model-file.ts'
import type { Kind, Requests, Results } from './protocol.ts'
import { createSampler } from './sampler.ts'
import { Sequence } from './sequence.ts'
import { createOps } from './settings.ts'

export interface Call {
  readonly control: Control
  readonly onPiece: (text: string) => void
}

type Handlers = { readonly [K in Kind]: (request: Requests[K], call: Call) => Promise<Results[K]> }

export class Session {
  #ops: CpuOps | undefined
  readonly #models = new Handles<ModelFile>('model')
  readonly #contexts = new Handles<ContextState>('context')

  readonly #handlers: Handlers = {
    start: async (settings) => {
      this.#ops = createOps(settings)
      return { backend: this.#ops.name }
    },

    loadModel: async (source) => {
      const file = openModelFile(this.#backend, source)
      return { model: this.#models.add(file), config: file.model.config }
    },

    compress: async ({ model, ...request }, { control }) => {
      const state = await compressDocument(this.#backend, this.#models.get(model), request, control)
      return tellContext(this.#contexts.add(state), state)
    },

    openContext: async ({ model, path }) => {
      const state = await openSavedContext(this.#backend, this.#models.get(model), path)
      return tellContext(this.#contexts.add(state), state)
    },

    ask: async ({ context, question, stop, maxTokens, ...sampling }, { control, onPiece }) => {
      const { model, block, origin, between, end } = this.#contexts.get(context)
      const { nextPosition } = origin
      const sampler = createSampler(sampling)
      if (question.trim() === '') throw new CompactorError('question-invalid', 'the question is empty; ask something')
      const ids = Uint32Array.from([...between, ...model.tokenizer.encode(question), ...end])
      const { contextLength } = model.model.config
      const room = answerRoom({ contextLength, before: nextPosition, question: ids.length, maxTokens })
      const { precision } = block.shape
      const sequence = new Sequence(this.#backend, model.model, { block, nextPosition, precision })
      const answer = generate(sequence, model.tokenizer, { ids, maxTokens: room, sampler, stop, control })
      for (;;) {
        const { value, done } = await answer.next()
        if (!done) {
          onPiece(value)
          continue
        }
        const { finishReason, tokens, questionMs, answerMs } = value
        const inputTokens = nextPosition + ids.length
        const usage = {
          inputTokens,
          cachedInputTokens: nextPosition,
          outputTokens: tokens.length,
          totalTokens: inputTokens + tokens.length,
        }
        return { finishReason, usage, timings: { questionMs, answerMs } }
      }
    },

    save: async ({ context, ...request }, { control }) =>
      saveContext(this.#backend, this.#contexts.get(context), request, control),

    fork: async ({ context }) => {
      const state = this.#contexts.get(context)
      state.owners.retain()
      return { context: this.#contexts.add(state) }
    },

    release: async (request) => {
      const held = 'context' in request ? this.#contexts.remove(request.context) : this.#models.remove(request.model)
      held?.owners.release()
      return undefined
    },
  }

  async handle<K extends Kind>(kind: K, request: Requests[K], call: Call): Promise<Results[K]> {
    call.control.check()
    this.#ops?.watchAbort(call.control.words)
    return this.#handlers[kind](request, call)
  }

  get #backend(): CpuOps {
    if (!this.#ops) throw new TypeError('the session was not started')
    return this.#ops
  }
}
