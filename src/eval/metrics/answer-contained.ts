/** best_subspan_em of "Lost in the middle": a reference in the first line of the answer, both normalised as SQuAD does. */
import { best, firstLine, type Metric } from './metric.ts'
import { normalisedAnswer } from './normalised-answer.ts'

export const answerContained: Metric = {
  name: 'answer-contained',
  summary: 'the first line of the answer contains a reference but for case, punctuation and articles (best_subspan_em)',
  score: (prediction, question) => {
    const given = normalisedAnswer(firstLine(prediction))
    return best(question, (reference) => (given.includes(normalisedAnswer(reference)) ? 1 : 0))
  },
}
