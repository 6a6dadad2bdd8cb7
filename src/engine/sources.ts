/**
 * The passages that an answer comes from: those that question and answer both look at more than any question does. Attention
 * alone favours the same tokens whatever is asked (the first, the last, line ends), so each passage is held against what it
 * receives from a question about nothing. Not here: attention (document-attention.ts), where passages end (passages.ts).
 */
import type { Ops } from '../backends/ops.ts'
import type { Block } from '../cache/block.ts'
import { placeAt } from '../documents/place.ts'
import { restorePlaces } from '../documents/stored-places.ts'
import type { ContextState } from './context-state.ts'
import type { Control } from './control.ts'
import { documentAttention } from './document-attention.ts'
import { cutPassages, type Passage, readTokens, type TokenText } from './passages.ts'
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

export const mostSources = 50

/** Throws RangeError. */
export const checkSourceCount = (count: number | undefined): void => {
  if (count !== undefined && !(Number.isInteger(count) && count >= 1 && count <= mostSources))
    throw new RangeError(`sources must be a whole number from 1 to ${mostSources}, got ${count}`)
}

/** What was asked and answered, and the sequence that has read it. */
export interface Exchange {
  readonly sequence: Sequence
  /** Tokens of the sequence before the question's. */
  readonly questionAt: number
  readonly question: Uint32Array
  readonly answer: readonly number[]
}

/** What passages receive from the question's queries, and from those that chose the answer's tokens. */
interface Looks {
  readonly question: Float64Array
  readonly answer: Float64Array
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
  const text = readTokens(state.tokenIds, state.model.tokenizer)
  const places = state.origin.document.places && restorePlaces(state.origin.document.places)
  const breaks = (places?.marks ?? []).filter(({ kind }) => kind !== 'line').map(({ offset }) => offset)
  const passages = cutPassages(text, tokensAt(state.sourceOffsets, breaks))
  const shares = sharesOf(passages, looks, usual)
  const best = [...shares.keys()].sort((a, b) => (shares[b] ?? 0) - (shares[a] ?? 0) || a - b)
  return best
    .slice(0, count)
    .map((index) => ({ ...quote(state, text, passages[index] as Passage), share: shares[index] ?? 0 }))
    .filter(({ text, share }) => text !== '' && share > 0)
    .map(({ start, end, line, ...rest }) => {
      const place = places && places.marks.length > 0 ? placeAt(places, start) : `line ${line} of the text`
      return { place, start, end, ...rest }
    })
}

/** A question about nothing in the document and an answer that says nothing. */
const idle = { question: 'What does the document say?', answer: 'The document says that' } as const

/** Attention goes with the block, and stays the same for all its questions. */
const usual = new WeakMap<Block, Looks>()

const usualLooks = async (ops: Ops, state: ContextState, control: Control): Promise<Looks> => {
  const { block, between, origin, model } = state
  const known = usual.get(block)
  if (known) return known
  const { nextPosition } = origin
  const sequence = new Sequence(ops, model.model, { block, nextPosition, precision: block.shape.precision })
  const question = model.tokenizer.encode(idle.question, { after: between })
  const answer = [...model.tokenizer.encode(idle.answer), 0] // nothing is chosen behind the last token
  const looks = await look(ops, state, { sequence, before: between, question, answer }, control)
  usual.set(block, looks)
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

/**
 * What each passage received beyond the usual, x·ln(x / usual), as a share of the document for question and answer; the
 * geometric mean of both as a share again. Chosen by measurement, see docs/lab-book.md. → [passages], in sum 1 or all 0
 */
const sharesOf = (passages: readonly Passage[], looks: Looks, usual: Looks): number[] => {
  const gains = (['question', 'answer'] as const).map((who) => gainsOf(passages, looks[who], usual[who]))
  // So that a passage which one of both points to still comes before one that neither does.
  const floor = 0.1 / passages.length
  const [fromQuestion = [], fromAnswer = []] = gains
  if (gains.every((gain) => gain.every((value) => value === 0))) return passages.map(() => 0)
  return asShares(passages.map((_, i) => Math.sqrt(((fromQuestion[i] ?? 0) + floor) * ((fromAnswer[i] ?? 0) + floor))))
}

const gainsOf = (passages: readonly Passage[], seen: Float64Array, usually: Float64Array): number[] =>
  asShares(
    passages.map(({ from, to }) => {
      const [x, y] = [seen, usually].map((masses) => masses.subarray(from, to).reduce((total, mass) => total + mass, 0))
      return x && y && x > y ? x * Math.log(x / y) : 0
    }),
  )

const asShares = (values: readonly number[]): number[] => {
  const total = values.reduce((sum, value) => sum + value, 0)
  return total > 0 ? values.map((value) => value / total) : values.map(() => 0)
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

/** A passage without the white space around it. */
const quote = (
  { sourceOffsets }: Pick<ContextState, 'sourceOffsets'>,
  { bytes, starts }: TokenText,
  { from, to }: Passage,
): Pick<Source, 'start' | 'end' | 'text'> & { readonly line: number } => {
  const whole = Buffer.from(bytes.subarray(starts[from], starts[to])).toString()
  const text = whole.trim()
  const first = (starts[from] ?? 0) + Buffer.byteLength(whole.slice(0, whole.length - whole.trimStart().length))
  const end = first + Buffer.byteLength(text)
  const inSource = (byte: number): number => {
    let token = from
    while (token + 1 < to && (starts[token + 1] ?? 0) <= byte) token++
    // From the token's end: the first one may begin with a space that its tokenizer added.
    const next = sourceOffsets[token + 1]
    if (next === undefined) return (sourceOffsets[token] ?? 0) + byte - (starts[token] ?? 0)
    return next - ((starts[token + 1] ?? 0) - byte)
  }
  let line = 1
  for (let at = 0; at < first; at++) if (bytes[at] === 10) line++
  return { text, start: inSource(first), end: text === '' ? inSource(first) : inSource(end - 1) + 1, line }
}
