/** How one answer is judged: an interface, its implementations are the folder, its table is index.ts. */
import type { Example, Question } from '../example.ts'

export interface Metric {
  readonly name: string // "word-f1"
  readonly summary: string // for `--help` and docs: what counts, and whose rule it is
  /** 0 (wrong) … 1 (right). `prediction` is the model's answer as generated, without the answer prefix. */
  score(prediction: string, question: Question, example: Example): number
  /** Why the question cannot be judged, to end a sentence with; asked when a file is read, so that no run fails hours later. */
  refusal?(question: Question, example: Example): string | undefined
}

/** The best over all references. */
export const best = (question: Question, score: (reference: string) => number): number =>
  Math.max(...question.answers.map(score))

/** What comes before the first line break; space and empty lines in front are dropped, as kvpress does. */
export const firstLine = (prediction: string): string => prediction.trimStart().split('\n', 1)[0] ?? ''

/** The same metric on the first line of the answer alone. */
export const onFirstLine = (metric: Metric): Metric => ({
  ...metric,
  name: `${metric.name}-first-line`,
  summary: `${metric.summary}; first line of the answer only`,
  score: (prediction, question, example) => metric.score(firstLine(prediction), question, example),
})
