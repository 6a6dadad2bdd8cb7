/** compactor ask: a question about a context, or about a text file that becomes one first. */
import { stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { type Command, Option } from 'commander'
import { CompactorError } from '../error.ts'
import type { AnswerInfo, Context } from '../index.ts'
import { showCompress } from './compress.ts'
import { findContextModel, getNamedModel } from './context-model.ts'
import { checkSource, nameOfSource, readSource } from './document-source.ts'
import { bytesText, countText, factsText, percentText, secondsText } from './figures.ts'
import {
  collect,
  decimal,
  defaultModel,
  type EngineFlags,
  engineFlags,
  given,
  jsonFlag,
  modelFlag,
  seedFlag,
  wholeNumber,
} from './flags.ts'
import { type OpenModel, openModel } from './open-model.ts'
import type { Terminal } from './terminal.ts'

const help = `
SOURCE is a .cctx file, the id of a remembered context (\`compactor context list\`), or a text file or - for text on
standard input, which is compressed first and remembered by its content, so that only the first question pays for
reading it.

Examples:
  compactor ask report.cctx "Who signed the contract?"
  compactor ask notes.txt "What is left to do?" -m smollm2-135m
  cat *.md | compactor ask - "What is left to do?"
  echo "Summarise it." | compactor ask report.cctx - --max-tokens 200 --json`

interface AskFlags extends EngineFlags {
  readonly model?: string
  readonly maxTokens?: number
  readonly temperature?: number
  readonly topK?: number
  readonly topP?: number
  readonly minP?: number
  readonly seed?: number
  readonly stop?: readonly string[]
  readonly json?: boolean
  readonly stats?: boolean
}

export const defineAsk = (command: Command, terminal: Terminal): void => {
  command
    .argument('<source>', 'context file or id, a text file, or - for text on standard input')
    .argument('<question>', 'the question, or - for standard input')
    .addOption(modelFlag(`model (default: the one that made the context, for a text file ${defaultModel})`))
    .addOption(
      new Option('--max-tokens <count>', 'end the answer after this many tokens (default: 512)').argParser(wholeNumber),
    )
    .addOption(
      new Option(
        '--temperature <number>',
        'above 0 answers are sampled (default: 0, always the likeliest token)',
      ).argParser(decimal),
    )
    .addOption(
      new Option('--top-k <count>', 'sample among the k likeliest tokens (default: 40)').argParser(wholeNumber),
    )
    .addOption(
      new Option('--top-p <share>', 'sample among the likeliest tokens of this probability (default: 0.95)').argParser(
        decimal,
      ),
    )
    .addOption(
      new Option(
        '--min-p <share>',
        'leave out tokens less likely than this share of the likeliest (default: 0.05)',
      ).argParser(decimal),
    )
    .addOption(seedFlag('of the sampling (default: 0)'))
    .addOption(new Option('--stop <text>', 'end the answer before this text; may be repeated').argParser(collect))
    .option('--stats', 'print tokens and times on stderr')
    .addOption(jsonFlag())
    .addHelpText('after', help)
    .action((source: string, question: string, flags: AskFlags) => {
      // A preferred model from the environment or the file is for new documents; a context knows its own.
      const named = command.getOptionValueSource('model') === 'cli' ? flags.model : undefined
      return ask({ source, question, model: named }, flags, terminal)
    })
  for (const option of engineFlags()) command.addOption(option)
}

/** Without the line end that `echo` and editors add. */
const readQuestion = async (terminal: Terminal): Promise<string> =>
  (await readSource('-', terminal)).replace(/\r?\n$/, '')

interface Asked {
  readonly source: string
  readonly question: string
  readonly model: string | undefined // named on the command line
}

const ask = async (asked: Asked, flags: AskFlags, terminal: Terminal): Promise<void> => {
  const { source, question } = asked
  checkSource(source)
  if (source === '-' && question === '-')
    throw new CompactorError('usage', 'only one of document and question can come from standard input, got - for both')
  const text = question === '-' ? await readQuestion(terminal) : question
  if (text.trim() === '') throw new CompactorError('question-invalid', 'the question is empty; ask something')
  const begun = performance.now()
  const opened = await openSource(asked, flags, terminal)
  try {
    const loadSeconds = (performance.now() - begun) / 1000
    await sayAnswer({ context: opened.context, question: text, loadSeconds }, flags, terminal)
  } finally {
    await opened.dispose()
  }
}

interface Opened {
  readonly context: Context
  readonly question: string
  readonly loadSeconds: number
}

const sayAnswer = async (
  { context, question, loadSeconds }: Opened,
  flags: AskFlags,
  terminal: Terminal,
): Promise<void> => {
  for (const warning of context.warnings) terminal.note(warning)
  const { maxTokens, temperature, topK, topP, minP, seed, stop } = flags
  const answer = context.ask(question, {
    ...given({ maxTokens, temperature, topK, topP, minP, seed, stop }),
    signal: terminal.signal,
  })
  if (flags.json) {
    const info = await answer.done
    terminal.printJson({ answer: await answer.text, ...info, loadSeconds, stats: context.stats })
    return
  }
  let last = '\n'
  for await (const piece of answer.textStream) {
    terminal.write(piece)
    last = piece
  }
  if (!last.endsWith('\n')) terminal.write('\n')
  const info = await answer.done
  if (flags.stats) terminal.note(describeAnswer(info, context, loadSeconds))
}

interface OpenSource {
  readonly context: Context
  dispose(): Promise<void>
}

const openSource = async ({ source, model }: Asked, flags: AskFlags, terminal: Terminal): Promise<OpenSource> => {
  const file = await findSource(source)
  if (!file.isContext) return openTextFile(file.path, flags, terminal)
  const { readContextHeader } = await import('../index.ts')
  const { header } = await readContextHeader(file.path)
  const made = { file: source, by: header.model }
  const spec = await (model === undefined ? findContextModel(made, terminal) : getNamedModel(model, made, terminal))
  return withModel(spec, flags, terminal, (opened) => opened.model.openContext(file.path, { signal: terminal.signal }))
}

/** A file, standard input, or the id of a remembered context. */
const findSource = async (source: string): Promise<{ path: string; isContext: boolean }> => {
  if (source === '-') return { path: source, isContext: false }
  const found = await stat(source).catch(() => undefined) // may be an id; reading it says why it cannot be read
  if (found?.isDirectory())
    throw new CompactorError(
      'file-unreadable',
      `${source} is a directory; give a .cctx file, the id of a remembered context or a text file`,
    )
  // A pipe can be read once only: it is text, and decoding it says so if it is not.
  if (found && !found.isFile()) return { path: source, isContext: false }
  const { contextsDirectory, folderStore, homeDirectory, isContextFile } = await import('../index.ts')
  try {
    return { path: source, isContext: await isContextFile(source) }
  } catch (error) {
    if (!/^[0-9a-f]{4,64}$/.test(source)) throw error
    const store = folderStore(contextsDirectory(homeDirectory()))
    const path = await store.open(await store.find(source))
    if (path === undefined) throw error
    return { path, isContext: true }
  }
}

const openTextFile = async (file: string, flags: AskFlags, terminal: Terminal): Promise<OpenSource> => {
  if (file.endsWith('.cctx'))
    throw new CompactorError(
      'context-corrupt',
      `${file} is not a context: its first bytes are not those of a .cctx file; compress the document again, or give text another name`,
    )
  const document = await readSource(file, terminal)
  const documentName = nameOfSource(file)
  return withModel(flags.model ?? defaultModel, flags, terminal, ({ model }) => {
    let isAnnounced = false
    const onProgress = (): void => {
      if (!isAnnounced)
        terminal.note(
          `reading ${documentName} with ${model.name}; this is remembered, the next question about it starts at once`,
        )
      isAnnounced = true
    }
    return showCompress(basename(documentName), model, terminal, { document, documentName, remember: true, onProgress })
  })
}

const withModel = async (
  spec: string,
  flags: EngineFlags,
  terminal: Terminal,
  open: (opened: OpenModel) => Promise<Context>,
): Promise<OpenSource> => {
  const opened = await openModel(spec, flags, terminal)
  try {
    return { context: await open(opened), dispose: () => opened.dispose() }
  } catch (error) {
    await opened.dispose()
    throw error
  }
}

const describeAnswer = (
  { finishReason, usage, timings }: AnswerInfo,
  { stats }: Context,
  loadSeconds: number,
): string => {
  const answerSeconds = timings.answerMs / 1000
  const questionTokens = usage.inputTokens - usage.cachedInputTokens
  const rate = usage.outputTokens > 1 ? ((usage.outputTokens - 1) / answerSeconds).toFixed(1) : '-'
  return `how it went\n${factsText([
    [
      'context',
      `${countText(stats.originalTokens)} tokens, ${percentText(stats.keptShare)} kept in ${bytesText(stats.bytes)}, ready in ${secondsText(loadSeconds)}`,
    ],
    ['question', `${countText(questionTokens)} tokens in ${secondsText(timings.questionMs / 1000)}`],
    [
      'answer',
      `${countText(usage.outputTokens)} tokens in ${secondsText(answerSeconds)} (${rate} tokens/s), ended by ${finishReason}`,
    ],
  ])}`
}
