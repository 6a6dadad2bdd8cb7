/**
 * The streams that a method's needs stand for: the document said again in pieces (KVzip, arXiv 2505.23416), or a question.
 * Not here: how they are read beside the document (layer-walk.ts).
 */
import { CompactorError } from '../error.ts'
import type { Method, Repeat } from '../methods/method.ts'
import type { Template } from '../tokenizer/template.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import type { StreamInput } from './stream-reader.ts'

export interface StreamSource {
  readonly document: Uint32Array
  readonly template: Pick<Template, 'between' | 'end'>
  readonly tokenizer: Tokenizer
  /** Ids of the question alone; only for methods that need one. */
  readonly question?: Uint32Array
}

/** Throws CompactorError('usage') where a method needs a question and there is none. */
export const streamsOf = ({ name, needs }: Method, source: StreamSource): StreamInput[] => {
  const { document, template, question } = source
  if (needs.repeat) return repeatStreams(needs.repeat, source)
  if (!needs.question) return []
  if (!question)
    throw new CompactorError(
      'usage',
      `method ${name} scores a document for one question, and a context is made before any is asked; take a method that needs none`,
    )
  const ids = join(template.between, question, template.end)
  return [{ ids, about: { from: 0, count: document.length } }]
}

const repeatStreams = (
  { chunkTokens, first, next, tailTokens }: Repeat,
  { document, template, tokenizer }: StreamSource,
): StreamInput[] =>
  chunksOf(document.length, chunkTokens).map(({ from, count }) => {
    const request =
      from === 0
        ? tokenizer.encode(first)
        : join(tokenizer.encode(next), document.subarray(Math.max(0, from - tailTokens), from))
    return {
      ids: join(template.between, request, template.end, document.subarray(from, from + count)),
      about: { from, count },
    }
  })

const chunksOf = (tokens: number, chunkTokens: number): { from: number; count: number }[] =>
  Array.from({ length: Math.ceil(tokens / chunkTokens) }, (_, i) => {
    const from = i * chunkTokens
    return { from, count: Math.min(chunkTokens, tokens - from) }
  })

const join = (...parts: readonly Uint32Array[]): Uint32Array => Uint32Array.from(parts.flatMap((part) => [...part]))
