/** An answer held to a schema token by token: which may come next, and where it ends. */
import { CompactorError } from '../error.ts'
import { type JsonSchema, ruleOfSchema } from '../grammar/json-schema.ts'
import { Matcher, type State } from '../grammar/matcher.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'

export class Constraint {
  readonly #matcher: Matcher
  readonly #tokenizer: Tokenizer
  readonly #inText: Uint32Array // stands for the text so far: a space may belong at its beginning only
  #state: State
  /** After each byte that has been tried here: most tokens fail at their first. */
  readonly #afterFirst = new Map<number, State | undefined>()

  /** Throws CompactorError('usage') for a schema that cannot be kept to. */
  constructor(schema: JsonSchema, tokenizer: Tokenizer) {
    this.#matcher = new Matcher(ruleOfSchema(schema))
    this.#tokenizer = tokenizer
    this.#inText = tokenizer.encode('{')
    this.#state = this.#matcher.start
  }

  /** Throws CompactorError('question-invalid') if not even the shortest value is sure to fit into so many tokens. */
  checkRoom(tokens: number): void {
    const least = this.#matcher.bytesLeft(this.#state)
    if (least > tokens)
      throw new CompactorError(
        'question-invalid',
        `the shortest JSON of the schema has ${least} bytes, and the answer may have only ${tokens} tokens; allow more tokens or ask for less`,
      )
  }

  /**
   * Whether the answer may go on with this token when `left` tokens may follow it. A token is at least a byte, so that with
   * no fewer tokens left than bytes to the shortest end there is always a way to it.
   */
  allows(id: number, left: number): boolean {
    if (this.#tokenizer.endTokens.has(id)) return this.#state.isComplete
    if (this.#tokenizer.isControl(id)) return false
    const bytes = this.#tokenizer.decodeBytes(id)
    if (bytes.length === 0) return false
    const first = this.#after(bytes)
    const state = first && this.#matcher.advance(first, bytes.subarray(1))
    return state !== undefined && this.#matcher.bytesLeft(state) <= left
  }

  /** Takes a token that is allowed. */
  accept(id: number): void {
    const state = this.#matcher.advance(this.#state, this.#tokenizer.decodeBytes(id))
    if (!state) throw new TypeError(`token ${id} is not allowed here`)
    this.#state = state
    this.#afterFirst.clear()
  }

  /**
   * Takes the tokens that must follow, whatever the model would say: property names, the rest of a value of an enumeration.
   * Where a choice comes behind them the last is left to the model, which may join it with what it chooses. No more tokens than
   * bytes, so that there is still a way to the end.
   */
  takeForced(): number[] {
    const bytes = this.#matcher.forced(this.#state)
    if (bytes.length === 0) return []
    const ids = [...this.#tokenizer.encode(Buffer.from(bytes).toString(), { after: this.#inText })]
    // A vocabulary may lack characters, and the bytes may begin inside of one.
    if (!Buffer.concat(ids.map((id) => this.#tokenizer.decodeBytes(id))).equals(bytes)) return []
    const end = this.#matcher.advance(this.#state, bytes)
    const taken = end?.isComplete && end.ways.length === 0 ? ids : ids.slice(0, -1)
    for (const id of taken) this.accept(id)
    return taken
  }

  /** Nothing can follow any more. */
  get isOver(): boolean {
    return this.#state.ways.length === 0
  }

  #after(bytes: Uint8Array): State | undefined {
    const first = bytes[0] as number
    if (!this.#afterFirst.has(first))
      this.#afterFirst.set(first, this.#matcher.advance(this.#state, bytes.subarray(0, 1)))
    return this.#afterFirst.get(first)
  }
}
