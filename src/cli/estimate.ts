/** compactor estimate: what reading a document will cost, before it is paid. */
import { type Command, Option } from 'commander'
import type { Estimate } from '../index.ts'
import {
  checkChosenFiles,
  checkSource,
  chosenFlag,
  type DocumentFlags,
  documentFlags,
  readSource,
} from './document-source.ts'
import { bytesText, countText, factsText, percentText, secondsText } from './figures.ts'
import {
  collect,
  defaultModel,
  type EngineFlags,
  engineFlags,
  given,
  jsonFlag,
  modelFlag,
  tokenCount,
} from './flags.ts'
import { namedValues } from './named-values.ts'
import { checkModelFlag, openModel } from './open-model.ts'
import type { Terminal } from './terminal.ts'
import { withFolderAdvice } from './too-long.ts'

const help = `
Tokens are counted exactly, bytes follow from them. Seconds come from short runs of the model on this machine (some
seconds, for large models up to a minute), which are remembered and corrected by every document that is compressed and
every context that is asked: the next estimate with this model only looks, for some seconds, how busy the machine is. All
seconds assume that it stays as busy as it is now. Answers are the first of a process, as \`compactor ask\` gives them.

Examples:
  compactor estimate report.txt
  compactor estimate report.txt --keep 2000tok -m smollm2-135m
  compactor estimate ./project --include src
  cat *.md | compactor estimate - --json
  compactor estimate report.txt --measure-again      forget what was measured before`

interface EstimateFlags extends EngineFlags, DocumentFlags {
  readonly model: string
  readonly keep: string
  readonly method?: string
  readonly methodOption?: readonly string[]
  readonly system?: string
  readonly reserve?: number
  readonly measureAgain?: boolean
  readonly json?: boolean
}

export const defineEstimate = (command: Command, terminal: Terminal): void => {
  command
    .argument('<file>', 'text, Markdown, HTML, PDF, DOCX or EPUB, a folder, an address, or - for standard input')
    .addOption(modelFlag('name, hf: source or path of a model').default(defaultModel))
    .option('--keep <budget>', 'how much to keep', '0.25')
    .option('--method <name>', 'how to choose what to keep (default: compactor)')
    .addOption(new Option('--method-option <name=value>', 'option of the method; may be repeated').argParser(collect))
    .option('--system <text>', 'system text, kept whole before the document')
    .addOption(
      new Option('--reserve <tokens>', 'room left for question and answer (default: 1024)').argParser(tokenCount),
    )
    .option('--measure-again', 'measure this machine again although that was done before')
    .addOption(jsonFlag())
    .addHelpText('after', help)
    .action(async (file: string, flags: EstimateFlags) => {
      await checkChosenFiles(chosenFlag(command), file)
      return estimate(file, flags, terminal)
    })
  for (const option of [...documentFlags(), ...engineFlags()]) command.addOption(option)
}

const estimate = async (file: string, flags: EstimateFlags, terminal: Terminal): Promise<void> => {
  const { checkCompressOptions, parseKeep } = await import('../index.ts')
  const keep = parseKeep(flags.keep)
  const methodOptions = namedValues('--method-option', flags.methodOption ?? [])
  checkSource(file)
  const { method, system, reserve, measureAgain } = flags
  const options = { keep, methodOptions, ...given({ method, system, reserve }) }
  checkCompressOptions(options)
  await checkModelFlag(flags.model, flags)
  const document = await readSource(file, flags, terminal)
  const opened = await openModel(flags.model, flags, terminal)
  try {
    const { signal } = terminal
    const result = await withFolderAdvice(document, opened.model, () =>
      opened.model.estimate({ ...options, document, signal, ...given({ measureAgain }) }),
    )
    if (flags.json) terminal.printJson(result)
    else terminal.print(describeEstimate(result))
  } finally {
    await opened.dispose()
  }
}

const describeEstimate = (estimate: Estimate): string => {
  const { documentTokens, keptTokens, fullBytes, keptBytes, fileBytes, seconds } = estimate
  const rate = (perToken: number): string => `${(1 / perToken).toFixed(1)} tokens/s`
  return factsText([
    ['document', `${countText(documentTokens)} tokens for ${estimate.model}`],
    [
      'reading',
      `${secondsText(seconds.prefill)} with everything kept, ${secondsText(seconds.compress)} with ${estimate.method}`,
    ],
    [
      'kept',
      `${percentText(keptTokens / documentTokens)} (asked: ${estimate.keep}), ${countText(keptTokens)} tokens a head`,
    ],
    ['memory', `${bytesText(keptBytes)} instead of ${bytesText(fullBytes)}; the file ${bytesText(fileBytes)}`],
    ['answers', `begin after ${secondsText(seconds.firstToken)}, then ${rate(seconds.nextToken)}`],
    [
      'measured',
      `${estimate.measuredAt.slice(0, 16).replace('T', ' ')}${estimate.isRemembered ? '' : ' (now)'}, on this machine: seconds are right while it stays as busy as now`,
    ],
  ])
}
