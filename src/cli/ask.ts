/** compactor ask: a question about a context, or about a document that becomes one first. */
import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import { CompactorError } from '../error.ts'
import type { AnswerInfo, Context, JsonSchema } from '../index.ts'
import { type AnswerFlags, answerFlags, answerOptions, checkAnswerFlags } from './answer-flags.ts'
import { type Asked, type AskedFlags, askedFlags, askedOf, openAskedSource } from './asked-source.ts'
import { describeSources } from './describe-sources.ts'
import { checkSource, readInput } from './document-source.ts'
import { bytesText, countText, factsText, percentText, secondsText } from './figures.ts'
import { defaultModel, engineFlags, given, jsonFlag, modelFlag } from './flags.ts'
import { followQuestion } from './question-progress.ts'
import { readSchema } from './read-schema.ts'
import type { Terminal } from './terminal.ts'

const help = `
SOURCE is a .cctx file, the id of a remembered context (\`compactor context list\`), or a document: text, Markdown, HTML,
PDF, DOCX or EPUB, a folder, an address, or - for standard input. A document is compressed first and remembered by its
content, so that only the first question pays for reading it. --sources [COUNT] prints, behind the answer, the passages it
comes from and where they stand (on stderr with --schema, so that the output stays JSON).

Examples:
  compactor ask report.cctx "Who signed the contract?"
  compactor ask notes.txt "What is left to do?" -m smollm2-135m
  compactor ask ./project "Where is the retry limit set?" --include src --exclude "*.test.ts"
  cat *.md | compactor ask - "What is left to do?"
  echo "Summarise it." | compactor ask report.cctx - --max-tokens 200 --json
  compactor ask report.cctx "Who signed, and when?" --schema signature.json`

interface AskFlags extends AnswerFlags, AskedFlags {
  readonly schema?: string
  readonly json?: boolean
  readonly stats?: boolean
}

export const defineAsk = (command: Command, terminal: Terminal): void => {
  command
    .argument('<source>', 'context file or id, or a document: file, folder, address, - for standard input')
    .argument('<question>', 'the question, or - for standard input')
    .addOption(modelFlag(`model (default: the one that made the context, for a document ${defaultModel})`))
    .option('--schema <file>', 'JSON Schema that the answer keeps to: it is JSON then, - for standard input')
    .option('--stats', 'print tokens and times on stderr')
    .addOption(jsonFlag())
    .addHelpText('after', help)
    .action((source: string, question: string, flags: AskFlags) => {
      return ask({ ...askedOf(command, source, flags), question }, flags, terminal)
    })
  for (const option of [...answerFlags(), ...askedFlags(), ...engineFlags()]) command.addOption(option)
}

/** Without the line end that `echo` and editors add. */
const readQuestion = async (terminal: Terminal): Promise<string> => (await readInput(terminal)).replace(/\r?\n$/, '')

/** The question where the document belongs: what would be said otherwise is that there is no file of such a name. */
const refuseSwapped = (source: string, question: string): void => {
  if (!/\s|\?$/.test(source) || existsSync(source) || !existsSync(question)) return
  throw new CompactorError(
    'usage',
    `the document comes first and then the question, got ${JSON.stringify(source)} as document and the file ${question} as question`,
  )
}

const ask = async (
  asked: Asked & { readonly question: string },
  flags: AskFlags,
  terminal: Terminal,
): Promise<void> => {
  const { source, question } = asked
  await checkAnswerFlags(flags)
  checkSource(source)
  if ([source, question, flags.schema].filter((word) => word === '-').length > 1)
    throw new CompactorError(
      'usage',
      'only one of document, question and schema can come from standard input, got - for more than one',
    )
  refuseSwapped(source, question)
  const text = question === '-' ? await readQuestion(terminal) : question
  if (text.trim() === '') throw new CompactorError('question-invalid', 'the question is empty; ask something')
  const schema = flags.schema === undefined ? undefined : await readSchema(flags.schema, terminal)
  if (schema !== undefined) (await import('../index.ts')).checkAskOptions({ schema })
  const begun = performance.now()
  const opened = await openAskedSource(asked, flags, terminal)
  try {
    const loadSeconds = (performance.now() - begun) / 1000
    await sayAnswer({ context: opened.context, question: text, schema, loadSeconds }, flags, terminal)
  } finally {
    await opened.dispose()
  }
}

interface Opened {
  readonly context: Context
  readonly question: string
  readonly schema: JsonSchema | undefined
  readonly loadSeconds: number
}

const sayAnswer = async (
  { context, question, schema, loadSeconds }: Opened,
  flags: AskFlags,
  terminal: Terminal,
): Promise<void> => {
  for (const warning of context.warnings) terminal.note(warning)
  const reading = followQuestion(terminal)
  const answer = context.ask(question, {
    ...answerOptions(flags),
    ...given({ schema }),
    signal: terminal.signal,
    onProgress: reading.onProgress,
  })
  answer.done.catch(() => undefined).finally(reading.stop)
  if (flags.json) {
    const info = await answer.done
    terminal.printJson({ answer: await answer.text, ...info, loadSeconds, stats: context.stats })
    if (flags.stats) terminal.note(describeAnswer(info, context, loadSeconds))
    return
  }
  let last = '\n'
  for await (const piece of answer.textStream) {
    terminal.write(piece)
    last = piece
  }
  if (!last.endsWith('\n')) terminal.write('\n')
  const info = await answer.done
  const passages = info.sources && describeSources(info.sources)
  if (passages && schema) terminal.note(passages)
  else if (passages) terminal.write(`\n${passages}\n`)
  if (info.finishReason === 'length' && flags.maxTokens === undefined)
    terminal.note(`the answer was cut at ${countText(info.usage.outputTokens)} tokens; --max-tokens allows more`)
  if (flags.stats) terminal.note(describeAnswer(info, context, loadSeconds))
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
    ...(timings.sourcesMs === undefined ? [] : [['sources', secondsText(timings.sourcesMs / 1000)] as const]),
  ])}`
}
