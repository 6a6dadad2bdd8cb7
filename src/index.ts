/** The public API as a table of contents; defines nothing. */
export type { ErrorCode } from './error.ts'
export { CompactorError } from './error.ts'
