/** The first number of the answer is the reference, as in LongEval's lines task; later numbers do not count. */
import { best, type Metric } from './metric.ts'

const firstNumber = (text: string): string | undefined => /\d+/.exec(text)?.[0].replace(/^0+(?=\d)/, '')

export const containsFirstNumber: Metric = {
  name: 'contains-first-number',
  summary: 'the first run of digits in the answer is the number of a reference (LongEval lines)',
  score: (prediction, question) => {
    const given = firstNumber(prediction)
    if (given === undefined) return 0
    return best(question, (reference) => (firstNumber(reference) === given ? 1 : 0))
  },
  refusal: ({ answers }) => {
    const other = answers.find((answer) => firstNumber(answer) === undefined)
    return other === undefined ? undefined : `contains-first-number needs references with a number, got "${other}"`
  },
}
