/**
 * One context read once for all variants: one prefill serves every budget, every method that scores in the same pass and
 * every question. Not here: what is then asked of it (measure.ts).
 */
import type { Block } from '../cache/block.ts'
import type { StreamInput } from '../engine/stream-reader.ts'
import { streamsOf } from '../engine/streams.ts'
import { type Scorer, type Survey, survey } from '../engine/survey.ts'
import type { Example, Question } from './example.ts'
import { documentIds, type Subject } from './subject.ts'
import type { Variant } from './variant.ts'

export interface ContextReading {
  readonly documentTokens: number
  readonly whole: Block
  /** A variant's memory; of methods that score for one question, that question's. Made anew at each call. */
  memory(variant: Variant, question: Question): Block
}

/** Does the memory differ from question to question? */
export const isPerQuestion = ({ method }: Variant): boolean => method.needs.question === true

export const readContext = async (
  subject: Subject,
  example: Example,
  { variants, seed }: { readonly variants: readonly Variant[]; readonly seed: number },
): Promise<ContextReading> => {
  const { ops, file, template, precision, control } = subject
  const document = documentIds(subject, example)
  const plan = planOf(subject, { example, document, variants })
  const { streams, scorers } = plan
  const input = { head: template.head, document, streams, scorers, precision, seed, control }
  const read: Survey = await survey(ops, file.model, input)
  return {
    documentTokens: document.length,
    whole: read.whole(),
    memory: (variant, { qid }) => {
      const index = plan.indexOf.get(scorerId(variant, qid))
      if (index === undefined) throw new RangeError(`${variant.name} was not read for question ${qid}`)
      return read.cut(index, variant)
    },
  }
}

interface Plan {
  readonly streams: readonly StreamInput[]
  readonly scorers: readonly Scorer[]
  readonly indexOf: ReadonlyMap<string, number> // of scorers, by scorerId
}

const scorerId = (variant: Variant, qid: string): string =>
  isPerQuestion(variant) ? `${variant.scorerKey} ${qid}` : variant.scorerKey

const planOf = (
  subject: Subject,
  {
    example,
    document,
    variants,
  }: { readonly example: Example; readonly document: Uint32Array; readonly variants: readonly Variant[] },
): Plan => {
  const { template, file } = subject
  const streams: StreamInput[] = []
  const known = new Map<string, readonly number[]>() // streams asked for, by what asked
  const scorers: Scorer[] = []
  const indexOf = new Map<string, number>()
  for (const variant of variants) {
    const { method, keep } = variant
    for (const question of isPerQuestion(variant) ? example.questions : example.questions.slice(0, 1)) {
      const id = scorerId(variant, question.qid)
      if (indexOf.has(id)) continue
      const asks = JSON.stringify([method.needs.repeat ?? null, isPerQuestion(variant) ? question.qid : null])
      const text = file.tokenizer.encode(question.question)
      const source = { document, template, tokenizer: file.tokenizer, question: text }
      const own = known.get(asks) ?? streamsOf(method, source).map((stream) => streams.push(stream) - 1)
      known.set(asks, own)
      indexOf.set(id, scorers.push({ method, streams: own, ...(method.nested ? {} : { keep }) }) - 1)
    }
  }
  return { streams, scorers, indexOf }
}
