/** Word F1 of an answer against its references, as SQuAD's evaluation defines it; not a judgement of meaning. */
import { best, type Metric } from './metric.ts'
import { normalisedAnswer, overlapF1, wordsOf } from './normalised-answer.ts'

/** Two texts without words agree (SQuAD 2.0's rule; 1.1 has no such references). */
const f1 = (answer: readonly string[], reference: readonly string[]): number =>
  answer.length === 0 && reference.length === 0 ? 1 : overlapF1(answer, reference)

export const wordF1: Metric = {
  name: 'word-f1',
  summary: 'F1 of words without case, punctuation and articles (SQuAD)',
  score: (prediction, question) => {
    const words = wordsOf(normalisedAnswer(prediction))
    return best(question, (reference) => f1(words, wordsOf(normalisedAnswer(reference))))
  },
}
