/**
 * Lines of our own format: one context with the questions asked about it. Other fields than those read here (licence,
 * title, …) describe the data and are left alone. Not here: files (read-examples.ts) and LongBench's lines (longbench.ts).
 */
import type { Example, MetricName, Question } from './example.ts'
import { count, type Fields, filledText, objects, optional, share, text, texts, truth } from './json-fields.ts'
import { metricOf } from './metrics/index.ts'

/**
 * How files name their rules. Where a file names two, the first that is a score of single words is taken: word F1 is what
 * the papers of SQuAD, HotpotQA, MuSiQue, 2WikiMultihopQA report first, and FairytaleQA's answers are a few words long.
 */
const fileMetrics: Readonly<Record<string, MetricName>> = {
  'squad_f1/em': 'word-f1',
  'qa_f1/em': 'word-f1',
  'rougeL/qa_f1': 'word-f1',
  'contains (first number)': 'contains-first-number',
  'ruler string_match_all': 'ruler-all',
  'ruler string_match_part': 'ruler-part',
  'answer_contained (best_subspan_em)': 'answer-contained',
  'longbench:qa_f1': 'longbench-qa-f1',
  'longbench:rougeL': 'rouge-l',
  'longbench:classification': 'longbench-classification',
  'longbench:code_sim': 'longbench-code-similarity',
}

/** LongBench judges these by the first line of the answer alone. */
const isCutByLongBench = (dataset: string): boolean => /(?:^|\/)(?:triviaqa|samsum)$/.test(dataset)

/** Throws CompactorError('usage') for a rule that is neither of ours nor in the list above. */
const metricFor = (given: string, dataset: string): MetricName => {
  const { name } = metricOf(fileMetrics[given] ?? given)
  return given.startsWith('longbench:') && isCutByLongBench(dataset) ? `${name}-first-line` : name
}

/** A question may be empty if the answer's prefix asks. */
const readQuestion = (fields: Fields, index: number): Question => {
  const at = `questions[${index}]`
  const prefix = fields.answer_prefix === undefined ? '' : text(fields, 'answer_prefix', `${at}.answer_prefix`)
  return {
    qid: fields.qid === undefined ? `q${index + 1}` : filledText(fields, 'qid', `${at}.qid`),
    question: (prefix === '' ? filledText : text)(fields, 'question', `${at}.question`),
    answers: texts(fields, 'answers', `${at}.answers`),
    ...(prefix === '' ? {} : { answerPrefix: prefix }),
  }
}

export const isQuestionList = (fields: Fields): boolean => 'questions' in fields

const defaultMetric = 'word-f1'
const defaultMaxNewTokens = 128

/**
 * `context` and `questions` (`question` and `answers`, perhaps `answer_prefix`) must be there. Defaults: `id` says the line,
 * `qid` the place in the list, `metric` is word F1, `max_new_tokens` 128, `dataset` the file's name, `instruction` none.
 * Throws RangeError or CompactorError('usage').
 */
export const readQuestionList = (
  fields: Fields,
  { fileName, line }: { readonly fileName: string; readonly line: number },
): Example => {
  const instruction = fields.instruction === undefined ? '' : text(fields, 'instruction')
  if (fields.prompt_is_raw === true && instruction !== '')
    throw new RangeError('"instruction" must be empty where "prompt_is_raw" is true; put it into "context"')
  const dataset = fields.dataset === undefined ? fileName : filledText(fields, 'dataset')
  return {
    id: fields.id === undefined ? `line-${line}` : filledText(fields, 'id'),
    dataset,
    instruction,
    context: filledText(fields, 'context'),
    questions: objects(fields, 'questions').map(readQuestion),
    metric: metricFor(fields.metric === undefined ? defaultMetric : filledText(fields, 'metric'), dataset),
    maxNewTokens: fields.max_new_tokens === undefined ? defaultMaxNewTokens : count(fields, 'max_new_tokens'),
    ...optional(fields, 'prompt_is_raw', { as: 'promptIsRaw', read: truth }),
    ...optional(fields, 'all_classes', { as: 'classes', read: texts }),
    ...optional(fields, 'depth', { as: 'depth', read: share }),
    ...optional(fields, 'target_tokens', { as: 'targetTokens', read: count }),
  }
}
