/**
 * A conversation about a context as the worker holds it: one sequence that grows turn by turn, so that nothing said is read
 * twice. When there is no room for the next turn the oldest ones are forgotten, as few as it takes, and the rest is read again.
 */
import type { Ops } from '../backends/ops.ts'
import { answerTogether } from './answer-together.ts'
import { askJob, type Beginning, firstBeginning, questionTokens } from './ask-job.ts'
import type { ContextState } from './context-state.ts'
import type { Control } from './control.ts'
import type { AnswerInfo, AskRequest } from './protocol.ts'
import type { Sequence } from './sequence.ts'

interface Turn {
  readonly question: Uint32Array
  readonly answer: readonly number[]
}

/** Room that a turn without `maxTokens` asks for. */
const usualAnswer = 512

export class ChatState {
  readonly context: ContextState
  readonly #ops: Ops
  readonly #turn: Uint32Array // what stands between an answer and the next question
  #turns: readonly Turn[] = []
  #sequence: Sequence | undefined
  #unread: readonly number[] = [] // of the last answer

  constructor(ops: Ops, context: ContextState, turn: Uint32Array) {
    this.#ops = ops
    this.context = context
    this.#turn = turn
  }

  /** A turn that fails or is stopped leaves no trace. Throws what `askJob` and the backend throw. */
  async say(
    request: AskRequest,
    { control, onPiece }: { readonly control: Control; readonly onPiece: (text: string) => void },
  ): Promise<AnswerInfo> {
    const after = this.#turns.length === 0 ? this.context.between : this.#turn
    const question = questionTokens(this.context, request, after)
    const forgotten = this.#toForget(question.length, request.maxTokens ?? usualAnswer)
    const begun = forgotten === 0 ? this.#sequence : undefined
    const length = begun?.length ?? 0
    const beginning = this.#beginning(forgotten)
    const used = beginning.sequence()
    try {
      const { info, unread, answer } = await new Promise<{ info: AnswerInfo; unread: number[]; answer: number[] }>(
        (resolve, reject) => {
          const job = askJob(
            this.context,
            request,
            { ...beginning, sequence: () => used },
            {
              control,
              onPiece,
              onError: reject,
              onEnd: (info, generation) =>
                resolve({
                  info,
                  answer: [...(generation.result?.tokens ?? [])],
                  unread: [...generation.read(Number.POSITIVE_INFINITY)],
                }),
            },
          )
          answerTogether(this.#ops, this.context.model.model, [job], { maxBytes: 0, control }).catch(reject)
        },
      )
      used.settle()
      this.#sequence = used
      this.#unread = unread
      this.#turns = [...this.#turns.slice(forgotten), { question, answer }]
      return { ...info, heldBytes: used.bytes, ...(forgotten > 0 ? { forgottenTurns: forgotten } : {}) }
    } catch (error) {
      begun?.truncate(length)
      throw error
    }
  }

  /** How many of the oldest turns stand in the way of a question and an answer of so many tokens. */
  #toForget(question: number, answer: number): number {
    const { contextLength } = this.context.model.model.config
    const { between, end, origin } = this.context
    const pieces = Math.max(between.length, this.#turn.length) + end.length
    const lengths = this.#turns.map((turn) => turn.question.length + turn.answer.length + pieces)
    let left = contextLength - origin.nextPosition - question - pieces - answer
    for (const length of lengths) left -= length
    let forgotten = 0
    while (left < 0 && forgotten < lengths.length) left += lengths[forgotten++] as number
    return forgotten
  }

  /** Behind what the sequence has read, or with all that is still remembered to be read again. */
  #beginning(forgotten: number): Beginning {
    const first = firstBeginning(this.#ops, this.context)
    const { between, end, origin } = this.context
    const sequence = this.#sequence
    const remembered = this.#turns.slice(forgotten)
    if (sequence && forgotten === 0) {
      const wrap = (question: Uint32Array): Uint32Array =>
        Uint32Array.from([...this.#unread, ...this.#turn, ...question, ...end])
      const before = origin.nextPosition + sequence.length
      return { ops: this.#ops, before, after: this.#turn, wrap, sequence: () => sequence }
    }
    const said = remembered.flatMap(({ question, answer }, i) => [
      ...(i === 0 ? between : this.#turn),
      ...question,
      ...end,
      ...answer,
    ])
    const behind = remembered.length === 0 ? between : this.#turn
    return { ...first, after: behind, wrap: (question) => Uint32Array.from([...said, ...behind, ...question, ...end]) }
  }
}
