/**
 * The passages that an answer comes from: those that question and answer both look at more than any question does, and whose
 * words they share. Attention alone favours the same tokens whatever is asked (the first, the last, line ends), so each passage
 * is held against what it receives from a question about nothing. Not here: attention (document-attention.ts), where passages
 * end (passages.ts).
 */
import type { Ops } from '../backends/ops.ts'
import type { Block } from '../cache/block.ts'
import { placeAt } from '../documents/place.ts'
import { restorePlaces } from '../documents/stored-places.ts'
import type { ContextState } from './context-state.ts'
import type { Control } from './control.ts'
import { documentAttention } from './document-attention.ts'
import { type Looks, passageShares, withWords } from './passage-shares.ts'
import { sharedWords } from './passage-words.ts'
import { cutPassages, type Passage, readTokens, type TokenText } from './passages.ts'
import { quote } from './quote.ts'
import { Sequence } from './sequence.ts'

/** A passage of the document, and how much of what was looked at it is. */
export interface Source {
  /** As one person would tell another: "page 3, § 2.1 Terms". */
  readonly place: string
  /** In bytes of the document's text in UTF-8, as `placeAt` takes them. */
  readonly start: number
  readonly end: number
  /** The passage itself. */
  readonly text: string
  /** Of all passages together, 0 to 1: how strongly question and answer point here. */
  readonly share: number
}

/** What was asked and answered, and the sequence that has read it. */
export interface Exchange {
  readonly sequence: Sequence
  /** Tokens of the sequence before the question's. */
  readonly questionAt: number
  readonly question: Uint32Array
  readonly answer: readonly number[]
}

/** The likeliest first. Throws CompactorError('aborted'). */
export const findSources = async (
  ops: Ops,
  state: ContextState,
  { sequence, questionAt, question, answer }: Exchange,
  { count, control }: { readonly count: number; readonly control: Control },
): Promise<Source[]> => {
  const { block } = state
  const again = sequence.onto(block)
  again.truncate(questionAt)
  const looks = await look(ops, state, { sequence: again, before: [], question, answer }, control)
  const usual = await usualLooks(ops, state, control)
  const spell = (ids: ArrayLike<number>): TokenText => readTokens(ids, state.model.tokenizer)
  const text = spell(state.tokenIds)
  const places = state.origin.document.places && restorePlaces(state.origin.document.places)
  const breaks = (places?.marks ?? []).filter(({ kind }) => kind !== 'line').map(({ offset }) => offset)
  const passages = cutPassages(text, tokensAt(state.sourceOffsets, breaks))
  const words = sharedWords(passages, text, { question: spell(question), answer: spell(answer) })
  const shares = withWords(passageShares(passages, looks, usual), words)
  const best = [...shares.keys()].sort((a, b) => (shares[b] ?? 0) - (shares[a] ?? 0) || a - b)
  return best
    .slice(0, count)
    .map((index) => ({ ...quote(text, state.sourceOffsets, passages[index] as Passage), share: shares[index] ?? 0 }))
    .filter(({ text, share }) => text !== '' && share > 0)
    .map(({ start, end, line, ...rest }) => {
      const place = places && places.marks.length > 0 ? placeAt(places, start, end) : `line ${line} of the text`
      return { place, start, end, ...rest }
    })
}

/** A question about nothing in the document and an answer that says nothing. */
const idle = { question: 'What does the document say?', answer: 'The document says that' } as const

/** Attention goes with the block, and stays the same for all its questions. */
const knownUsual = new WeakMap<Block, Looks>()

const usualLooks = async (ops: Ops, state: ContextState, control: Control): Promise<Looks> => {
  const { block, between, origin, model } = state
  const known = knownUsual.get(block)
  if (known) return known
  const { nextPosition } = origin
  const sequence = new Sequence(ops, model.model, { block, nextPosition, precision: block.shape.precision })
  const question = model.tokenizer.encode(idle.question, { after: between })
  const answer = [...model.tokenizer.encode(idle.answer), 0] // nothing is chosen behind the last token
  const looks = await look(ops, state, { sequence, before: between, question, answer }, control)
  knownUsual.set(block, looks)
  return looks
}

/** Reads a question and its answer and sees where they look. */
const look = async (
  ops: Ops,
  { block, end }: ContextState,
  {
    sequence,
    before,
    question,
    answer,
  }: Pick<Exchange, 'sequence' | 'question' | 'answer'> & {
    readonly before: readonly number[]
  },
  control: Control,
): Promise<Looks> => {
  const asked = [...before, ...question, ...end]
  const ids = Uint32Array.from([...asked, ...answer.slice(0, -1)])
  const spans = [
    { from: before.length, count: question.length },
    { from: asked.length - 1, count: ids.length - asked.length + 1 },
  ]
  const [fromQuestion, fromAnswer] = await documentAttention(ops, block, { sequence, ids, spans }, control)
  return { question: fromQuestion as Float64Array, answer: fromAnswer as Float64Array }
}

/** Tokens that begin at or behind such bytes of the source. */
const tokensAt = (sourceOffsets: Uint32Array, offsets: readonly number[]): Set<number> => {
  const tokens = new Set<number>()
  let token = 0
  for (const offset of offsets) {
    while (token < sourceOffsets.length && (sourceOffsets[token] ?? 0) < offset) token++
    tokens.add(token)
  }
  return tokens
}
