/** LongBench's passage retrieval and count: the share of all numbers in the answer that are the right one. */
import { best, type Metric } from './metric.ts'

const rightShare = (prediction: string, right: string): number => {
  const numbers = prediction.match(/\d+/g) ?? []
  return numbers.length === 0 ? 0 : numbers.filter((number) => number === right).length / numbers.length
}

/** "Paragraph 12" or 段落12 → "12" */
const paragraphNumber = (reference: string): string | undefined => /(?:Paragraph |段落)(\d+)/.exec(reference)?.[1]

export const longbenchRetrieval: Metric = {
  name: 'longbench-retrieval',
  summary: 'share of the numbers in the answer that are the right paragraph (LongBench)',
  score: (prediction, question) =>
    best(question, (reference) => rightShare(prediction, paragraphNumber(reference) ?? '')),
  refusal: ({ answers }) => {
    const other = answers.find((answer) => paragraphNumber(answer) === undefined)
    return other === undefined ? undefined : `longbench-retrieval needs references like "Paragraph 3", got "${other}"`
  },
}

export const longbenchCount: Metric = {
  name: 'longbench-count',
  summary: 'share of the numbers in the answer that are the reference (LongBench)',
  score: (prediction, question) => best(question, (reference) => rightShare(prediction, reference)),
  refusal: ({ answers }) => {
    const other = answers.find((answer) => !/^\d+$/.test(answer))
    return other === undefined ? undefined : `longbench-count needs references that are a number, got "${other}"`
  },
}
