/** A question about a context as something that can be answered beside others. */
import type { Ops } from '../backends/ops.ts'
import { CompactorError } from '../error.ts'
import type { JsonSchema } from '../grammar/json-schema.ts'
import type { Job } from './answer-together.ts'
import { Constraint } from './constraint.ts'
import type { ContextState } from './context-state.ts'
import { answerRoom } from './fit.ts'
import { Generation } from './generation.ts'
import type { AnswerInfo, AskRequest } from './protocol.ts'
import { createSampler } from './sampler.ts'
import { Sequence } from './sequence.ts'

/** The model is told what it will be held to. */
const withSchema = (question: string, schema: JsonSchema): string =>
  `${question}\n\nAnswer with JSON of this schema: ${JSON.stringify(schema)}`

interface Listeners extends Pick<Job, 'control' | 'onPiece' | 'onError'> {
  readonly onEnd: (info: AnswerInfo) => void
}

/** Throws CompactorError('question-invalid'), RangeError for sampling options and a maxTokens out of range. */
export const askJob = (
  ops: Ops,
  state: ContextState,
  { question, stop, maxTokens, schema, ...sampling }: AskRequest,
  { onEnd, ...listeners }: Listeners,
): Job => {
  const { model, block, origin, between, end } = state
  const { nextPosition } = origin
  const sampler = createSampler(sampling)
  if (question.trim() === '') throw new CompactorError('question-invalid', 'the question is empty; ask something')
  const constraint = schema === undefined ? undefined : new Constraint(schema, model.tokenizer)
  const text = schema === undefined ? question : withSchema(question, schema)
  const ids = Uint32Array.from([...between, ...model.tokenizer.encode(text), ...end])
  const { contextLength } = model.model.config
  const room = answerRoom({ contextLength, before: nextPosition, question: ids.length, maxTokens })
  constraint?.checkRoom(room)
  const { pairBytes, headPartBytes, pairs } = block.stats()
  const { layerCount, kvHeadCount, precision } = block.shape
  return {
    ...listeners,
    bytes: (pairBytes / pairs) * layerCount * kvHeadCount * (ids.length + room),
    shared: { key: block, bytes: pairBytes + headPartBytes },
    begin: () => ({
      sequence: new Sequence(ops, model.model, { block, nextPosition, precision }),
      generation: new Generation(model.tokenizer, {
        ...{ ids, maxTokens: room, sampler, stop },
        ...(constraint && { constraint }),
      }),
    }),
    onEnd: ({ finishReason, tokens, questionMs, answerMs }) => {
      const inputTokens = nextPosition + ids.length
      const usage = {
        inputTokens,
        cachedInputTokens: nextPosition,
        outputTokens: tokens.length,
        totalTokens: inputTokens + tokens.length,
      }
      onEnd({ finishReason, usage, timings: { questionMs, answerMs } })
    },
  }
}
