/** The evaluation harness as a table of contents; defines nothing. */

export type { Example } from './example.ts'
export { type Run, report } from './report/report.ts'
export { type ShadedDocument, shadedTextPage } from './report/shaded-text.ts'
export type { ContextResult, RunSettings } from './result.ts'
