/** compactor model list | rm: the models on this machine. */
import type { Command } from 'commander'
import { bytesText, tableText } from './figures.ts'
import { jsonFlag } from './flags.ts'
import type { Terminal } from './terminal.ts'

const help = `
What Ollama, llama.cpp and the Hugging Face cache hold on this machine is listed too. Such a file can be named with -m as
it is listed (of Ollama NAME:TAG is enough); it is read where it lies and never copied, moved or removed.

Examples:
  compactor model list
  compactor model rm smollm2-135m`

export const defineModel = (command: Command, terminal: Terminal): void => {
  command.addHelpText('after', help)
  command
    .command('list')
    .alias('ls')
    .description('List the models on this machine.')
    .addOption(jsonFlag())
    .addHelpText('after', '\nExamples:\n  compactor model list\n  compactor model list --json')
    .action(({ json }: { json?: boolean }) => list(json ?? false, terminal))
  command
    .command('rm')
    .description('Delete a model from this machine. Contexts made with it need it again to be asked.')
    .argument('<name>', 'as listed')
    .addOption(jsonFlag())
    .addHelpText('after', '\nExamples:\n  compactor model rm smollm2-135m')
    .action(async (name: string, { json }: { json?: boolean }) => {
      const { homeDirectory, removeModel } = await import('../index.ts')
      const removed = await removeModel(homeDirectory(), name)
      if (json) terminal.printJson(removed)
      else terminal.print(`removed ${removed.name} (${bytesText(removed.bytes)})`)
    })
}

const list = async (json: boolean, terminal: Terminal): Promise<void> => {
  const { homeDirectory, listForeignModels, listModels, listPartialModels, modelsDirectory } = await import(
    '../index.ts'
  )
  const [own, elsewhere, partial] = await Promise.all([listModels(), listForeignModels(), listPartialModels()])
  const foreign = elsewhere.map(({ claimedSha256, ...model }) => ({ ...model, sha256: claimedSha256, builtIn: false }))
  const models = [...own.map((model) => ({ ...model, owner: 'Compactor' })), ...foreign]
  if (json) return terminal.printJson(models)
  for (const { name, doneBytes, bytes } of partial)
    terminal.note(
      `${bytesText(doneBytes)} of the ${bytesText(bytes)} of ${name} are here; pulling it again goes on, \`compactor model rm ${name}\` removes them`,
    )
  if (models.length === 0)
    return terminal.note(
      `no model in ${modelsDirectory(homeDirectory())} yet; get one with \`compactor pull qwen2.5-coder-0.5b\``,
    )
  const rows = models.map(({ name, bytes, sha256, owner, path }) => [
    name,
    bytesText(bytes),
    sha256?.slice(0, 12) ?? 'not checked yet',
    owner,
    path,
  ])
  terminal.print(tableText(['NAME', '>SIZE', 'SHA256', 'KEPT BY', 'FILE'], rows))
}
