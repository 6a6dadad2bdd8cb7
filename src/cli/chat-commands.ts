/** What can be done in a conversation beside talking: the table of /commands. */
import { homedir } from 'node:os'
import { basename, extname, join } from 'node:path'
import { CompactorError } from '../error.ts'
import type { Context } from '../index.ts'
import { didYouMean } from '../nearest-name.ts'
import { type Conversation, transcriptText } from './conversation.ts'
import { usualCount } from './describe-sources.ts'
import { bytesText, countText, factsText, percentText, secondsText } from './figures.ts'
import type { Terminal } from './terminal.ts'
import { checkOutput, writeOutput } from './write-output.ts'

export interface ChatPlace {
  readonly conversation: Conversation
  readonly terminal: Terminal
  readonly isJson: boolean // answers as lines of JSON
  readonly signal: AbortSignal // Ctrl-C while the command runs
}

export interface ChatCommand {
  readonly names: readonly string[] // the first one is shown
  readonly takes?: string
  readonly about: string
  /** @param words what stands behind the name. → 'leave' to end the conversation */
  readonly run: (words: string, place: ChatPlace) => Promise<'leave' | undefined>
}

const help: ChatCommand = {
  names: ['/help', '/?'],
  about: 'this list',
  run: async (_, { terminal }) => {
    terminal.say(`${factsText(chatCommands.map(({ names, takes, about }) => [[names[0], takes].filter(Boolean).join(' '), about]))}

A line that ends with \\ goes on in the next one. // at the beginning of a line sends it with one /.
Ctrl-C stops an answer, Ctrl-D leaves.`)
    return undefined
  },
}

const stats: ChatCommand = {
  names: ['/stats'],
  about: 'turns, tokens, bytes, and how long the last answer took',
  run: async (_, { conversation, terminal }) => {
    const { turns, forgottenTurns, tokens, bytes, roomTokens, last } = conversation.cost()
    const forgotten = forgottenTurns > 0 ? ` (the first ${countText(forgottenTurns)} forgotten)` : ''
    terminal.say(
      factsText([
        ['turns', `${countText(turns)}${forgotten}, ${countText(tokens)} tokens in ${bytesText(bytes)}`],
        ['context', contextText(conversation.context)],
        ['room', `${countText(roomTokens)} tokens are left of the model's context`],
        ...(last === undefined ? [] : [['last answer', answerText(last)] as const]),
      ]),
    )
    return undefined
  },
}

const answerText = ({
  usage,
  timings,
  finishReason,
}: NonNullable<ReturnType<Conversation['cost']>['last']>): string => {
  const [read, said] = [usage.inputTokens - usage.cachedInputTokens, usage.outputTokens]
  const seconds = timings.answerMs / 1000
  const rate = said > 1 ? ` (${((said - 1) / seconds).toFixed(1)} tokens/s)` : ''
  return `${countText(read)} tokens read in ${secondsText(timings.questionMs / 1000)}, ${countText(said)} said in ${secondsText(seconds)}${rate}, ended by ${finishReason}`
}

const contextText = ({ stats }: Context): string =>
  `${countText(stats.originalTokens)} tokens, ${percentText(stats.keptShare)} kept (asked: ${stats.keep}) in ${bytesText(stats.bytes)} instead of ${bytesText(stats.fullBytes)}`

const keep: ChatCommand = {
  names: ['/keep'],
  takes: '[BUDGET]',
  about: 'how much of the document is kept; with 0.1, 500tok or 2MB: keep less, and begin anew',
  run: async (words, { conversation, terminal, signal }) => {
    if (words === '') {
      terminal.say(contextText(conversation.context))
      return undefined
    }
    const { parseKeep } = await import('../index.ts')
    const context = await conversation.shrink(parseKeep(words), signal).catch((error: unknown) => {
      throw withWayBack(error, conversation.source, words)
    })
    for (const warning of context.warnings) terminal.note(warning)
    terminal.say(contextText(context))
    terminal.note('the conversation begins anew with that')
    return undefined
  },
}

/** A document can be read again with more of it; of a context it is not known where its document is. */
const withWayBack = (error: unknown, source: string, words: string): unknown =>
  error instanceof CompactorError && error.code === 'budget-invalid' && !/\.cctx$|^[0-9a-f]{4,64}$/.test(source)
    ? new CompactorError(error.code, `${error.message} (\`compactor chat ${source} --keep ${words}\`)`, {
        cause: error,
      })
    : error

const save: ChatCommand = {
  names: ['/save'],
  takes: '[--force] [FILE]',
  about: 'write what was said as Markdown, or the context if FILE ends in .cctx',
  run: async (words, { conversation, terminal, signal }) => {
    const [, flag, name = ''] = /^(--force(?:\s+|$))?(.*)$/.exec(words) ?? []
    const path = name === '' ? defaultTranscript(conversation.source) : name.replace(/^~(?=\/)/, homedir())
    const output = { path, flag: '/save', force: flag !== undefined }
    if (path.startsWith('-'))
      throw new CompactorError('usage', `/save takes --force and the path of a file, got ${words}`)
    if (path.endsWith('.cctx')) {
      await checkOutput(output)
      const { bytes } = await conversation.context.save(path, { force: output.force, signal })
      terminal.note(`wrote the context to ${path} (${bytesText(bytes)})`)
      return undefined
    }
    const turns = conversation.said.filter((said) => 'question' in said).length
    if (turns === 0) throw new CompactorError('usage', 'nothing was said yet; /save FILE.cctx writes the context')
    await checkOutput(output)
    writeOutput(output, transcriptText(conversation), terminal)
    terminal.note(`wrote ${countText(turns)} turn${turns === 1 ? '' : 's'} to ${path}`)
    return undefined
  },
}

/** Beside where the user is, not beside the document, which may lie where nothing of theirs belongs. */
const defaultTranscript = (source: string): string => {
  const name = basename(source.replace(/[?#].*$/, ''))
  return join('.', `${basename(name, extname(name)) || 'conversation'}-chat.md`)
}

const sources: ChatCommand = {
  names: ['/sources'],
  takes: '[COUNT|off]',
  about: `behind each answer, the passages that it comes from (${usualCount} if no count is given)`,
  run: async (words, { conversation, terminal }) => {
    if (words !== 'off' && !/^\d*$/.test(words))
      throw new CompactorError('usage', `/sources takes a count or off, got ${words}`)
    const { mostSources } = await import('../index.ts')
    const count = words === 'off' ? 0 : Number(words || usualCount)
    if (count > mostSources) throw new CompactorError('usage', `/sources takes at most ${mostSources}, got ${words}`)
    conversation.sources = count === 0 ? undefined : count
    terminal.note(
      count === 0
        ? 'answers name no passages'
        : `from now on answers name the passages they come from (${count} at most)`,
    )
    return undefined
  },
}

const forget: ChatCommand = {
  names: ['/forget'],
  about: 'begin anew: the model forgets what was said, not the document',
  run: async (_, { conversation, terminal }) => {
    await conversation.forget()
    terminal.note('the conversation begins anew')
    return undefined
  },
}

const exit: ChatCommand = {
  names: ['/exit', '/quit', '/bye'],
  about: 'leave',
  run: async () => 'leave',
}

export const chatCommands: readonly ChatCommand[] = [help, stats, sources, keep, save, forget, exit]

/** Throws CompactorError('usage') for a command that does not exist, and what the command throws. */
export const runCommand = async (line: string, place: ChatPlace): Promise<'leave' | undefined> => {
  const [, name = '', words = ''] = /^(\S+)\s*([\s\S]*?)\s*$/.exec(line) ?? []
  const command = chatCommands.find(({ names }) => names.includes(name))
  if (!command) {
    const meant = didYouMean(
      name,
      chatCommands.flatMap(({ names }) => names),
    )
    throw new CompactorError(
      'usage',
      `there is no command ${name}; /help lists them, and a line that begins with // is said with one /${meant}`,
    )
  }
  if (words !== '' && command.takes === undefined)
    throw new CompactorError('usage', `${name} takes nothing behind it, got ${words}`)
  return command.run(words, place)
}
