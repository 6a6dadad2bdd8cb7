/** compactor compress: a document becomes a small file that can be asked. */
import { stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { type Command, Option } from 'commander'
import { CompactorError } from '../error.ts'
import { fileReason } from '../file-reason.ts'
import {
  type CompressOptions,
  type Context,
  type ContextStats,
  checkCompressOptions,
  type Document,
  isContextFile,
  type LoadedModel,
  methods,
  parseKeep,
} from '../index.ts'
import {
  checkChosenFiles,
  checkSource,
  chosenFlag,
  type DocumentFlags,
  documentFacts,
  documentFlags,
  isAddress,
  readSource,
} from './document-source.ts'
import { bytesText, countText, factsText, percentText, secondsText, windowsText } from './figures.ts'
import {
  collect,
  defaultModel,
  type EngineFlags,
  engineFlags,
  given,
  jsonFlag,
  modelFlag,
  seedFlag,
  tokenCount,
} from './flags.ts'
import { namedValues } from './named-values.ts'
import { checkModelFlag, openModel } from './open-model.ts'
import { chooseOutput } from './output-path.ts'
import type { Terminal } from './terminal.ts'
import { withFolderAdvice } from './too-long.ts'

const describeMethods = (): string =>
  methods
    .map(({ name, summary, options }) => {
      const pairs = Object.entries(options).map(([option, { default: value }]) => `${option}=${value}`)
      const width = Math.max(...pairs.map(({ length }) => length))
      const lines = Object.values(options).map(({ about }, i) => `    ${pairs[i]?.padEnd(width)}  ${about}`)
      return [`  ${name}: ${summary}`, ...lines].join('\n')
    })
    .join('\n')

const help = `
What is kept of the document's memory (--keep): a share (0.25), a number of tokens (2000tok) or a size (64MB).

Methods (--method) and their options (--method-option) with the defaults:
${describeMethods()}

Examples:
  compactor compress report.pdf                          -> report.cctx, a quarter of it kept
  compactor compress report.txt --keep 64MB -o small.cctx
  compactor compress ./project                           -> project.cctx: a folder or repository, ignore files honoured
  compactor compress ./project --include "*.md" --exclude CHANGELOG.md
  compactor compress https://example.org/guide.html      -> guide.cctx in the current folder
  cat *.md | compactor compress - -o notes.cctx -m smollm2-135m
  compactor compress report.txt --method compactor --method-option lambda=0.5`

interface CompressFlags extends EngineFlags, DocumentFlags {
  readonly output?: string
  readonly force?: boolean
  readonly model: string
  readonly keep: string
  readonly method?: string
  readonly methodOption?: readonly string[]
  readonly protectFirst?: number
  readonly protectLast?: number
  readonly heads?: 'across' | 'apart' | 'model'
  readonly system?: string
  readonly reserve?: number
  readonly seed?: number
  readonly json?: boolean
}

export const defineCompress = (command: Command, terminal: Terminal): void => {
  command
    .argument('<document>', 'text, Markdown, HTML, PDF, DOCX or EPUB, a folder, an address, or - for standard input')
    .option('-o, --output <path>', 'where to write (default: the document’s name with .cctx)')
    .option('--force', 'replace the output if it exists')
    .addOption(modelFlag('name, hf: source or path of a model').default(defaultModel))
    .option('--keep <budget>', 'how much to keep', '0.25')
    .option('--method <name>', 'how to choose what to keep (default: compactor)')
    .addOption(new Option('--method-option <name=value>', 'option of the method; may be repeated').argParser(collect))
    .addOption(new Option('--protect-first <tokens>', 'tokens at the beginning that always stay').argParser(tokenCount))
    .addOption(new Option('--protect-last <tokens>', 'tokens at the end that always stay').argParser(tokenCount))
    .addOption(
      new Option(
        '--heads <mode>',
        'best of each layer across its heads, the same for each, or best of all layers',
      ).choices(['across', 'apart', 'model']),
    )
    .option('--system <text>', 'system text, kept whole before the document')
    .addOption(
      new Option('--reserve <tokens>', 'room left for question and answer (default: 1024)').argParser(tokenCount),
    )
    .addOption(seedFlag('of the method’s random numbers (default: 42)'))
    .addOption(jsonFlag())
    .addHelpText('after', help)
    .action(async (file: string, flags: CompressFlags) => {
      await checkChosenFiles(chosenFlag(command), file)
      return compress(file, flags, terminal)
    })
  for (const option of [...documentFlags(), ...engineFlags()]) command.addOption(option)
}

const compress = async (file: string, flags: CompressFlags, terminal: Terminal): Promise<void> => {
  const keep = parseKeep(flags.keep)
  const methodOptions = namedValues('--method-option', flags.methodOption ?? [])
  checkSource(file)
  const { method, protectFirst, protectLast, heads, system, reserve, seed } = flags
  const options = { keep, methodOptions, ...given({ method, protectFirst, protectLast, heads, system, reserve, seed }) }
  checkCompressOptions(options)
  await refuseContext(file)
  const output = await chooseOutput(file, flags)
  await checkModelFlag(flags.model, flags)
  const document = await readSource(file, flags, terminal)
  const opened = await openModel(flags.model, flags, terminal)
  try {
    const task = { model: opened.model, document, options }
    await compressTo(output, task, flags, terminal)
  } finally {
    await opened.dispose()
  }
}

interface Task {
  readonly model: LoadedModel
  readonly document: Document
  readonly options: Omit<CompressOptions, 'document'>
}

const compressTo = async (output: string, task: Task, flags: CompressFlags, terminal: Terminal): Promise<void> => {
  const begun = performance.now()
  const { document } = task
  const context = await showCompress(basename(document.name), task.model, terminal, {
    document,
    ...task.options,
  })
  const seconds = (performance.now() - begun) / 1000
  for (const warning of context.warnings) terminal.note(warning)
  const saved = await context.save(output, { force: flags.force ?? false, signal: terminal.signal })
  const result = { output, fileBytes: saved.bytes, seconds, document: documentFacts(document), stats: context.stats }
  if (flags.json) terminal.printJson({ ...result, multiple: multipleOf(context.stats), warnings: context.warnings })
  else terminal.print(describeCompression(result))
}

const refuseContext = async (file: string): Promise<void> => {
  if (file === '-' || isAddress(file)) return
  const found = await stat(file).catch((cause: unknown) => {
    // Before anything is said about the place of the output, which is beside it.
    throw new CompactorError('file-unreadable', `${file} cannot be read: ${fileReason(cause)}`, { cause })
  })
  if (!found.isFile()) return
  if (await isContextFile(file))
    throw new CompactorError(
      'document-invalid',
      `${file} is a context already; ask it with \`compactor ask ${file} "question"\``,
    )
}

/** Compress with progress in tokens per second. */
export const showCompress = (
  name: string,
  model: LoadedModel,
  terminal: Terminal,
  options: CompressOptions,
): Promise<Context> => {
  const layers = model.config.layerCount
  return terminal.during(
    { label: `reading ${name}`, rate: (perSecond) => `${countText(Math.round(perSecond))} tokens/s` },
    (update) =>
      withFolderAdvice(options.document, model, () =>
        model.compress({
          ...options,
          signal: terminal.signal,
          onProgress: (progress) => {
            update(progress.done / layers, progress.total / layers)
            options.onProgress?.(progress)
          },
        }),
      ),
  )
}

const multipleOf = ({ bytes, fullBytes }: ContextStats): number => fullBytes / bytes

const describeCompression = (result: {
  output: string
  fileBytes: number
  seconds: number
  stats: ContextStats
}): string => {
  const { stats, seconds } = result
  const rate = countText(Math.round(stats.originalTokens / seconds))
  return factsText([
    ['written', `${result.output} (${bytesText(result.fileBytes)})`],
    ['document', `${countText(stats.originalTokens)} tokens, read in ${secondsText(seconds)} (${rate} tokens/s)`],
    [
      'kept',
      `${percentText(stats.keptShare)} (asked: ${stats.keep}), on average ${countText(stats.keptTokens)} tokens a head`,
    ],
    [
      'memory',
      `${bytesText(stats.bytes)} instead of ${bytesText(stats.fullBytes)}: ${multipleOf(stats).toFixed(1)} times smaller${windowsText(stats.windowBytes)}`,
    ],
    ['made by', `${stats.method} with ${stats.model}`],
  ])
}
