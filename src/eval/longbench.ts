/**
 * Lines of LongBench v1 and LongBench-E (input, context, answers, dataset, all_classes, _id): prompts split as kvpress
 * splits them, LongBench's own limits (kvpress allows 20 tokens more), its metrics. Over-long contexts are not cut.
 */
import { CompactorError } from '../error.ts'
import { didYouMean } from '../nearest-name.ts'
import type { Example, MetricName } from './example.ts'
import { type Fields, filledText, text, texts } from './json-fields.ts'
import { type LongBenchName, longBenchPrompts } from './longbench-prompts.ts'

interface Task {
  readonly metric: MetricName
  readonly maxNewTokens: number
}

const tasks: Readonly<Record<LongBenchName, Task>> = {
  narrativeqa: { metric: 'longbench-qa-f1', maxNewTokens: 128 },
  qasper: { metric: 'longbench-qa-f1', maxNewTokens: 128 },
  multifieldqa_en: { metric: 'longbench-qa-f1', maxNewTokens: 64 },
  hotpotqa: { metric: 'longbench-qa-f1', maxNewTokens: 32 },
  '2wikimqa': { metric: 'longbench-qa-f1', maxNewTokens: 32 },
  musique: { metric: 'longbench-qa-f1', maxNewTokens: 32 },
  gov_report: { metric: 'rouge-l', maxNewTokens: 512 },
  qmsum: { metric: 'rouge-l', maxNewTokens: 512 },
  multi_news: { metric: 'rouge-l', maxNewTokens: 512 },
  trec: { metric: 'longbench-classification', maxNewTokens: 64 },
  triviaqa: { metric: 'longbench-qa-f1-first-line', maxNewTokens: 32 },
  samsum: { metric: 'rouge-l-first-line', maxNewTokens: 128 },
  lsht: { metric: 'longbench-classification', maxNewTokens: 64 },
  passage_count: { metric: 'longbench-count', maxNewTokens: 32 },
  passage_retrieval_en: { metric: 'longbench-retrieval', maxNewTokens: 32 },
  passage_retrieval_zh: { metric: 'longbench-retrieval', maxNewTokens: 32 },
  lcc: { metric: 'longbench-code-similarity', maxNewTokens: 64 },
  'repobench-p': { metric: 'longbench-code-similarity', maxNewTokens: 64 },
}

/** Their metrics need the segmentation of the Python package jieba; any other gives other scores. */
const chineseOnly: readonly string[] = ['multifieldqa_zh', 'dureader', 'vcsum']

/** The inputs of few-shot tasks end with the prefix, which then would stand twice. */
const fewShot: readonly string[] = ['trec', 'triviaqa', 'samsum']

const isSupported = (name: string): name is LongBenchName => Object.hasOwn(longBenchPrompts, name)

/** "qasper", "qasper_e" → "qasper" */
const nameOf = (dataset: string): LongBenchName => {
  const name = dataset.replace(/[-_]e$/, '')
  if (isSupported(name)) return name
  if (chineseOnly.includes(name))
    throw new CompactorError(
      'usage',
      `LongBench's ${name} is scored by Chinese word segmentation, which is not built in; leave that data set out`,
    )
  const names = Object.keys(longBenchPrompts)
  throw new CompactorError(
    'usage',
    `unknown LongBench data set "${dataset}"; there are ${names.join(', ')}${didYouMean(dataset, names)}`,
  )
}

const questionText = (name: LongBenchName, input: string): string => {
  const { question, answerPrefix } = longBenchPrompts[name]
  const asked = fewShot.includes(name) && input.endsWith(answerPrefix) ? input.slice(0, -answerPrefix.length) : input
  return question.replace('{input}', () => asked) // a function: `$` in the data means itself
}

export const isLongBench = (fields: Fields): boolean => 'input' in fields && 'answers' in fields && 'dataset' in fields

/** Throws RangeError for a missing or wrong field, CompactorError('usage') for a data set that is not supported. */
export const readLongBench = (fields: Fields): Example => {
  const dataset = filledText(fields, 'dataset')
  const name = nameOf(dataset)
  const { document, answerPrefix } = longBenchPrompts[name]
  const id = filledText(fields, '_id')
  const context = filledText(fields, 'context')
  const question = {
    qid: id,
    question: questionText(name, text(fields, 'input')),
    answers: texts(fields, 'answers'),
    ...(answerPrefix === '' ? {} : { answerPrefix }),
  }
  const hasClasses = fields.all_classes !== undefined && fields.all_classes !== null
  return {
    id,
    dataset,
    instruction: '',
    context: document.replace('{context}', () => context),
    promptIsRaw: true,
    questions: [question],
    ...tasks[name],
    ...(hasClasses ? { classes: texts(fields, 'all_classes') } : {}),
  }
}
