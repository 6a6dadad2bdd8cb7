/**
 * Sources to data sets: tasks are generated with the model's own tokenizer, then contexts and questions are chosen. The
 * same for the same sources, choice and tokenizer, whatever the machine. Not here: files and names (sources.ts).
 */
import { createHash } from 'node:crypto'
import { CompactorError } from '../error.ts'
import type { Example } from './example.ts'
import type { Choice, Source, TaskSource } from './job.ts'
import type { DataSet } from './run.ts'
import { documentIds, type Subject } from './subject.ts'
import { chooseContexts, chooseQuestions } from './subset.ts'
import { generateExamples, taskOf } from './tasks/index.ts'

export interface DataRequest {
  readonly sources: readonly Source[]
  readonly choice: Choice
  readonly onNote?: (sentence: string) => void
}

/** Throws CompactorError: 'usage' for a source without a fitting context, 'document-too-long' for a task's length. */
export const dataSetsOf = (subject: Subject, { sources, choice, onNote }: DataRequest): DataSet[] =>
  sources
    .flatMap((source) => (source.kind === 'file' ? [fromFile(source)] : generate(subject, source, choice.seed, onNote)))
    .map((data) => {
      subject.control.check()
      const examples = choose(subject, data, choice)
      return {
        ...data,
        examples: examples.map((one) => chooseQuestions(one, { seed: choice.seed, limit: choice.questions })),
      }
    })

/** `isChosen`: the examples are those of a committed subset, in its order. */
interface Candidates extends DataSet {
  readonly isChosen?: boolean
}

const fromFile = ({ file, ids }: Extract<Source, { kind: 'file' }>): Candidates => {
  const { name, sha256, examples } = file
  if (!ids) return { name, sha256, examples }
  const byId = new Map(examples.map((example) => [example.id, example]))
  const chosen = ids.map((id) => {
    const example = byId.get(id)
    if (!example) throw new CompactorError('usage', `the subset names context "${id}", which ${name} does not have`)
    return example
  })
  return { name, sha256, examples: chosen, isChosen: true }
}

const generate = (
  { file, template }: Subject,
  source: TaskSource,
  seed: number,
  onNote: DataRequest['onNote'],
): Candidates[] => {
  const { name, samples, haystack, options } = source
  const countTokens = (text: string): number => file.tokenizer.encode(text).length
  const { contextLength } = file.model.config
  const { head, between, end } = template
  const most = contextLength - head.length - between.length - end.length - seamTokens
  return lengthsFor(source, { model: file.name, contextLength, most, onNote }).map((tokens) => {
    const request = { countTokens, tokens, samples, seed, options, ...(haystack === undefined ? {} : { haystack }) }
    const examples = generateExamples(name, request)
    const sha256 = createHash('sha256').update(JSON.stringify(examples)).digest('hex')
    return { name: `${name}@${tokens}`, sha256, examples }
  })
}

/** Texts may have more tokens apart than together. */
const seamTokens = 16

interface Trained {
  readonly model: string
  readonly contextLength: number
  readonly most: number // tokens of a prompt, without the chat template
  readonly onNote: DataRequest['onNote']
}

/** Lengths that were asked for must fit; of a task's own those that do are taken. */
const lengthsFor = (
  { name, lengths }: TaskSource,
  { model, contextLength, most, onNote }: Trained,
): readonly number[] => {
  const wanted = lengths ?? taskOf(name).lengths
  const fitting = wanted.filter((tokens) => tokens <= most)
  const tooLong = wanted.filter((tokens) => !fitting.includes(tokens))
  if (tooLong.length === 0) return wanted
  const what = `${model} was trained on ${contextLength} tokens, too few for ${name} at ${tooLong.join(' and ')}`
  if (lengths || fitting.length === 0)
    throw new CompactorError(
      'document-too-long',
      `${what}; ask for lengths up to ${most} or take a model with a longer context`,
    )
  onNote?.(`${what}; only ${fitting.join(', ')} ${fitting.length === 1 ? 'is' : 'are'} run`)
  return fitting
}

const choose = (subject: Subject, { name, examples, isChosen }: Candidates, choice: Choice): readonly Example[] => {
  const { seed, limit, perDataset, minTokens, maxTokens } = choice
  const isLimited = minTokens !== undefined || maxTokens !== undefined
  const lengths = new Map(isLimited ? examples.map((one) => [one, documentIds(subject, one).length]) : [])
  const isFitting = (example: Example): boolean => {
    const length = lengths.get(example)
    return length === undefined || (length >= (minTokens ?? 0) && length <= (maxTokens ?? Number.POSITIVE_INFINITY))
  }
  const fitting = examples.filter(isFitting)
  if (fitting.length === 0) {
    const [shortest, longest] = [Math.min(...lengths.values()), Math.max(...lengths.values())]
    throw new CompactorError(
      'usage',
      `no context of ${name} has from ${minTokens ?? 0} to ${maxTokens ?? 'any number of'} tokens: they have ${shortest} to ${longest}; ask for other lengths`,
    )
  }
  if (isChosen) return fitting.slice(0, limit)
  return chooseContexts(fitting, {
    seed,
    ...(limit === undefined ? {} : { limit }),
    ...(perDataset === undefined ? {} : { perDataset }),
  })
}
