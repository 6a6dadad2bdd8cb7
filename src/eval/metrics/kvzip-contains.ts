/** KVzip's rule for its question answering: a substring after normalisation that also writes number words as digits. */
import { best, type Metric } from './metric.ts'
import { normalisedAnswer } from './normalised-answer.ts'

const numbers = ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine']
const numberWord = new RegExp(`(?<![\\p{L}\\p{N}_])(?:${numbers.join('|')})(?![\\p{L}\\p{N}_])`, 'gu')

const normalised = (text: string): string =>
  normalisedAnswer(text).replace(numberWord, (word) => String(numbers.indexOf(word)))

export const kvzipContains: Metric = {
  name: 'kvzip-contains',
  summary: 'the answer contains a reference but for case, punctuation, articles and number words (KVzip)',
  score: (prediction, question) => {
    if (prediction.trim() === '') return 0
    const given = normalised(prediction)
    return best(question, (reference) => (given.includes(normalised(reference)) ? 1 : 0))
  },
}
