/** LongBench's lcc and repobench-p: how similar the first line of code is to the reference, in whole percent. */
import { matchingRatio } from './matching-ratio.ts'
import { best, type Metric } from './metric.ts'

/** Without a fence or a comment; '' if there is none. */
const firstCodeLine = (prediction: string): string =>
  prediction
    .replace(/^\n+/, '')
    .split('\n')
    .find((line) => !/`|#|\/\//.test(line)) ?? ''

/** Half to even, as Python rounds. */
const roundHalfEven = (value: number): number => {
  const low = Math.floor(value)
  if (value - low !== 0.5) return Math.round(value)
  return low % 2 === 0 ? low : low + 1
}

/** fuzzywuzzy's `ratio`: 1 for equal strings, else 0 if either is empty. */
const similarity = (line: string, reference: string): number => {
  if (line === reference) return 1
  if (line === '' || reference === '') return 0
  return roundHalfEven(100 * matchingRatio(line, reference)) / 100
}

export const longbenchCodeSimilarity: Metric = {
  name: 'longbench-code-similarity',
  summary: 'similarity of the first line without backtick, # and // to the reference (LongBench, fuzzywuzzy ratio)',
  score: (prediction, question) => {
    const line = firstCodeLine(prediction)
    return best(question, (reference) => similarity(line, reference))
  },
}
