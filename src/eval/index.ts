/** The evaluation harness, `compactor-kv/eval`, as a table of contents; defines nothing. */

export {
  checkBaseline,
  type Summary,
  type SummaryGroup,
  type SummaryOptions,
  type SummaryRow,
  summarise,
} from './aggregate.ts'
export {
  type EvaluateOptions,
  type Evaluation,
  type EvaluationOptions,
  evaluate,
  prepareEvaluation,
} from './evaluate.ts'
export type { Example, Question } from './example.ts'
export { type Metric, metricOf, metrics } from './metrics/index.ts'
export { type ExampleFile, parseExamples, readExamples } from './read-examples.ts'
export { report } from './report/report.ts'
export { type ShadedDocument, shadedTextPage } from './report/shaded-text.ts'
export type {
  ContextResult,
  Distance,
  Judged,
  Kept,
  Measure,
  Protocol,
  QuestionResult,
  RunSettings,
  VariantSettings,
} from './result.ts'
export type { RunProgress } from './run.ts'
export { type Run, readRun } from './run-folder.ts'
export { bootstrap, type Interval, pairedDifference } from './statistics.ts'
export { type ContextChoice, chooseContexts, chooseQuestions } from './subset.ts'
export { toMarkdown } from './summary-markdown.ts'
export { type GenerateRequest, generateExamples, type Task, taskOf, tasks } from './tasks/index.ts'
