/** compactor pull: get a model. */
import { type Command, Option } from 'commander'
import type { PullProgress } from '../index.ts'
import { bytesText, factsText } from './figures.ts'
import { given, jsonFlag, offlineFlag, wholeNumber } from './flags.ts'
import type { Terminal } from './terminal.ts'

const help = `
MODEL is a built-in name (smollm2-135m, qwen2.5-coder-0.5b, qwen2.5-coder-1.5b, gemma3-270m), hf:user/repo:QUANT,
hf:user/repo/file.gguf, or the path of a .gguf file, which is checked where it is. Of a model in several files
(…-00001-of-00003.gguf) all are brought, whichever is named. HF_TOKEN, HF_HOME, HF_ENDPOINT and HF_HUB_OFFLINE are honoured.
A download that was interrupted or broke off is gone on with by the next pull of the same model; what another program on this
machine has of it (\`compactor help models\`) is used where it lies.

Examples:
  compactor pull qwen2.5-coder-0.5b
  compactor pull hf:Qwen/Qwen2.5-0.5B-Instruct-GGUF:Q8_0
  compactor pull smollm2-135m --offline                  only what is on this machine
  compactor pull qwen2.5-coder-1.5b --connections 1      one request at a time`

interface PullFlags {
  readonly json?: boolean
  readonly offline?: boolean
  readonly connections?: number
  readonly retries?: number
}

export const definePull = (command: Command, terminal: Terminal): void => {
  command
    .argument('<model>', 'name, hf: source or path')
    .addOption(offlineFlag())
    .addOption(
      new Option('--connections <count>', 'parts of a file to ask the hub for at once (default: 4)').argParser(
        wholeNumber,
      ),
    )
    .addOption(
      new Option(
        '--retries <count>',
        'tries in a row that may bring nothing before it is given up (default: 5)',
      ).argParser(wholeNumber),
    )
    .addOption(jsonFlag())
    .addHelpText('after', help)
    .action(async (spec: string, { json, ...flags }: PullFlags) => {
      const { pullModel } = await import('../index.ts')
      const options = { ...given(flags), update: true }
      const model = await showPull(spec, terminal, (callbacks) => pullModel(spec, { ...callbacks, ...options }))
      if (json) terminal.printJson(model)
      else
        terminal.print(
          factsText([
            ['model', `${model.name}${model.source === 'present' ? ' (was here already)' : ''}`],
            [
              'file',
              model.fileCount === 1
                ? `${model.path} (${bytesText(model.bytes)})`
                : `${model.path} and ${model.fileCount - 1} more (${bytesText(model.bytes)})`,
            ],
            ['sha256', model.sha256],
          ]),
        )
    })
}

interface Callbacks {
  readonly signal: AbortSignal
  readonly onProgress: (progress: PullProgress) => void
  readonly onNote: (sentence: string) => void
}

/** Anything that may have to download or to compute a checksum, with its progress shown and a download announced. */
export const showPull = <T>(
  spec: string,
  terminal: Terminal,
  body: (callbacks: Callbacks) => Promise<T>,
): Promise<T> => {
  let isAnnounced = false
  const announce = ({ stage, totalBytes }: PullProgress): void => {
    if (isAnnounced || stage !== 'downloading') return
    isAnnounced = true
    terminal.note(`getting ${spec} (${bytesText(totalBytes)})`)
  }
  return terminal.during({ label: spec, rate: (perSecond) => `${bytesText(perSecond)}/s` }, (update) =>
    body({
      signal: terminal.signal,
      onNote: (sentence) => terminal.note(sentence),
      onProgress: (progress) => {
        announce(progress)
        update(progress.doneBytes, progress.totalBytes)
      },
    }),
  )
}
