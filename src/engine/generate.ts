/** Question ids in, pieces of text out: the decode loop of one answer. */
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import { AnswerText } from './answer-text.ts'
import type { Control } from './control.ts'
import type { Sampler } from './sampler.ts'
import type { Sequence } from './sequence.ts'

export interface GenerateOptions {
  readonly ids: Uint32Array // what the answer follows
  readonly maxTokens: number
  readonly sampler: Sampler
  readonly stop: readonly string[]
  readonly control: Control
}

/** `stop`: the model ended its turn or a stop string was met; `length`: maxTokens were made. */
export type FinishReason = 'stop' | 'length'

export interface Generated {
  readonly finishReason: FinishReason
  readonly tokens: readonly number[] // without the end token
  readonly questionMs: number // until the first token was known
  readonly answerMs: number // all after that
}

/** Throws CompactorError('aborted') when the control says so. */
export async function* generate(
  sequence: Sequence,
  tokenizer: Tokenizer,
  { ids, maxTokens, sampler, stop, control }: GenerateOptions,
): AsyncGenerator<string, Generated> {
  const text = new AnswerText(stop)
  const tokens: number[] = []
  const begun = performance.now()
  let logits = await sequence.next(ids, control)
  const first = performance.now()
  let finishReason: FinishReason = 'length'
  for (;;) {
    const token = sampler(logits)
    // A control token (end of turn, another role's header) is never part of an answer.
    if (tokenizer.endTokens.has(token) || tokenizer.isControl(token)) {
      finishReason = 'stop'
      break
    }
    tokens.push(token)
    const piece = text.push(tokenizer.decodeBytes(token))
    if (piece !== '') yield piece
    if (text.isStopped) finishReason = 'stop'
    if (text.isStopped || tokens.length >= maxTokens) break
    control.check()
    logits = await sequence.next(Uint32Array.of(token), control)
  }
  const rest = text.finish()
  if (rest !== '') yield rest
  return { finishReason, tokens, questionMs: first - begun, answerMs: performance.now() - first }
}
