/** A reference stands somewhere in the answer; only case is overlooked. */
import { best, type Metric } from './metric.ts'

export const contains: Metric = {
  name: 'contains',
  summary: 'the answer contains a reference, in any case (BABILong, key-value retrieval)',
  score: (prediction, question) => {
    const given = prediction.toLowerCase()
    return best(question, (reference) => (given.includes(reference.toLowerCase()) ? 1 : 0))
  },
}
