/** How a failed command ends: one sentence on stderr and an exit code, 1 for what failed, 2 for what was used wrongly. */
import { CommanderError } from 'commander'
import { CompactorError, type ErrorCode } from '../error.ts'

const misuse: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['usage', 'budget-invalid'])

const asSentence = (message: string): string => message.trim().replace(/\s*\n\s*/g, ' ')

/** undefined = say nothing: help and version were printed already. */
export const describeFailure = (
  error: unknown,
): { readonly exitCode: number; readonly sentence: string | undefined } => {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return { exitCode: 0, sentence: undefined }
    if (error.code === 'commander.help') return { exitCode: 2, sentence: undefined }
    return { exitCode: 2, sentence: commanderSentence(error.message) }
  }
  if (error instanceof CompactorError)
    return { exitCode: misuse.has(error.code) ? 2 : 1, sentence: asSentence(error.message) }
  if (error instanceof TypeError || error instanceof RangeError)
    return { exitCode: 2, sentence: asSentence(error.message) }
  return {
    exitCode: 1,
    sentence: `unexpected failure: ${asSentence(error instanceof Error ? error.message : String(error))}`,
  }
}

/** "error: unknown option '--kep'\n(Did you mean --keep?)" → one line */
const commanderSentence = (message: string): string =>
  asSentence(message.replace(/^error: /, '').replace(/\n\(Did you mean (.*)\?\)/, '; did you mean $1?'))
