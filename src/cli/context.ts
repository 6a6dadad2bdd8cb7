/** compactor context list | show | rm: the contexts that are remembered on this machine. */
import { stat } from 'node:fs/promises'
import type { Command } from 'commander'
import type { Store, StoredContext } from '../index.ts'
import { describeContext, keptOf } from './describe-context.ts'
import { bytesText, countText, percentText, tableText } from './figures.ts'
import { jsonFlag } from './flags.ts'
import type { Terminal } from './terminal.ts'

const help = `
Contexts are remembered when a document is asked (\`compactor ask notes.txt ...\`). An id may be cut to its first
characters.

Examples:
  compactor context list
  compactor ctx show 3fa9
  compactor ctx show report.cctx
  compactor ctx rm 3fa9`

export const defineContext = (command: Command, terminal: Terminal): void => {
  command.addHelpText('after', help)
  command
    .command('list')
    .alias('ls')
    .description('List remembered contexts, last used first.')
    .addOption(jsonFlag())
    .addHelpText('after', '\nExamples:\n  compactor context list\n  compactor ctx list --json')
    .action(async ({ json }: { json?: boolean }) => {
      const contexts = await (await openStore()).list()
      if (json) return terminal.printJson(contexts.map(jsonOf))
      if (contexts.length === 0)
        return terminal.note('no context is remembered yet; `compactor ask FILE.txt "question"` makes one')
      terminal.print(tableText(['ID', '>SIZE', '>TOKENS', '>KEPT', 'MODEL', 'USED', 'DOCUMENT'], contexts.map(rowOf)))
    })
  command
    .command('show')
    .description('Show what a context holds.')
    .argument('<context>', 'id as listed, or a .cctx file')
    .addOption(jsonFlag())
    .addHelpText('after', '\nExamples:\n  compactor context show 3fa9\n  compactor context show report.cctx')
    .action(async (context: string, { json }: { json?: boolean }) => {
      await describeContext(await pathOf(context), { json: json ?? false }, terminal)
    })
  command
    .command('rm')
    .description('Delete a remembered context.')
    .argument('<id>', 'as listed')
    .addOption(jsonFlag())
    .addHelpText('after', '\nExamples:\n  compactor context rm 3fa9')
    .action(async (id: string, { json }: { json?: boolean }) => {
      const removed = await (await openStore()).delete(id)
      if (json) terminal.printJson({ removed })
      else terminal.print(`removed ${removed.slice(0, 12)}`)
    })
}

const openStore = async (): Promise<Store> => {
  const { contextsDirectory, folderStore, homeDirectory } = await import('../index.ts')
  return folderStore(contextsDirectory(homeDirectory()))
}

/** A file wins over an id of the same spelling. */
const pathOf = async (context: string): Promise<string> => {
  const isFile = await stat(context).then(
    () => true,
    () => false,
  ) // whatever keeps it from being a file, it may be an id
  if (isFile || !/^[0-9a-f]{4,64}$/.test(context)) return context
  const store = await openStore()
  return store.pathOf(await store.find(context))
}

const rowOf = (context: StoredContext): string[] => {
  const { id, bytes, usedAt } = context
  const start = [id.slice(0, 12), bytesText(bytes)]
  const used = usedAt.toISOString().slice(0, 16).replace('T', ' ')
  if ('problem' in context) return [...start, '', '', '', used, `damaged: ${context.problem.message}`]
  const { block, keep, model, document } = context.header
  const kept = `${percentText(keptOf(context.header).share)} (${keep.given})`
  return [...start, countText(block.originalTokens), kept, model.name, used, document.name]
}

const jsonOf = (context: StoredContext): object => {
  const { id, path, bytes, usedAt } = context
  if ('problem' in context) return { id, path, bytes, usedAt, problem: context.problem.message }
  const { block, keep, model, method, createdAt } = context.header
  const { name, sha256 } = context.header.document
  return {
    id,
    path,
    bytes,
    usedAt,
    createdAt,
    model,
    document: { name, sha256 },
    method,
    keep,
    originalTokens: block.originalTokens,
  }
}
