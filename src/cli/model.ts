/** compactor model list | rm: the models on this machine. */
import type { Command } from 'commander'
import { bytesText, tableText } from './figures.ts'
import { jsonFlag } from './flags.ts'
import type { Terminal } from './terminal.ts'

const help = `
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
    .action(async ({ json }: { json?: boolean }) => {
      const { homeDirectory, listModels, modelsDirectory } = await import('../index.ts')
      const models = await listModels()
      if (json) return terminal.printJson(models)
      if (models.length === 0)
        return terminal.note(
          `no model in ${modelsDirectory(homeDirectory())} yet; get one with \`compactor pull qwen2.5-coder-0.5b\``,
        )
      const rows = models.map(({ name, bytes, sha256, path }) => [
        name,
        bytesText(bytes),
        sha256?.slice(0, 12) ?? 'not checked yet',
        path,
      ])
      terminal.print(tableText(['NAME', '>SIZE', 'SHA256', 'FILE'], rows))
    })
  command
    .command('rm')
    .description('Delete a model from this machine. Contexts made with it need it again to be asked.')
    .argument('<name>', 'as listed')
    .addOption(jsonFlag())
    .action(async (name: string, { json }: { json?: boolean }) => {
      const { homeDirectory, removeModel } = await import('../index.ts')
      const removed = await removeModel(homeDirectory(), name)
      if (json) terminal.printJson(removed)
      else terminal.print(`removed ${removed.name} (${bytesText(removed.bytes)})`)
    })
}
