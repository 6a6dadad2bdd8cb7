/** compactor chat: a conversation about a context, or about a document that becomes one first. */
import type { Command } from 'commander'
import { CompactorError, type ErrorCode } from '../error.ts'
import type { AnswerInfo } from '../index.ts'
import { type AnswerFlags, answerFlags, answerOptions, checkAnswerFlags } from './answer-flags.ts'
import { type Asked, type AskedFlags, askedFlags, askedOf, openAskedSource } from './asked-source.ts'
import { type ChatPlace, chatCommands, runCommand } from './chat-commands.ts'
import { type ChatInput, PipedInput, TypedInput } from './chat-input.ts'
import { Conversation } from './conversation.ts'
import { describeSources } from './describe-sources.ts'
import { checkSource } from './document-source.ts'
import { describeFailure } from './failure.ts'
import { countText, percentText } from './figures.ts'
import { defaultModel, engineFlags, modelFlag } from './flags.ts'
import { followQuestion } from './question-progress.ts'
import type { Terminal } from './terminal.ts'

const help = `
SOURCE is what \`compactor ask\` takes, but for -: standard input is the conversation. Each question sees what was said before.
When the model's context is full the oldest turns are forgotten, which is said; the document never is.

A line is a turn; one that ends with \\ goes on in the next. /help lists what else can be done: /stats, /sources, /keep,
/save, /forget, /exit. Ctrl-C stops an answer, and the turn is as if it had never been; Ctrl-D leaves.

Without a terminal one line of standard input is one turn and nothing is prompted. Answers alone are on standard output. The
exit code is then that of the first line that failed, 130 where an answer was stopped; a second SIGINT ends the program.

Examples:
  compactor chat report.cctx
  compactor chat notes.pdf -m qwen2.5-coder-1.5b --max-tokens 1000
  compactor chat ./project --temperature 0.7 --seed 1
  cat questions.txt | compactor chat report.cctx > answers.txt
  cat questions.txt | compactor chat report.cctx --json > answers.jsonl`

interface ChatFlags extends AnswerFlags, AskedFlags {
  readonly json?: boolean
}

export const defineChat = (command: Command, terminal: Terminal): void => {
  command
    .argument('<source>', 'context file or id, or a document: file, folder, address')
    .addOption(modelFlag(`model (default: the one that made the context, for a document ${defaultModel})`))
    .option('--json', 'print each answer as one line of JSON, with its question, tokens and times')
    .addHelpText('after', help)
    .action((source: string, flags: ChatFlags) => {
      return chat(askedOf(command, source, flags), flags, terminal)
    })
  for (const option of [...answerFlags(), ...askedFlags(), ...engineFlags()]) command.addOption(option)
}

const chat = async (asked: Asked, flags: ChatFlags, terminal: Terminal): Promise<void> => {
  await checkAnswerFlags(flags)
  checkSource(asked.source)
  if (asked.source === '-')
    throw new CompactorError(
      'usage',
      'standard input is the conversation, so the document cannot come from it; give a file, a folder or an address',
    )
  const opened = await openAskedSource(asked, flags, terminal)
  try {
    for (const warning of opened.context.warnings) terminal.note(warning)
    const conversation = new Conversation(opened, { source: asked.source, options: answerOptions(flags) })
    if (terminal.isTyped) greet(conversation, terminal)
    const names = chatCommands.flatMap((command) => command.names)
    const input = terminal.isTyped ? new TypedInput(terminal, names) : new PipedInput(terminal)
    await converse(input, { conversation, terminal, isJson: flags.json ?? false })
  } finally {
    await opened.dispose()
  }
}

const greet = ({ source, context }: Conversation, terminal: Terminal): void => {
  const { originalTokens, keptShare, model } = context.stats
  terminal.say(
    `${model} on ${source}: ${countText(originalTokens)} tokens, ${percentText(keptShare)} kept. /help lists commands, Ctrl-D leaves.`,
  )
}

const converse = async (input: ChatInput, place: Omit<ChatPlace, 'signal'>): Promise<void> => {
  const { terminal } = place
  let work: AbortController | undefined
  let isStopped = false // an answer was, and none was finished since
  const restore = terminal.onInterrupt(() => {
    if (!work) return input.interrupted()
    if (work.signal.aborted || (isStopped && !terminal.isTyped)) return false
    isStopped = true
    work.abort()
    return true
  })
  terminal.signal.addEventListener('abort', () => work?.abort(), { once: true })
  try {
    for (let turn = await input.next(); turn !== undefined; turn = await input.next()) {
      if (turn.trim() === '') continue
      work = new AbortController()
      const { signal } = work
      const outcome = await answerTurn(turn, { ...place, signal })
      work = undefined
      if (outcome === 'leave') return
      if (!signal.aborted) isStopped = false
    }
  } finally {
    restore()
    input.close()
  }
}

/** Failures after which the conversation is as it was before. */
const harmless: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'budget-invalid',
  'output-exists',
  'question-invalid',
  'usage',
  'write-failed',
])

/** A person has read what went wrong; a script learns it from the exit code. */
const answerTurn = async (turn: string, place: ChatPlace): Promise<'leave' | undefined> => {
  const { terminal, signal } = place
  const failed = (exitCode: number, sentence: string): undefined => {
    terminal.note(sentence)
    if (!terminal.isTyped) terminal.exitCode ||= exitCode
  }
  const isCommand = /^\/(?!\/)/.test(turn)
  try {
    if (isCommand) return await runCommand(turn, place)
    await sayTurn(turn.replace(/^\/\//, '/'), place)
    return undefined
  } catch (error) {
    if (terminal.signal.aborted || !(error instanceof CompactorError)) throw error
    if (signal.aborted) return failed(130, isCommand ? 'stopped' : 'stopped; the model does not remember this turn')
    const { exitCode, sentence } = describeFailure(error)
    if (!harmless.has(error.code) || sentence === undefined) throw error
    return failed(exitCode, sentence)
  }
}

const sayTurn = async (question: string, place: ChatPlace): Promise<void> => {
  const { terminal } = place
  const {
    finishReason,
    usage,
    forgottenTurns = 0,
    sources,
  } = await (place.isJson ? printTurn : streamTurn)(question, place)
  if (sources && !place.isJson) terminal.print(`\n${describeSources(sources)}\n`)
  if (finishReason === 'length')
    terminal.note(`the answer was cut at ${countText(usage.outputTokens)} tokens; --max-tokens allows more`)
  if (forgottenTurns === 0) return
  const turns = forgottenTurns === 1 ? 'turn was' : `${countText(forgottenTurns)} turns were`
  terminal.note(`the model's context was full: the oldest ${turns} forgotten`)
}

const printTurn = async (question: string, { conversation, terminal, signal }: ChatPlace): Promise<AnswerInfo> => {
  let answer = ''
  const onPiece = (piece: string): void => {
    answer += piece
  }
  const reading = followQuestion(terminal)
  const info = await conversation
    .say(question, { signal, onPiece, onProgress: reading.onProgress })
    .finally(reading.stop)
  terminal.print(JSON.stringify({ question, answer, ...info }))
  return info
}

/** Whatever ends it, the line ends: behind a terminal's ^C too. */
const streamTurn = async (question: string, { conversation, terminal, signal }: ChatPlace): Promise<AnswerInfo> => {
  let last = ''
  const onPiece = (piece: string): void => {
    terminal.write(piece)
    last = piece
  }
  let isAnswered = false
  const reading = followQuestion(terminal)
  try {
    const info = await conversation.say(question, { signal, onPiece, onProgress: reading.onProgress })
    isAnswered = true
    return info
  } finally {
    reading.stop()
    const isBegun = isAnswered || last !== '' || terminal.isTyped
    if (isBegun && !last.endsWith('\n')) terminal.write('\n')
  }
}
