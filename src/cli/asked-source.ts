/** What a question is about: a context file, the id of a remembered context, or a document that becomes one first. */
import { stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { type Command, Option } from 'commander'
import { CompactorError } from '../error.ts'
import type { Context, Keep, LoadedModel } from '../index.ts'
import { showCompress } from './compress.ts'
import { getContextModel, type Wanted, wantedModel } from './context-model.ts'
import {
  checkChosenFiles,
  chosenFlag,
  type DocumentFlags,
  documentFlags,
  isAddress,
  notOfFolder,
  readSource,
} from './document-source.ts'
import { bytesText, countText } from './figures.ts'
import { defaultModel, type EngineFlags, given } from './flags.ts'
import { checkModelFlag, type OpenModel, openModel } from './open-model.ts'
import type { Terminal } from './terminal.ts'

export interface Asked {
  readonly source: string
  readonly model: Wanted
  readonly keep: string | undefined // named on the command line
  readonly chosen: string | undefined // --include or --exclude, the same
  readonly encoding: string | undefined // the same
}

export interface AskedFlags extends EngineFlags, DocumentFlags {
  readonly model?: string
  readonly keep?: string
}

export const askedFlags = (): Option[] => [
  new Option('--keep <budget>', 'how much of a document to keep (default: 0.25); of a context, less than it has'),
  ...documentFlags(),
]

/** A preferred model or share from the environment or the file is for new documents; a context knows its own. */
export const askedOf = (command: Command, source: string, flags: AskedFlags): Asked => {
  const typed = (name: 'keep' | 'encoding'): string | undefined =>
    command.getOptionValueSource(name) === 'cli' ? flags[name] : undefined
  const [keep, encoding] = [typed('keep'), typed('encoding')]
  return { source, model: wantedModel(command, flags), keep, encoding, chosen: chosenFlag(command) }
}

export interface OpenSource {
  readonly context: Context
  readonly model: LoadedModel
  dispose(): Promise<void>
}

/** Opens it, compressing a document that is new; remembered for the next time. */
export const openAskedSource = async (
  { source, model, keep, chosen, encoding }: Asked,
  flags: AskedFlags,
  terminal: Terminal,
): Promise<OpenSource> => {
  const { parseKeep, readContextHeader } = await import('../index.ts')
  const share = flags.keep === undefined ? undefined : parseKeep(flags.keep)
  await checkChosenFiles(chosen, source)
  const file = await findSource(source)
  if (chosen !== undefined && file.isContext) throw notOfFolder(chosen, source)
  if (!file.isContext) return openDocument({ file: file.path, keep: share }, flags, terminal)
  if (encoding !== undefined)
    throw new CompactorError(
      'usage',
      `--encoding is for a document that is read, and ${source} is a context; leave it out`,
    )
  const { header } = await readContextHeader(file.path)
  const made = { file: source, by: header.model }
  const spec = await getContextModel(made, model, terminal)
  return withModel(spec, flags, terminal, async (opened) => {
    const context = await opened.model.openContext(file.path, { signal: terminal.signal })
    return keep === undefined || share === undefined ? context : shrunk(context, share, terminal)
  })
}

const shrunk = async (context: Context, keep: Keep, terminal: Terminal): Promise<Context> => {
  const smaller = await context.shrink(keep, { signal: terminal.signal })
  await context.dispose()
  return smaller
}

/** A file, standard input, or the id of a remembered context. */
const findSource = async (source: string): Promise<{ path: string; isContext: boolean }> => {
  if (source === '-' || isAddress(source)) return { path: source, isContext: false }
  const found = await stat(source).catch(() => undefined) // may be an id; reading it says why it cannot be read
  // A folder is a document; a pipe can be read once only, so it is one too, and reading it says so if it is not.
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

const openDocument = async (
  { file, keep }: { readonly file: string; readonly keep: Keep | undefined },
  flags: AskedFlags,
  terminal: Terminal,
): Promise<OpenSource> => {
  if (file.endsWith('.cctx'))
    throw new CompactorError(
      'context-corrupt',
      `${file} is not a context: its first bytes are not those of a .cctx file; compress the document again, or give text another name`,
    )
  const spec = flags.model ?? defaultModel
  await checkModelFlag(spec, flags)
  const document = await readSource(file, flags, terminal)
  return withModel(spec, flags, terminal, async ({ model }) => {
    let isAnnounced = false
    const onProgress = (): void => {
      if (!isAnnounced)
        terminal.note(
          `reading ${document.name} with ${model.name}; this is remembered, the next question about it starts at once`,
        )
      isAnnounced = true
    }
    const options = { document, remember: true, onProgress, ...given({ keep }) }
    const context = await showCompress(basename(document.name), model, terminal, options)
    const { originalTokens, fullBytes } = context.stats
    if (isAnnounced && keep === undefined && originalTokens < shortDocument)
      terminal.note(
        `${document.name} is short (${countText(originalTokens)} tokens), and a quarter of it loses details: --keep 1 loses nothing and takes ${bytesText(fullBytes)}`,
      )
    return context
  })
}

/** Tokens below which nobody needs to save bytes: some 12 MB whole with the preferred model. */
const shortDocument = 1000

const withModel = async (
  spec: string,
  flags: EngineFlags,
  terminal: Terminal,
  open: (opened: OpenModel) => Promise<Context>,
): Promise<OpenSource> => {
  const opened = await openModel(spec, flags, terminal)
  try {
    return { context: await open(opened), model: opened.model, dispose: () => opened.dispose() }
  } catch (error) {
    await opened.dispose()
    throw error
  }
}
