/** LongBench's word F1: SQuAD's, but an answer without words is wrong even where the reference has none. */
import { best, type Metric, onFirstLine } from './metric.ts'
import { normalisedAnswer, overlapF1, wordsOf } from './normalised-answer.ts'

export const longbenchQaF1: Metric = {
  name: 'longbench-qa-f1',
  summary: 'F1 of words without case, punctuation and articles (LongBench)',
  score: (prediction, question) => {
    const words = wordsOf(normalisedAnswer(prediction))
    return best(question, (reference) => overlapF1(words, wordsOf(normalisedAnswer(reference))))
  },
}

/** LongBench's triviaqa. */
export const longbenchQaF1FirstLine: Metric = onFirstLine(longbenchQaF1)
