/** A question as something that can be answered beside others: about a context alone, or within a conversation. */
import type { Ops } from '../backends/ops.ts'
import { mostTailBytes } from '../cache/tail.ts'
import { CompactorError } from '../error.ts'
import type { JsonSchema } from '../grammar/json-schema.ts'
import type { Job } from './answer-together.ts'
import { Constraint } from './constraint.ts'
import type { ContextState } from './context-state.ts'
import { answerRoom } from './fit.ts'
import { Generation } from './generation.ts'
import type { AnswerInfo, AskRequest } from './protocol.ts'
import { createSampler } from './sampler.ts'
import { schemaHint } from './schema-hint.ts'
import { panelTokens, Sequence } from './sequence.ts'
import { checkSourceCount } from './source-count.ts'
import { findSources } from './sources.ts'

interface Listeners extends Pick<Job, 'control' | 'onPiece' | 'onError'> {
  readonly onEnd: (info: AnswerInfo, generation: Generation) => void
}

/** What stands before a question, and how it is continued. */
export interface Beginning {
  readonly ops: Ops
  /** Tokens before what is read now, of the document at its original length. */
  readonly before: number
  /** The template's tokens right before the question. */
  readonly after: ArrayLike<number>
  /** All that is read before the answer, from the question's own tokens. */
  readonly wrap: (question: Uint32Array) => Uint32Array // ends with the question and the template's `end`
  readonly sequence: () => Sequence
}

/**
 * The model is told what it will be held to, before the question: small models fill objects better so (lab book), and questions
 * with schemas of one kind begin alike, so that together they are read faster (common-beginnings.ts).
 */
const withSchema = (question: string, schema: JsonSchema | undefined): string =>
  schema === undefined ? question : `${schemaHint(schema)} ${question}`

/** The question's own tokens, behind those of the template. Throws CompactorError('question-invalid') for an empty one. */
export const questionTokens = (
  { model }: ContextState,
  { question, schema }: Pick<AskRequest, 'question' | 'schema'>,
  after: ArrayLike<number>,
): Uint32Array => {
  if (question.trim() === '') throw new CompactorError('question-invalid', 'the question is empty; ask something')
  return model.tokenizer.encode(withSchema(question, schema), { after })
}

/** A conversation of one question: right behind the document. */
export const firstBeginning = (ops: Ops, { model, block, origin, between, end }: ContextState): Beginning => ({
  ops,
  before: origin.nextPosition,
  after: between,
  wrap: (question) => Uint32Array.from([...between, ...question, ...end]),
  sequence: () => {
    const { nextPosition } = origin
    return new Sequence(ops, model.model, { block, nextPosition, precision: block.shape.precision })
  },
})

/** Throws CompactorError('question-invalid'), 'usage' (a schema); RangeError for sampling options, maxTokens, sources out of range. */
export const askJob = (
  state: ContextState,
  { question, stop, maxTokens, schema, sources, ...sampling }: AskRequest,
  { ops, before, after, wrap, sequence }: Beginning,
  { onEnd, ...listeners }: Listeners,
): Job => {
  const { model, block } = state
  const sampler = createSampler(sampling)
  const constraint = schema === undefined ? undefined : new Constraint(schema, model.tokenizer)
  checkSourceCount(sources)
  const asked = questionTokens(state, { question, schema }, after)
  const ids = wrap(asked)
  const { contextLength } = model.model.config
  const room = answerRoom({ contextLength, before, question: ids.length, maxTokens })
  constraint?.checkRoom(room)
  const { pairBytes, headPartBytes, windowBytes } = block.stats()
  const isReadAgain = sources !== undefined
  const plan = { tokens: ids.length + room, stepTokens: panelTokens, bookmarks: isReadAgain ? 1 : 0 }
  const options = { ids, maxTokens: room, sampler, stop, ...(constraint && { constraint }) }
  let running: ReturnType<Job['begin']> | undefined
  let questionAt = 0
  return {
    ...listeners,
    // For its sources a question is read again beside what it has read.
    bytes: mostTailBytes(block.shape, plan) * (isReadAgain ? 2 : 1),
    shared: { key: block, bytes: pairBytes + headPartBytes + windowBytes },
    begin: () => {
      running = { sequence: sequence(), generation: new Generation(model.tokenizer, options) }
      questionAt = running.sequence.length + ids.length - asked.length - state.end.length
      if (isReadAgain) running.sequence.bookmark(questionAt)
      return running
    },
    onEnd: async ({ finishReason, tokens, questionMs, answerMs }) => {
      const { sequence, generation } = running as NonNullable<typeof running>
      const inputTokens = before + ids.length
      const usage = {
        inputTokens,
        cachedInputTokens: before,
        outputTokens: tokens.length,
        totalTokens: inputTokens + tokens.length,
      }
      const timings = { questionMs, answerMs }
      if (sources === undefined) return onEnd({ finishReason, usage, timings }, generation)
      const begun = performance.now()
      const exchange = { sequence, questionAt, question: asked, answer: tokens }
      const found = await findSources(ops, state, exchange, { count: sources, control: listeners.control })
      onEnd(
        { finishReason, usage, timings: { ...timings, sourcesMs: performance.now() - begun }, sources: found },
        generation,
      )
    },
  }
}
