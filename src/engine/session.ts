/** The worker's state: the backend, models and contexts by handle, and what each request does with them. */
import type { CpuOps } from '../backends/tensor.ts'
import { checkModel } from '../cache/cctx-open.ts'
import { answerTogether } from './answer-together.ts'
import { askJob, firstBeginning } from './ask-job.ts'
import { ChatState } from './chat-state.ts'
import {
  type ContextState,
  compressDocument,
  openSavedContext,
  planContext,
  saveContext,
  tellContext,
} from './context-state.ts'
import { Control } from './control.ts'
import type { Generation } from './generation.ts'
import { Handles } from './handles.ts'
import { type ModelFile, openModelFile } from './model-file.ts'
import { type AnswerInfo, type Kind, type Outcome, type Requests, type Results, toWire } from './protocol.ts'
import { createOps } from './settings.ts'
import { shrinkContext } from './shrink-context.ts'
import { spending } from './spending.ts'

export interface Call {
  readonly control: Control
  /** `index` says of which of several answers. */
  readonly onPiece: (text: string, index: number) => void
  readonly onAnswered: (index: number, outcome: Outcome) => void
}

type Handlers = { readonly [K in Kind]: (request: Requests[K], call: Call) => Promise<Results[K]> }

export class Session {
  #ops: CpuOps | undefined
  readonly #used = new WeakSet<ModelFile>() // models that have read something
  readonly #models = new Handles<ModelFile>('model')
  readonly #contexts = new Handles<ContextState>('context')
  readonly #chats = new Handles<ChatState>('conversation')

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
      const file = this.#models.get(model)
      const isFirst = this.#isFirstUse(file)
      const { state, spent } = await compressDocument(this.#backend, file, request, control)
      return { ...tellContext(this.#contexts.add(state), state), reading: { ...spent, isFirst } }
    },

    plan: async ({ model, ...request }) => {
      const spent = spending()
      const plan = await planContext(this.#models.get(model), request)
      return { ...plan, planSeconds: spent().seconds }
    },

    openContext: async ({ model, path }) => {
      const state = await openSavedContext(this.#backend, this.#models.get(model), path)
      return tellContext(this.#contexts.add(state), state)
    },

    ask: async ({ context, ...ask }, { control, onPiece }) => {
      const state = this.#contexts.get(context)
      const isFirst = this.#isFirstUse(state.model)
      const spent = spending()
      return new Promise((resolve, reject) => {
        const listeners = {
          control,
          onPiece: (text: string) => onPiece(text, 0),
          onEnd: (info: AnswerInfo, { result }: Generation) =>
            resolve({ info, asking: { ...spent(), steps: result?.steps ?? 0, isFirst } }),
          onError: reject,
        }
        const job = askJob(state, ask, firstBeginning(this.#backend, state), listeners)
        answerTogether(this.#backend, state.model.model, [job], { maxBytes: 0, control }).catch(reject)
      })
    },

    batch: async ({ model, asks, maxBytes, asAlone }, { control, onPiece, onAnswered }) => {
      const [first] = asks
      if (!first) return undefined
      const file = model === undefined ? this.#contexts.get(first.context).model : this.#models.get(model)
      this.#used.add(file)
      const jobs = asks.flatMap(({ context, control: own, ...ask }, index) => {
        const onError = (error: unknown): void => onAnswered(index, { error: toWire(error) })
        try {
          const state = this.#contexts.get(context)
          checkModel(state.origin, file)
          const job = askJob(state, ask, firstBeginning(this.#backend, state), {
            control: new Control(own),
            onPiece: (text) => onPiece(text, index),
            onEnd: (value) => onAnswered(index, { value }),
            onError,
          })
          return [job]
        } catch (error) {
          onError(error)
          return []
        }
      })
      await answerTogether(this.#backend, file.model, jobs, { maxBytes, control, asAlone })
      return undefined
    },

    save: async ({ context, ...request }, { control }) =>
      saveContext(this.#backend, this.#contexts.get(context), request, control),

    fork: async ({ context }) => {
      const state = this.#contexts.get(context)
      state.owners.retain()
      return { context: this.#contexts.add(state) }
    },

    shrink: async ({ context, keep }) => {
      const state = shrinkContext(this.#backend, this.#contexts.get(context), keep)
      return tellContext(this.#contexts.add(state), state)
    },

    chat: async ({ context }) => {
      const state = this.#contexts.get(context)
      const chat = new ChatState(this.#backend, state, await state.model.turn())
      state.owners.retain()
      return { chat: this.#chats.add(chat) }
    },

    say: async ({ chat, ...ask }, { control, onPiece }) => {
      const state = this.#chats.get(chat)
      this.#used.add(state.context.model)
      return state.say(ask, { control, onPiece: (text) => onPiece(text, 0) })
    },

    release: async (request) => {
      this.#removed(request)?.owners.release()
      return undefined
    },
  }

  async handle<K extends Kind>(kind: K, request: Requests[K], call: Call): Promise<Results[K]> {
    call.control.check()
    this.#ops?.watchAbort(call.control.words)
    return this.#handlers[kind](request, call)
  }

  #isFirstUse(model: ModelFile): boolean {
    const isFirst = !this.#used.has(model)
    this.#used.add(model)
    return isFirst
  }

  #removed(request: Requests['release']): ModelFile | ContextState | undefined {
    if ('chat' in request) return this.#chats.remove(request.chat)?.context
    return 'context' in request ? this.#contexts.remove(request.context) : this.#models.remove(request.model)
  }

  get #backend(): CpuOps {
    if (!this.#ops) throw new TypeError('the session was not started')
    return this.#ops
  }
}
