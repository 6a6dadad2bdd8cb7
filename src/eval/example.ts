/**
 * One context with the questions asked about it: what every task generates, every file is read into and every run walks.
 * Not here: where they come from (tasks/, read-examples.ts) and how an answer is judged (metrics/).
 */

export interface Question {
  readonly qid: string
  readonly question: string
  readonly answers: readonly string[] // references; at least one
  /** Opens the model's answer; read after the turn's end and the assistant header, not counted in the answer. */
  readonly answerPrefix?: string
}

/** How a prediction is judged; a name of the table in metrics/index.ts. */
export type MetricName = string

export interface Example {
  readonly id: string // unique within its data set
  readonly dataset: string // what scores are grouped by: "squad1.1-dev", "niah_single_1"
  /** Stands before the context, a blank line between; '' for none. Compressed with it. */
  readonly instruction: string
  readonly context: string
  /** The question follows the context as it is, without the blank line between them. */
  readonly promptIsRaw?: boolean
  readonly questions: readonly Question[]
  readonly metric: MetricName
  readonly maxNewTokens: number
  /** All class names, for metrics that need them (LongBench trec, lsht). */
  readonly classes?: readonly string[]
  /** Where the evidence stands, 0 start … 1 end, and the length the context was made for: axes of the needle grid. */
  readonly depth?: number
  readonly targetTokens?: number
}

/** The text that is compressed. */
export const documentOf = ({ instruction, context }: Example): string =>
  instruction === '' ? context : `${instruction}\n\n${context}`
