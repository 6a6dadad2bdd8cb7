/** How a failed command ends: one sentence on stderr and an exit code, 1 for what failed, 2 for what was used wrongly. */
import { type Command, CommanderError } from 'commander'
import { CompactorError, type ErrorCode } from '../error.ts'
import { withFlagNames } from './flag-names.ts'

const misuse: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['usage', 'budget-invalid'])

const asSentence = (message: string): string => message.trim().replace(/\s*\n\s*/g, ' ')

/**
 * → `sentence` undefined = say nothing: help and version were printed already.
 * @param command whose flags the caller's values came from; absent: they are no flags
 */
export const describeFailure = (
  error: unknown,
  command?: Command,
): { readonly exitCode: number; readonly sentence: string | undefined } => {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return { exitCode: 0, sentence: undefined }
    if (error.code === 'commander.help') return { exitCode: 2, sentence: undefined }
    return { exitCode: 2, sentence: commanderSentence(error) }
  }
  const inFlags = (message: string, mayBegin: boolean): string =>
    command ? withFlagNames(asSentence(message), command, { mayBegin }) : asSentence(message)
  if (error instanceof CompactorError) {
    const isMisuse = misuse.has(error.code)
    return { exitCode: isMisuse ? 2 : 1, sentence: inFlags(error.message, isMisuse) }
  }
  if (error instanceof TypeError || error instanceof RangeError)
    return { exitCode: 2, sentence: inFlags(error.message, true) }
  return {
    exitCode: 1,
    sentence: `unexpected failure: ${asSentence(error instanceof Error ? error.message : String(error))}`,
  }
}

/** What to do about it, where the parser's own sentence only says what is wrong. The first that fits both code and message. */
const advice: readonly (readonly [code: string, message: RegExp, advice: string])[] = [
  ['missingArgument', /./, "the command's --help shows how it is called"],
  ['excessArguments', /'compress'/, '-o names the output, and a path with spaces in it needs quotes'],
  ['excessArguments', /./, 'a question or a path with spaces in it needs quotes'],
  ['missingMandatoryOptionValue', /./, "the command's --help shows how it is called"],
  ['unknownOption', /'--version'/, '`compactor --version` prints it'],
  ['unknownCommand', /'version'/, '`compactor --version` prints it'],
  [
    'unknownCommand',
    /\.cctx'/,
    '`compactor ask FILE "question"` asks a context, `compactor inspect context FILE` shows it',
  ],
  ['unknownCommand', /\.gguf'/, '`compactor inspect gguf FILE` shows a model'],
  [
    'unknownCommand',
    /'[^']*[./\\]/,
    '`compactor ask FILE "question"` asks a document, `compactor compress FILE` keeps it',
  ],
  ['unknownCommand', /./, '`compactor help` lists commands and topics'],
]

/** "error: unknown option '--kep'\n(Did you mean --keep?)" → one line */
const commanderSentence = ({ code, message }: CommanderError): string => {
  const [what = '', suggestion] = message.replace(/^error: /, '').split(/\n\(Did you mean /)
  const found = advice.find(([name, fits]) => code === `commander.${name}` && fits.test(what))
  const isGeneral = found?.[1].source === '.'
  const sentence = asSentence(what.replace(/\. Expected (\d+) arguments? but got (\d+)\.$/, ': expected $1, got $2'))
  if (suggestion !== undefined && (found === undefined || isGeneral))
    return `${sentence}; did you mean ${suggestion.replace(/\?\)\s*$/, '')}?`
  return found ? `${sentence}; ${found[2]}` : sentence
}
