/** A question about a context as something that can be answered beside others. */
import type { Ops } from '../backends/ops.ts'
import { CompactorError } from '../error.ts'
import type { Job } from './answer-together.ts'
import type { ContextState } from './context-state.ts'
import { answerRoom } from './fit.ts'
import { Generation } from './generation.ts'
import type { AnswerInfo, AskRequest } from './protocol.ts'
import { createSampler } from './sampler.ts'
import { Sequence } from './sequence.ts'

interface Listeners extends Pick<Job, 'control' | 'onPiece' | 'onError'> {
  readonly onEnd: (info: AnswerInfo) => void
}

/** Throws CompactorError('question-invalid'), RangeError for sampling options and a maxTokens out of range. */
export const askJob = (
  ops: Ops,
  state: ContextState,
  { question, stop, maxTokens, ...sampling }: AskRequest,
  { onEnd, ...listeners }: Listeners,
): Job => {
  const { model, block, origin, between, end } = state
  const { nextPosition } = origin
  const sampler = createSampler(sampling)
  if (question.trim() === '') throw new CompactorError('question-invalid', 'the question is empty; ask something')
  const ids = Uint32Array.from([...between, ...model.tokenizer.encode(question, { after: between }), ...end])
  const { contextLength } = model.model.config
  const room = answerRoom({ contextLength, before: nextPosition, question: ids.length, maxTokens })
  const { bytesPerPair, pairBytes, headPartBytes, windowBytes } = block.stats()
  const { layerCount, kvHeadCount, precision } = block.shape
  return {
    ...listeners,
    bytes: bytesPerPair * layerCount * kvHeadCount * (ids.length + room),
    shared: { key: block, bytes: pairBytes + headPartBytes + windowBytes },
    begin: () => ({
      sequence: new Sequence(ops, model.model, { block, nextPosition, precision }),
      generation: new Generation(model.tokenizer, { ids, maxTokens: room, sampler, stop }),
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
