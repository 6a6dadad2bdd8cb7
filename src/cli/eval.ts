/** compactor eval: what compression costs, measured on data; report: a page from results; list: what there is to name. */
import { createHash } from 'node:crypto'
import { basename, join } from 'node:path'
import { type Command, Option } from 'commander'
import { CompactorError } from '../error.ts'
import type { EvaluationOptions, Measure, Protocol, Run } from '../eval/index.ts'
import type { Precision } from '../index.ts'
import { readSource } from './document-source.ts'
import { listEvaluation } from './eval-list.ts'
import { reportRuns } from './eval-report.ts'
import { countText } from './figures.ts'
import {
  collect,
  defaultModel,
  type EngineFlags,
  engineFlags,
  given,
  jsonFlag,
  modelFlag,
  seedFlag,
  wholeNumber,
} from './flags.ts'
import { namedValues } from './named-values.ts'
import { showPull } from './pull.ts'
import type { Terminal } from './terminal.ts'
import { EvaluationWatch } from './watch-evaluation.ts'
import { checkOutput, type Output, writeOutput } from './write-output.ts'

const help = `
DATA are JSONL files, one context with its questions on each line, and names of tasks that are made up for the run
(\`compactor eval list\`; ruler is all of RULER's that need no data of yours; a file of the same name is ./needle).
Each context is read once for all variants. Results go into a folder that grows by a line for each context: the same
command goes on where it was stopped.

A line of your own needs no more than a text and questions with answers (docs/evaluation.md has what else it may say):
  {"context": "The ferry leaves at nine.", "questions": [{"question": "When does it leave?", "answers": ["at nine"]}]}

Examples:
  compactor eval questions.jsonl
  compactor eval needle --length 500,2000 --samples 1 --measure score --report needle.html
  compactor eval a.jsonl b.jsonl --subset subset.json --methods compactor,snapkv,random --keep 0.25,0.1 -o results
  compactor eval ruler/vt --length 4000 --variants 'compactor?lambda=0.5@0.25,random@0.25' -m smollm2-135m
  compactor eval report results other-results -o page.html
  compactor eval list`

interface EvalFlags extends EngineFlags {
  readonly output?: string
  readonly model: string
  readonly methods: string
  readonly keep: string
  readonly variants?: string
  readonly measure: Measure | 'both'
  readonly protocol: Protocol
  readonly length?: readonly number[]
  readonly samples?: number
  readonly haystack?: string
  readonly taskOption?: readonly string[]
  readonly limit?: number
  readonly perDataset?: number
  readonly questions?: number
  readonly seed?: number
  readonly minDocument?: number
  readonly maxDocument?: number
  readonly maxNewTokens?: number
  readonly shaded?: number
  readonly subset?: string
  readonly precision?: Precision
  readonly activations?: 'int8' | 'f32'
  readonly by: 'dataset' | 'data'
  readonly baseline?: string
  readonly report?: string
  readonly force?: boolean
  readonly verbose?: boolean
  readonly json?: boolean
}

interface ReportFlags {
  readonly output: string
  readonly force?: boolean
  readonly by: 'dataset' | 'data'
  readonly baseline?: string
}

const numbers = (text: string): readonly number[] => text.split(',').map(wholeNumber)
const count = (flags: string, about: string): Option => new Option(flags, about).argParser(wholeNumber)

const byFlag = (): Option =>
  new Option('--by <group>', 'a table for each data set that contexts name, or for each file and task')
    .choices(['dataset', 'data'])
    .default('dataset')

const baselineFlag = (): Option =>
  new Option('--baseline <method>', 'whose differences the tables show, named as in --methods (default: random)')

const evalFlags = (): Option[] => [
  new Option('-o, --output <folder>', 'where results go (default: named by the settings, in eval-results/)'),
  modelFlag('name, hf: source or path of a model').default(defaultModel),
  new Option('--methods <names>', 'methods to compare, with options as compactor?lambda=0.5').default(
    'compactor,random',
  ),
  new Option('--keep <shares>', 'shares that each method keeps').default('0.5,0.25,0.1'),
  new Option('--variants <list>', 'METHOD@KEEP, instead of every method at every share'),
  new Option('--measure <what>', 'distance to the whole cache, or scores of answers')
    .choices(['distance', 'score', 'both'])
    .default('distance'),
  new Option('--protocol <name>', 'the document read alone, or (published tables) with the question')
    .choices(['context-only', 'joint-prefill'])
    .default('context-only'),
  count('--limit <count>', 'at most so many contexts of each file, of each task at each length'),
  count('--per-dataset <count>', 'at most so many contexts of each data set that a file names'),
  count('--questions <count>', 'at most so many questions of each context (default: 4)'),
  seedFlag('of the choice of contexts, the tasks and the methods (default: 1)'),
  count('--min-document <tokens>', 'leave out shorter contexts'),
  count('--max-document <tokens>', 'leave out longer contexts'),
  count('--max-new-tokens <count>', 'no answer is longer; tasks have limits of their own (default: 512)'),
  count('--shaded <count>', 'keep the text of so many contexts of each data set, to show what was kept (default: 0)'),
  new Option('--subset <file>', 'JSON with the ids to run; the data must be the files it was drawn from'),
  new Option(
    '--length <tokens>',
    'prompts of tasks are made so long, several with commas (default: the task’s)',
  ).argParser(numbers),
  count('--samples <count>', 'contexts of a task at each length, of a grid in each cell (default: 4)'),
  new Option('--haystack <file>', 'text that tasks hide things in, instead of essays'),
  new Option('--task-option <name=value>', 'option of the tasks that have it; may be repeated').argParser(collect),
  new Option('--precision <type>', 'of keys and values (default: f16)').choices(['f16', 'f32']),
  new Option('--activations <type>', 'arithmetic of small matrix products (default: f32)').choices(['int8', 'f32']),
  byFlag(),
  baselineFlag(),
  new Option('--report <file>', 'write a page with plots at the end; - for stdout'),
  new Option('--force', 'replace the report if it exists'),
  new Option('--verbose', 'a line on stderr for each context'),
  jsonFlag(),
  ...engineFlags(),
]

export const defineEval = (command: Command, terminal: Terminal): void => {
  command
    .enablePositionalOptions() // `eval report -o` is the report's
    .argument('<data...>', 'JSONL files and names of tasks')
    .addHelpText('after', help)
    .action((data: readonly string[], flags: EvalFlags) => evaluateData(data, { flags, command }, terminal))
  for (const option of evalFlags()) command.addOption(option)
  command
    .command('report')
    .description('Draw one page from result folders alone.')
    .argument('<folders...>', 'results of compactor eval')
    .requiredOption('-o, --output <file>', 'the page to write; - for stdout')
    .option('--force', 'replace the page if it exists')
    .addOption(byFlag())
    .addOption(baselineFlag())
    .addHelpText('after', '\nExamples:\n  compactor eval report eval-results/* -o page.html')
    .action((folders: readonly string[], { output, force = false, by, baseline }: ReportFlags) =>
      reportRuns(folders, { output: { path: output, flag: '-o', force }, by, ...given({ baseline }) }, terminal),
    )
  command
    .command('list')
    .description('List tasks, metrics and methods.')
    .addOption(jsonFlag())
    .addHelpText('after', '\nExamples:\n  compactor eval list\n  compactor eval list --json')
    .action(({ json = false }: { json?: boolean }) => listEvaluation({ json }, terminal))
}

interface Given {
  readonly flags: EvalFlags
  readonly command: Command
}

const evaluateData = async (data: readonly string[], { flags, command }: Given, terminal: Terminal): Promise<void> => {
  const { checkBaseline, prepareEvaluation, report, summarise, toMarkdown } = await import('../eval/index.ts')
  const { pullModel } = await import('../index.ts')
  const page = await checkedReport(flags)
  const variants = variantsOf(flags, command)
  const options = { data, variants, ...(await optionsOf(flags, terminal)) }
  if (flags.baseline !== undefined) checkBaseline(flags.baseline, variants)
  const tables = { by: flags.by, ...given({ baseline: flags.baseline }) }
  const folder = flags.output ?? defaultFolder(flags.model, options)
  const watch = new EvaluationWatch(terminal, {
    isVerbose: flags.verbose ?? false,
    folder: flags.output === undefined ? folder : undefined,
  })
  const evaluation = await prepareEvaluation({ ...options, folder, ...watch.listeners })
  if (evaluation.backend.reason !== undefined) terminal.note(evaluation.backend.reason)
  const model = await showPull(flags.model, terminal, (callbacks) =>
    pullModel(flags.model, { ...callbacks, ...given({ offline: flags.offline }) }),
  )
  const run = await watch.during(() => evaluation.run(model))
  const summary = summarise(run.settings, run.contexts, tables)
  if (page) writeOutput(page, report([run], tables), terminal)
  if (flags.json) terminal.printJson({ folder, settings: run.settings, summary })
  else terminal.print(`${headline(run)}\n\n${toMarkdown(summary)}`)
}

const checkedReport = async ({ report, force = false, json }: EvalFlags): Promise<Output | undefined> => {
  if (report === undefined) {
    if (force)
      throw new CompactorError('usage', '--force is for the page that --report writes; leave it out or add --report')
    return undefined
  }
  if (report === '-' && json)
    throw new CompactorError('usage', 'only one of --json and --report - can be on standard output')
  const page = { path: report, flag: '--report', force }
  await checkOutput(page)
  return page
}

const listed = (flag: string, text: string): string[] => {
  const values = text.split(',').map((value) => value.trim())
  if (values.every((value) => value !== '')) return values
  throw new CompactorError('usage', `${flag} takes values separated by commas, got ${JSON.stringify(text)}`)
}

/** Every method at every share, or the variants as they are named. */
const variantsOf = ({ variants, methods, keep }: EvalFlags, command: Command): string[] => {
  if (variants === undefined)
    return listed('--methods', methods).flatMap((method) => listed('--keep', keep).map((share) => `${method}@${share}`))
  const other = ['methods', 'keep'].find((name) => command.getOptionValueSource(name) === 'cli')
  if (other !== undefined)
    throw new CompactorError('usage', `--variants names methods and shares together; leave out --${other}`)
  return listed('--variants', variants)
}

type Settings = Omit<EvaluationOptions, 'data' | 'variants' | 'folder'>

const optionsOf = async (flags: EvalFlags, terminal: Terminal): Promise<Settings> => {
  const { length, taskOption, haystack, measure } = flags
  const { protocol, samples, limit, perDataset, questions, seed, minDocument, maxDocument, maxNewTokens } = flags
  const { shaded, subset, precision, activations, threads, backend } = flags
  return {
    ...given({ protocol, samples, limit, perDataset, questions, seed, minDocument, maxDocument, maxNewTokens }),
    ...given({ shaded, subset, precision, activations, threads, backend, lengths: length }),
    measures: measure === 'both' ? ['distance', 'score'] : [measure],
    ...(taskOption ? { taskOptions: namedValues('--task-option', taskOption) } : {}),
    ...(haystack === undefined ? {} : { haystack: (await readSource(haystack, {}, terminal)).text }),
  }
}

/** The same command finds its folder again; how many threads compute does not make another run. */
const defaultFolder = (
  model: string,
  { threads: _, ...options }: Settings & { readonly data: readonly string[] },
): string => {
  const names = options.data.map((word) => basename(word).replace(/\.jsonl?$/, ''))
  const settings = createHash('sha256')
    .update(JSON.stringify([model, options]))
    .digest('hex')
  const words = [basename(model).replace(/\.gguf$/, ''), ...names.slice(0, 3), settings.slice(0, 8)]
  return join('eval-results', words.join('-').replace(/[^A-Za-z0-9._+-]/g, '_'))
}

const headline = ({ settings, contexts }: Run): string => {
  const { protocol, model, measures, seed, questionsPerContext, data } = settings
  const planned = data.reduce((sum, { contexts: ids }) => sum + ids.length, 0)
  const of = contexts.length === planned ? '' : ` of ${countText(planned)}`
  return `${protocol}, ${measures.join(' and ')}: ${model.name}, ${countText(contexts.length)}${of} contexts, at most ${questionsPerContext} questions each, seed ${seed}`
}
