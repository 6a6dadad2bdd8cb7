/** Greedy answers of several sequences at once, the weights read once for all of them. */
import { AnswerText } from '../engine/answer-text.ts'
import { type Part, predict } from '../engine/forward.ts'
import type { Sequence } from '../engine/sequence.ts'
import type { Subject } from './subject.ts'

/** What is answered: a sequence, and the ids it reads first; with an `opening` nothing is read but those tokens. */
export interface Prompt {
  readonly sequence: Sequence
  readonly ids: Uint32Array
  /** Tokens that the answer begins with. Default none. */
  readonly opening?: readonly number[]
  readonly maxTokens: number
}

export interface Answer {
  readonly text: string // trimmed
  readonly tokens: readonly number[] // with the end token, if one came
  readonly isEnded: boolean
}

/** Token rows that go through the model together. */
export const mostRows = 2048

interface Running extends Required<Prompt> {
  readonly text: AnswerText
  readonly tokens: number[]
  pieces: string
  isEnded: boolean
}

/** → answers in the order of `prompts`. Throws CompactorError('aborted'). */
export const answerTogether = async (subject: Subject, prompts: readonly Prompt[]): Promise<Answer[]> => {
  const running = prompts.map(({ sequence, maxTokens, ids, opening = [] }): Running => {
    return { sequence, ids, maxTokens, text: new AnswerText(), tokens: [], pieces: '', isEnded: false, opening }
  })
  for (const one of running) for (const token of one.opening) take(subject, one, token)
  const unread = running.filter(({ ids }) => ids.length > 0)
  for (const group of groupsOf(unread, ({ ids }) => ids.length, mostRows)) {
    const next = await greedy(subject, group)
    for (const [i, one] of group.entries()) take(subject, one, next[i] ?? 0)
  }
  for (;;) {
    const open = running.filter(({ isEnded, tokens, maxTokens }) => !isEnded && tokens.length < maxTokens)
    if (open.length === 0) break
    const parts = open.map(({ sequence, tokens }) => ({ sequence, ids: Uint32Array.of(tokens.at(-1) ?? 0) }))
    const next = await greedy(subject, parts)
    for (const [i, one] of open.entries()) take(subject, one, next[i] ?? 0)
  }
  return running.map(({ pieces, text, tokens, isEnded }) => ({
    text: (pieces + text.finish()).trim(),
    tokens,
    isEnded,
  }))
}

const take = ({ file }: Subject, one: Running, token: number): void => {
  one.tokens.push(token)
  // A control token (end of turn, another role's header) is never part of an answer.
  if (file.tokenizer.endTokens.has(token) || file.tokenizer.isControl(token)) one.isEnded = true
  else one.pieces += one.text.push(file.tokenizer.decodeBytes(token))
}

/** The most likely token after each part. */
const greedy = async ({ ops, file, control }: Subject, parts: readonly Part[]): Promise<number[]> => {
  const found: number[] = []
  const indexOnly = (): boolean => true
  for await (const token of predict(ops, file.model, { parts, control, indexOnly })) found.push(token as number)
  return found
}

/** Consecutive items whose sizes together stay below `most`; a larger one stands alone. */
export function* groupsOf<T>(items: readonly T[], sizeOf: (item: T) => number, most: number): Generator<T[]> {
  let group: T[] = []
  let size = 0
  for (const item of items) {
    if (group.length > 0 && size + sizeOf(item) > most) {
      yield group
      group = []
      size = 0
    }
    group.push(item)
    size += sizeOf(item)
  }
  if (group.length > 0) yield group
}

export function* slicesOf(total: number, most: number): Generator<{ readonly start: number; readonly count: number }> {
  for (let start = 0; start < total; start += most) yield { start, count: Math.min(most, total - start) }
}
