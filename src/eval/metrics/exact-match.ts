/** Equality after SQuAD's normalisation of case, punctuation, articles and spaces. */
import { best, type Metric } from './metric.ts'
import { normalisedAnswer } from './normalised-answer.ts'

export const exactMatch: Metric = {
  name: 'exact-match',
  summary: 'the whole answer equals a reference but for case, punctuation and articles (SQuAD)',
  score: (prediction, question) => {
    const given = normalisedAnswer(prediction)
    return best(question, (reference) => (normalisedAnswer(reference) === given ? 1 : 0))
  },
}
