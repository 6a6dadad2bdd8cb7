/** All numbers of one context: its questions asked of the whole cache, of no document, and of every variant's memory. */
import type { Block } from '../cache/block.ts'
import { keptHeadCounts } from '../cache/kept-tokens.ts'
import type { Sequence } from '../engine/sequence.ts'
import { tokenTexts } from '../tokenizer/token-texts.ts'
import { type Answer, answerTogether } from './answers.ts'
import { type ContextReading, isPerQuestion, readContext } from './context-reading.ts'
import { afterFirst, distancesTo, type Expected, expect, forcedOf } from './distances.ts'
import type { Example, Question } from './example.ts'
import { metricOf } from './metrics/index.ts'
import {
  type ContextResult,
  closedBookName,
  type Distance,
  fullName,
  type Judged,
  type Kept,
  type KeptTokens,
  type Measure,
  type Protocol,
} from './result.ts'
import { closedBookIds, documentIds, emptySequence, questionIds, type Subject, sequenceOn } from './subject.ts'
import type { Variant } from './variant.ts'

export interface MeasurePlan {
  readonly protocol: Protocol
  readonly measures: readonly Measure[]
  readonly variants: readonly Variant[]
  readonly seed: number
  readonly maxNewTokens: number
  /** The result holds the document's tokens and who kept them. Default false. */
  readonly tellsTokens?: boolean
}

/** A question with what the whole cache makes of it. */
interface Asked {
  readonly question: Question
  readonly ids: Uint32Array
  readonly behind: Sequence | undefined // joint-prefill: the whole cache with the question read
  readonly full: Answer
  readonly expected: Expected | undefined
  readonly results: Record<string, Partial<Distance> & Partial<Judged>>
}

/** Blocks that are held at once: so many variants share the reading of the weights. */
const variantsTogether = 24

/** Throws CompactorError('aborted'). `data` is the name of the example's data set in the run. */
export const measureContext = async (
  subject: Subject,
  example: Example,
  plan: MeasurePlan,
): Promise<Omit<ContextResult, 'data'>> => {
  const reading = await readContext(subject, example, plan)
  const asked = await askWhole(subject, { example, reading, plan })
  if (plan.measures.includes('score')) await askClosedBook(subject, { example, asked, plan })
  const kept: Record<string, Kept> = {}
  const counts = plan.tellsTokens ? {} : undefined
  for (let start = 0; start < plan.variants.length; start += variantsTogether) {
    const variants = plan.variants.slice(start, start + variantsTogether)
    await askVariants(subject, { example, reading, plan: { ...plan, variants }, asked, kept, counts })
  }
  const { id, dataset, metric, depth, targetTokens } = example
  return {
    id,
    dataset,
    metric,
    documentTokens: reading.documentTokens,
    ...(depth === undefined ? {} : { depth }),
    ...(targetTokens === undefined ? {} : { targetTokens }),
    kept,
    questions: asked.map(({ question, results }) => ({ qid: question.qid, results })),
    ...(counts ? { tokens: keptTokens(subject, example, counts) } : {}),
  }
}

interface Context {
  readonly example: Example
  readonly reading: ContextReading
  readonly plan: MeasurePlan
}

const askWhole = async (subject: Subject, { example, reading, plan }: Context): Promise<Asked[]> => {
  const { whole } = reading
  const questions = example.questions.map((question) => ({ question, ids: questionIds(subject, example, question) }))
  const maxTokens = Math.min(plan.maxNewTokens, example.maxNewTokens)
  const asked = questions.map(({ ids }) => ({ sequence: sequenceOn(subject, whole), ids, maxTokens }))
  const answers = await answerTogether(subject, asked)
  const found: Asked[] = []
  for (const [i, { question, ids }] of questions.entries()) {
    const full = answers[i] ?? { text: '', tokens: [], isEnded: false }
    const forced = forcedOf(ids, full)
    const begin = (): Sequence => sequenceOn(subject, whole)
    const expected = plan.measures.includes('distance') ? await expect(subject, begin(), forced) : undefined
    const self = expected && (await distancesTo(subject, expected, [begin()]))[0]
    const results = { [fullName]: { ...self, ...judged(example, question, full, plan) } }
    const behind = plan.protocol === 'joint-prefill' ? begin() : undefined
    await behind?.next(ids, subject.control)
    found.push({ question, ids, behind, full, expected, results })
  }
  return found
}

const judged = (
  example: Example,
  question: Question,
  { text }: Answer,
  { measures }: Pick<MeasurePlan, 'measures'>,
): Partial<Judged> =>
  measures.includes('score')
    ? { answer: text, score: metricOf(example.metric).score(text, question, example) }
    : { answer: text }

const askClosedBook = async (
  subject: Subject,
  { example, asked, plan }: { readonly example: Example; readonly asked: readonly Asked[]; readonly plan: MeasurePlan },
): Promise<void> => {
  const maxTokens = Math.min(plan.maxNewTokens, example.maxNewTokens)
  const prompts = asked.map(({ question }) => ({
    sequence: emptySequence(subject),
    ids: closedBookIds(subject, example, question),
    maxTokens,
  }))
  const answers = await answerTogether(subject, prompts)
  for (const [i, { question, results }] of asked.entries()) {
    const answer = answers[i]
    if (answer) results[closedBookName] = judged(example, question, answer, plan)
  }
}

interface Batch extends Context {
  readonly asked: readonly Asked[]
  readonly kept: Record<string, Kept>
  readonly counts: Record<string, number[][]> | undefined // by variant: [layer][token], KV heads that keep it
}

const askVariants = async (subject: Subject, { example, reading, plan, asked, kept, counts }: Batch): Promise<void> => {
  const [first] = asked
  if (!first) return
  const shared = new Map<string, Block>() // memories that serve all questions
  const memoryOf = (variant: Variant, question: Question): Block => {
    const block = shared.get(variant.name) ?? reading.memory(variant, question)
    if (!isPerQuestion(variant)) shared.set(variant.name, block)
    kept[variant.name] ??= keptOf(block)
    if (counts) counts[variant.name] ??= keptHeadCounts(block).map((layer) => Array.from(layer))
    return block
  }
  const { variants } = plan
  for (const one of asked) {
    const blocks = variants.map((variant) => memoryOf(variant, one.question))
    const { ids, opening, expected, sequences } = beginningOf(subject, one, blocks)
    if (expected) {
      const distances = await distancesTo(subject, expected, sequences())
      for (const [i, { name }] of variants.entries()) one.results[name] = { ...one.results[name], ...distances[i] }
    }
    if (!plan.measures.includes('score')) continue
    const maxTokens = Math.min(plan.maxNewTokens, example.maxNewTokens)
    const prompts = sequences().map((sequence) => ({ sequence, ids, opening, maxTokens }))
    const answers = await answerTogether(subject, prompts)
    for (const [i, { name }] of variants.entries()) {
      const answer = answers[i]
      if (answer) one.results[name] = { ...one.results[name], ...judged(example, one.question, answer, plan) }
    }
  }
}

interface Beginning {
  readonly ids: Uint32Array // what the compressed memories read before they answer
  readonly opening: readonly number[] // tokens of the answer that the whole cache has given
  readonly expected: Expected | undefined
  sequences(): Sequence[]
}

const beginningOf = (subject: Subject, { ids, behind, full, expected }: Asked, blocks: readonly Block[]): Beginning => {
  if (!behind) return { ids, opening: [], expected, sequences: () => blocks.map((block) => sequenceOn(subject, block)) }
  // Read jointly, the question has seen everything and the answer's first token is the whole cache's own.
  return {
    ids: new Uint32Array(),
    opening: full.tokens.slice(0, 1),
    expected: expected && afterFirst(subject.ops, expected, full),
    sequences: () => blocks.map((block) => behind.onto(block)),
  }
}

const keptTokens = (
  subject: Subject,
  example: Example,
  kept: Readonly<Record<string, readonly (readonly number[])[]>>,
): KeptTokens => {
  const { tokenizer, model } = subject.file
  const texts = tokenTexts(tokenizer, documentIds(subject, example))
  return { texts, kvHeads: model.config.kvHeadCount, kept }
}

const keptOf = (block: Block): Kept => {
  const { keptShare, pairBytes, windowBytes, layers } = block.stats()
  const heads = layers.map(({ counts }) => counts.map((count) => round(count / block.documentTokens)))
  return { share: keptShare, bytes: pairBytes + windowBytes, ...(windowBytes > 0 && { windowBytes }), heads }
}

const round = (share: number): number => Math.round(share * 1e4) / 1e4
