/** One answer as it grows: what the model reads next, and what each row of logits becomes. Not here: the model. */
import { CompactorError } from '../error.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import { AnswerText } from './answer-text.ts'
import type { Constraint } from './constraint.ts'
import type { Prediction } from './forward.ts'
import { argmax, type Sampler } from './sampler.ts'

export interface GenerationOptions {
  readonly ids: Uint32Array // what the answer follows, at least one
  readonly maxTokens: number
  readonly sampler: Sampler
  readonly stop: readonly string[]
  /** What the answer's text must be. Absent: anything. */
  readonly constraint?: Constraint
}

/** `stop`: the model ended its turn or a stop string was met; `length`: maxTokens were made. */
export type FinishReason = 'stop' | 'length'

export interface Generated {
  readonly finishReason: FinishReason
  readonly tokens: readonly number[] // without the end token
  readonly questionMs: number // until the first token was known
  readonly answerMs: number // all after that
  readonly steps: number // of the model, in answerMs; one more than tokens show where the last was an end token
}

export class Generation {
  readonly #tokenizer: Tokenizer
  readonly #options: GenerationOptions
  readonly #text: AnswerText
  readonly #tokens: number[] = []
  readonly #begun = performance.now()
  #unread: Uint32Array
  #shown = '' // text that was not handed out yet
  #first: number | undefined // when the first token was known
  #steps = -1 // after the first token
  #result: Generated | undefined

  constructor(tokenizer: Tokenizer, options: GenerationOptions) {
    this.#tokenizer = tokenizer
    this.#options = options
    this.#text = new AnswerText(options.stop)
    this.#unread = options.ids
    this.#force()
  }

  /** Tokens that the model has yet to read before its next logits are of use. */
  get unread(): number {
    return this.#unread.length
  }

  /** How it ended; undefined while it goes on. */
  get result(): Generated | undefined {
    return this.#result
  }

  /** The next tokens for the model to read, at most so many. */
  read(most: number): Uint32Array {
    const ids = this.#unread.subarray(0, most)
    this.#unread = this.#unread.subarray(ids.length)
    return ids
  }

  /** Every token is the one with the largest logit, so that its index is all that `take` needs. */
  get isGreedy(): boolean {
    return this.#options.sampler === argmax && this.#options.constraint === undefined
  }

  /** What comes after everything was read → text that can be shown now. Logits, unless `isGreedy`. */
  take(prediction: Prediction): string {
    this.#first ??= performance.now()
    this.#steps++
    const token = typeof prediction === 'number' ? prediction : this.#choose(prediction)
    // A control token (end of turn, another role's header) is never part of an answer.
    if (this.#tokenizer.endTokens.has(token) || this.#tokenizer.isControl(token)) return this.#finish('stop')
    this.#unread = Uint32Array.of(token)
    this.#add(token)
    this.#options.constraint?.accept(token)
    this.#force()
    if (this.#text.isStopped || this.#options.constraint?.isOver) return this.#finish('stop')
    return this.#tokens.length < this.#options.maxTokens ? this.#show() : this.#finish('length')
  }

  #show(): string {
    const text = this.#shown
    this.#shown = ''
    return text
  }

  #add(token: number): void {
    this.#tokens.push(token)
    this.#shown += this.#text.push(this.#tokenizer.decodeBytes(token))
  }

  /** What must follow is read with what is read next, and not asked for; at the end it is not even read. */
  #force(): void {
    const forced = this.#options.constraint?.takeForced() ?? []
    if (forced.length === 0) return
    for (const token of forced) this.#add(token)
    this.#unread = Uint32Array.from([...this.#unread, ...forced])
  }

  #choose(logits: Float32Array): number {
    const { sampler, constraint, maxTokens } = this.#options
    if (!constraint) return sampler(logits)
    const left = maxTokens - this.#tokens.length - 1
    const token = sampler(logits, (id) => constraint.allows(id, left))
    if (token >= 0) return token
    throw new CompactorError(
      'model-unsupported',
      'the model has no token with which the answer could go on as its schema asks; use another model or no schema',
    )
  }

  #finish(finishReason: FinishReason): string {
    const now = performance.now()
    const first = this.#first ?? now
    this.#result = {
      finishReason,
      tokens: this.#tokens,
      questionMs: first - this.#begun,
      answerMs: now - first,
      steps: this.#steps,
    }
    return this.#show() + this.#text.finish()
  }
}
