/** The table of metrics. */
import { CompactorError } from '../../error.ts'
import { didYouMean } from '../../nearest-name.ts'
import { answerContained } from './answer-contained.ts'
import { contains } from './contains.ts'
import { containsFirstNumber } from './contains-first-number.ts'
import { exactMatch } from './exact-match.ts'
import { kvzipContains } from './kvzip-contains.ts'
import { longbenchClassification } from './longbench-classification.ts'
import { longbenchCodeSimilarity } from './longbench-code-similarity.ts'
import { longbenchCount, longbenchRetrieval } from './longbench-numbers.ts'
import { longbenchQaF1, longbenchQaF1FirstLine } from './longbench-qa-f1.ts'
import type { Metric } from './metric.ts'
import { rougeL, rougeLFirstLine } from './rouge-l.ts'
import { rulerAll, rulerAllNewline, rulerPart, rulerPartNewline } from './ruler.ts'
import { wordF1 } from './word-f1.ts'

export type { Metric } from './metric.ts'

export const metrics: readonly Metric[] = [
  wordF1,
  exactMatch,
  contains,
  containsFirstNumber,
  answerContained,
  kvzipContains,
  rougeL,
  rougeLFirstLine,
  rulerAll,
  rulerPart,
  rulerAllNewline,
  rulerPartNewline,
  longbenchQaF1,
  longbenchQaF1FirstLine,
  longbenchClassification,
  longbenchCodeSimilarity,
  longbenchRetrieval,
  longbenchCount,
]

/** Throws CompactorError('usage') for a name that is not in the table. */
export const metricOf = (name: string): Metric => {
  const metric = metrics.find((candidate) => candidate.name === name)
  if (metric) return metric
  const names = metrics.map((candidate) => candidate.name)
  throw new CompactorError('usage', `unknown metric "${name}"; there are ${names.join(', ')}${didYouMean(name, names)}`)
}
