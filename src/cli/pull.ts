/** compactor pull: get a model. */
import type { Command } from 'commander'
import type { PullProgress } from '../index.ts'
import { bytesText, factsText } from './figures.ts'
import { jsonFlag } from './flags.ts'
import type { Terminal } from './terminal.ts'

const help = `
MODEL is a built-in name (smollm2-135m, qwen2.5-coder-0.5b, qwen2.5-coder-1.5b, gemma3-270m),
hf:user/repo:QUANT, hf:user/repo/file.gguf, or the path of a .gguf file, which is checked where it is. HF_TOKEN, HF_HOME, HF_ENDPOINT and
HF_HUB_OFFLINE are honoured.

Examples:
  compactor pull qwen2.5-coder-0.5b
  compactor pull hf:Qwen/Qwen2.5-0.5B-Instruct-GGUF:Q8_0`

export const definePull = (command: Command, terminal: Terminal): void => {
  command
    .argument('<model>', 'name, hf: source or path')
    .addOption(jsonFlag())
    .addHelpText('after', help)
    .action(async (spec: string, { json }: { json?: boolean }) => {
      const { pullModel } = await import('../index.ts')
      const model = await showPull(spec, terminal, (callbacks) => pullModel(spec, { ...callbacks, update: true }))
      if (json) terminal.printJson(model)
      else
        terminal.print(
          factsText([
            ['model', `${model.name}${model.source === 'present' ? ' (was here already)' : ''}`],
            ['file', `${model.path} (${bytesText(model.bytes)})`],
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
