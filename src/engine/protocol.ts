/** What crosses between the caller's thread and the worker: requests, replies, errors. Plain data only. */
import type { Isa } from '../backends/isa.ts'
import type { Precision } from '../backends/ops.ts'
import type { Places } from '../documents/document.ts'
import { CompactorError, type ErrorCode } from '../error.ts'
import type { JsonSchema } from '../grammar/json-schema.ts'
import type { SelectionDefaults } from '../methods/method.ts'
import type { ModelConfig } from '../models/model.ts'
import type { Keep } from './budget.ts'
import type { FinishReason } from './generation.ts'
import type { SamplingOptions } from './sampler.ts'
import type { SizePlan } from './size-plan.ts'
import type { Source } from './sources.ts'
import type { Spent } from './spending.ts'
import type { ContextStats } from './stats.ts'

export interface EngineSettings {
  readonly threads: number
  readonly backend: 'native' | 'reference'
  readonly isa?: Isa
  readonly activations: 'int8' | 'f32'
}

export interface CompressRequest {
  readonly document: string
  readonly documentName: string
  readonly places?: Places
  readonly system?: string
  readonly keep: Keep
  readonly method: string
  readonly methodOptions: Readonly<Record<string, string | number | boolean>>
  readonly selection: SelectionDefaults
  readonly precision: Precision
  readonly reserve: number
  readonly seed: number
}

export interface AskRequest extends SamplingOptions {
  readonly question: string
  readonly maxTokens?: number | undefined
  readonly stop: readonly string[]
  readonly schema?: JsonSchema | undefined
  readonly sources?: number | undefined
}

/** Questions that are answered together, about any contexts of one model. */
export interface BatchRequest {
  /** Absent: the model of the first context. */
  readonly model?: number
  readonly asks: readonly (AskRequest & { readonly context: number; readonly control: SharedArrayBuffer })[]
  readonly maxBytes: number
  /** Every answer is the one to its question alone, bit for bit. */
  readonly asAlone: boolean
}

export interface SaveRequest {
  readonly path: string
  readonly force: boolean
  /** In the folder of `path`; removed by the caller's thread if the process ends while the worker writes. */
  readonly temporaryPath: string
}

/** Handles are numbers that the worker gave out. */
export interface Requests {
  start: EngineSettings
  loadModel: { readonly path: string; readonly name: string; readonly fingerprint: string }
  compress: CompressRequest & { readonly model: number }
  plan: CompressRequest & { readonly model: number }
  openContext: { readonly model: number; readonly path: string }
  ask: AskRequest & { readonly context: number }
  batch: BatchRequest
  save: SaveRequest & { readonly context: number }
  fork: { readonly context: number }
  shrink: { readonly context: number; readonly keep: Keep }
  chat: { readonly context: number }
  say: AskRequest & { readonly chat: number }
  release: { readonly model: number } | { readonly context: number } | { readonly chat: number }
}

export interface ModelInfo {
  readonly model: number
  readonly config: ModelConfig
}

/** What reading a document took after its tokens were counted. */
export interface Reading extends Spent {
  /** Nothing was read with the model before in this process: weights are touched for the first time. */
  readonly isFirst: boolean
}

/** What an answer took, from its question on. */
export interface Asking extends Spent {
  /** Of the model, after the first token. */
  readonly steps: number
  /** Nothing was read with the model before in this process. */
  readonly isFirst: boolean
}

export interface ContextInfo {
  readonly context: number
  readonly stats: ContextStats
  readonly warnings: readonly string[]
}

export interface AnswerInfo {
  readonly finishReason: FinishReason
  readonly usage: Usage
  readonly timings: Timings
  /** Where the answer comes from, the likeliest first; if `sources` was asked for. */
  readonly sources?: readonly Source[]
  /** Of a conversation: keys and values behind the document that it holds until the next turn. */
  readonly heldBytes?: number
  /** Of a conversation: turns, the oldest first, that were forgotten because there was no more room for them. */
  readonly forgottenTurns?: number
}

/** Counts in tokens; names as in the AI SDK. */
export interface Usage {
  /** What the model had before it as it answered: template, document at its original length, question. */
  readonly inputTokens: number
  /** The part of inputTokens that came from the context and was not computed again. */
  readonly cachedInputTokens: number
  readonly outputTokens: number
  readonly totalTokens: number
}

export interface Timings {
  /** Reading the question, until the first token was known. */
  readonly questionMs: number
  /** All tokens after that. */
  readonly answerMs: number
  /** Finding the sources; the first time for a context also what any question looks at. */
  readonly sourcesMs?: number
}

export interface Results {
  start: { readonly backend: string }
  loadModel: ModelInfo
  compress: ContextInfo & { readonly reading: Reading }
  plan: SizePlan & { readonly planSeconds: number }
  openContext: ContextInfo
  ask: { readonly info: AnswerInfo; readonly asking: Asking }
  batch: undefined // each answer's end is a message of its own
  save: { readonly bytes: number }
  fork: { readonly context: number }
  shrink: ContextInfo
  chat: { readonly chat: number }
  say: AnswerInfo
  release: undefined
}

export type Kind = keyof Requests

export interface RequestMessage<K extends Kind = Kind> {
  readonly id: number
  readonly kind: K
  readonly request: Requests[K]
  readonly control: SharedArrayBuffer
}

export interface WireError {
  readonly name: string
  readonly message: string
  readonly code?: ErrorCode
  readonly stack?: string
}

/** How one of several answers ended. */
export type Outcome = { readonly value: AnswerInfo } | { readonly error: WireError }

export type ReplyMessage =
  | { readonly id: number; readonly type: 'piece'; readonly text: string; readonly index: number } // of the answer
  | { readonly id: number; readonly type: 'answered'; readonly index: number; readonly outcome: Outcome }
  | { readonly id: number; readonly type: 'done'; readonly value: unknown }
  | { readonly id: number; readonly type: 'error'; readonly error: WireError }

export const toWire = (error: unknown): WireError => {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) }
  return {
    name: error.name,
    message: error.message,
    ...(error instanceof CompactorError ? { code: error.code } : {}),
    ...(error.stack === undefined ? {} : { stack: error.stack }),
  }
}

/** The caller's mistakes stay TypeError and RangeError; anything unforeseen is 'worker-failed' with its cause. */
export const fromWire = ({ name, message, code, stack }: WireError): Error => {
  const cause = { cause: stack }
  if (code) return new CompactorError(code, message, cause)
  if (name === 'TypeError') return new TypeError(message, cause)
  if (name === 'RangeError') return new RangeError(message, cause)
  return new CompactorError('worker-failed', `the engine failed: ${message}`, cause)
}
