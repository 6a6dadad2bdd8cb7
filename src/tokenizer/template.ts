/**
 * The model's own chat template as three runs of token ids around document and question. It is rendered once with marks
 * in place of what users write and cut there: the template's text is read with control tokens, users' text never meets
 * the template engine and is read without. So no document, question or system text can act as part of the format.
 */
import { createHash } from 'node:crypto'
import { CompactorError } from '../error.ts'
import { quoted } from '../shown.ts'
import type { Tokenizer, TokenizerSource } from './tokenizer.ts'

/** What is read: head, document, between, question, end; then the answer follows. */
export interface Template {
  readonly head: Uint32Array // with the system text
  readonly between: Uint32Array
  readonly end: Uint32Array
  readonly templateHash: string // sha256 of the ids of all three, in hex
}

interface Message {
  readonly role: 'system' | 'user' | 'assistant'
  readonly content: string
}

// Characters that escaping would change, so that a template which escapes is noticed.
const core = (place: string): string => `<compactor "${place}" & 'mark'>`
// White space at both ends, that many templates trim from a whole message: then it is the text's own that stays.
const [LEAD, TRAIL] = ['\n\t ', ' \t\n']
const mark = (place: string): string => LEAD + core(place) + TRAIL
const marks = {
  system: mark('system'),
  document: mark('document'),
  question: mark('question'),
  answer: mark('answer'),
  next: mark('next'),
}
const BETWEEN = '\n\n'

/**
 * @param system goes into the system message; without it the template's own default applies.
 * Throws CompactorError('model-unsupported') when there is no template or it does not hand the texts through unchanged.
 */
export const createTemplate = async (
  source: TokenizerSource,
  tokenizer: Tokenizer,
  system?: string,
): Promise<Template> => {
  const text = templateText(source)
  const user: Message = { role: 'user', content: marks.document + BETWEEN + marks.question }
  const messages: Message[] = system === undefined ? [user] : [{ role: 'system', content: marks.system }, user]
  const rendered = await render(text, messages, namesOf(source, tokenizer))
  const places: Place[] = system === undefined ? ['document', 'question'] : ['system', 'document', 'question']
  const [end = '', between = '', beforeDocument = '', beforeSystem] = cut(rendered, places).reverse()
  const control = (piece: string): Uint32Array => tokenizer.encode(piece, { control: true })
  const first = (piece: string): Uint32Array => tokenizer.encode(piece, { control: true, after: [] })
  const head =
    beforeSystem === undefined || system === undefined
      ? first(beforeDocument)
      : systemHead(tokenizer, { before: first(beforeSystem), system, behind: control(beforeDocument) })
  return withHash({ head: withBegin(head, tokenizer.beginToken), between: control(between), end: control(end) })
}

/**
 * What stands between an answer and the next question of a conversation; after it comes `end` again. The begin token is not
 * repeated. Throws CompactorError('model-unsupported') when the template does not hand conversations through unchanged.
 */
export const createTurn = async (source: TokenizerSource, tokenizer: Tokenizer): Promise<Uint32Array> => {
  const messages: Message[] = [
    { role: 'user', content: marks.document + BETWEEN + marks.question },
    { role: 'assistant', content: marks.answer },
    { role: 'user', content: marks.next },
  ]
  const rendered = await render(templateText(source), messages, namesOf(source, tokenizer))
  const pieces = cut(rendered, ['document', 'question', 'answer', 'next'])
  return tokenizer.encode(pieces[3] ?? '', { control: true })
}

const templateText = (source: TokenizerSource): string => {
  const text = source.get('tokenizer.chat_template')
  if (typeof text === 'string') return text
  throw new CompactorError(
    'model-unsupported',
    'the model has no chat template, expected an instruction-tuned one; take an "instruct" or "chat" version of it',
  )
}

const namesOf = (source: TokenizerSource, tokenizer: Tokenizer): Record<string, string> => ({
  bos_token: tokenizer.textOfNamed(source, 'bos'),
  eos_token: tokenizer.textOfNamed(source, 'eos'),
})

const systemHead = (
  tokenizer: Tokenizer,
  { before, system, behind }: { readonly before: Uint32Array; readonly system: string; readonly behind: Uint32Array },
): Uint32Array => join(before, tokenizer.encode(system, { after: before }), behind)

const render = async (text: string, messages: readonly Message[], names: Record<string, string>): Promise<string> => {
  const { renderTemplate } = await import('./bounded-template.ts') // loaded only here: it would delay every start
  try {
    return renderTemplate(text, { messages, add_generation_prompt: true, ...names })
  } catch (cause) {
    const reason = quoted(reasonOf(cause), longestReason)
    const advice = messages[0]?.role === 'system' ? 'leave the system text out, which it may not take, or take' : 'take'
    throw new CompactorError(
      'model-unsupported',
      `the model's chat template cannot be rendered (${reason}); ${advice} another model`,
      {
        cause,
      },
    )
  }
}

const longestReason = 160

const reasonOf = (cause: unknown): string => {
  if (!(cause instanceof Error)) return String(cause)
  return cause instanceof RangeError && cause.message.includes('call stack') ? 'it is nested too deeply' : cause.message
}

type Place = keyof typeof marks

/**
 * The text around the marks, which must all be there once, in order and unchanged, but for white space at the ends of a
 * message: before the document, behind the question, around the system text.
 */
const cut = (rendered: string, places: readonly Place[]): string[] => {
  const pieces: string[] = []
  let at = 0
  for (const place of places) {
    const found = rendered.indexOf(core(place))
    if (found < 0) throw unfit('changes or leaves out', place)
    if (found < at) throw unfit('moves', place)
    if (rendered.indexOf(core(place), found + 1) >= 0) throw unfit('repeats', place)
    const [before, behind] = [rendered.slice(at, found), rendered.slice(found + core(place).length)]
    const [isLed, isTrailed] = [before.endsWith(LEAD), behind.startsWith(TRAIL)]
    // Between document and question is the middle of one message: nothing may be trimmed there.
    if ((place === 'question' && !isLed) || (place === 'document' && !isTrailed)) throw unfit('changes', place)
    pieces.push(isLed ? before.slice(0, -LEAD.length) : before)
    at = found + core(place).length + (isTrailed ? TRAIL.length : 0)
  }
  return [...pieces, rendered.slice(at)]
}

const unfit = (does: string, place: Place): CompactorError => {
  const advice = place === 'system' ? 'leave the system text out' : 'take another model'
  return new CompactorError(
    'model-unsupported',
    `the model's chat template ${does} the ${place} text, expected it once, in order and unchanged; ${advice}`,
  )
}

const join = (...parts: readonly Uint32Array[]): Uint32Array => Uint32Array.from(parts.flatMap((part) => [...part]))

// Many templates write the begin token themselves.
const withBegin = (head: Uint32Array, begin: number | undefined): Uint32Array =>
  begin === undefined || head[0] === begin ? head : join(Uint32Array.of(begin), head)

const withHash = (pieces: Omit<Template, 'templateHash'>): Template => {
  const hash = createHash('sha256')
  for (const ids of [pieces.head, pieces.between, pieces.end]) {
    const bytes = Buffer.alloc(4 * (ids.length + 1))
    bytes.writeUInt32LE(ids.length)
    for (const [index, id] of ids.entries()) bytes.writeUInt32LE(id, 4 * (index + 1))
    hash.update(bytes)
  }
  return { ...pieces, templateHash: hash.digest('hex') }
}
