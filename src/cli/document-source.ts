/** The document that a command was given: a file, a folder, an address, a pipe or `-` for standard input. Never a context. */
import { existsSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { type Command, Option } from 'commander'
import { CompactorError } from '../error.ts'
import type { Document, Mark } from '../index.ts'
import { countText } from './figures.ts'
import { collect, given } from './flags.ts'
import type { Terminal } from './terminal.ts'

export interface DocumentFlags {
  readonly encoding?: string
  readonly include?: readonly string[]
  readonly exclude?: readonly string[]
  readonly verbose?: boolean
}

export const documentFlags = (): Option[] => [
  new Option('--encoding <name>', 'of text that is not UTF-8, for example windows-1252 (default: found out)'),
  new Option(
    '--include <pattern>',
    'of a folder only files that this names, as in a .gitignore; may be repeated',
  ).argParser(collect),
  new Option(
    '--exclude <pattern>',
    'of a folder no files that this names; wins over --include; may be repeated',
  ).argParser(collect),
  new Option('--verbose', 'name every file of a folder that was left out'),
]

export const isAddress = (source: string): boolean => /^https?:\/\//i.test(source)

/** What messages call it. Of an address only what is not secret. */
export const nameOfSource = async (source: string): Promise<string> => {
  if (source === '-') return 'standard input'
  return isAddress(source) ? (await import('../index.ts')).nameOfAddress(source) : source
}

const isFolder = async (source: string): Promise<boolean> =>
  source !== '-' && !isAddress(source) && (await stat(source).catch(() => undefined))?.isDirectory() === true

/** Which of --include and --exclude was typed. From the environment or the file they are for folders, where there is one. */
export const chosenFlag = (command: Command): 'include' | 'exclude' | undefined =>
  (['include', 'exclude'] as const).find((name) => command.getOptionValueSource(name) === 'cli')

/** Refuses such a flag for what is no folder. What is not there at all is refused by whoever reads it. */
export const checkChosenFiles = async (flag: string | undefined, source: string): Promise<void> => {
  if (flag === undefined || (await isFolder(source))) return
  if (source === '-' || isAddress(source) || existsSync(source)) throw notOfFolder(flag, await nameOfSource(source))
}

export const notOfFolder = (flag: string, name: string): CompactorError =>
  new CompactorError('usage', `--${flag} chooses files of a folder, and ${name} is none; leave it out`)

/** Refuses what can be no document by its spelling alone. */
export const checkSource = (source: string): void => {
  if (source === '')
    throw new CompactorError('usage', 'expected the path of a document, or - for standard input, got an empty text')
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(source)?.[1]
  if (scheme !== undefined && !isAddress(source))
    throw new CompactorError(
      'usage',
      `${source} is an address of a kind that is not read (${scheme}); give http, https or the path of a file`,
    )
}

const largestInputBytes = 2 ** 24

/** Standard input as text that must be UTF-8 and is no document: a question. */
export const readInput = async (terminal: Terminal): Promise<string> => {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of terminal.input()) {
    bytes += chunk.length
    if (bytes > largestInputBytes)
      throw new CompactorError(
        'question-invalid',
        `standard input has more than ${largestInputBytes} bytes, far more than a question; give the text as document`,
      )
    chunks.push(chunk)
  }
  terminal.signal.throwIfAborted()
  return (await import('../index.ts')).decodeDocument(Buffer.concat(chunks), 'standard input')
}

/** Reads it and says on stderr what was read, if there is more to say than that it was text. */
export const readSource = async (
  source: string,
  { encoding, include, exclude, verbose = false }: DocumentFlags,
  terminal: Terminal,
): Promise<Document> => {
  const { readDocument } = await import('../index.ts')
  const name = await nameOfSource(source)
  const choice = (await isFolder(source)) ? { include, exclude } : {}
  const options = { signal: terminal.signal, name, ...given({ encoding, ...choice }) }
  const document = await readDocument(source === '-' ? terminal.input() : source, options)
  const summary = describeDocument(document, verbose)
  if (summary !== undefined) terminal.note(summary)
  for (const note of document.notes) terminal.note(note)
  if (verbose) for (const { path, reason } of document.skipped) terminal.note(`left out ${path}: ${reason}`)
  return document
}

const describeDocument = ({ name, format, marks, skipped }: Document, verbose: boolean): string | undefined => {
  if (format === 'text' || format === 'markdown') return undefined
  const count = (kind: Mark['kind']): number => marks.filter((mark) => mark.kind === kind).length
  const facts = (['file', 'chapter', 'page', 'heading'] as const)
    .filter((kind) => count(kind) > 0)
    .map((kind) => `${countText(count(kind))} ${kind}${count(kind) === 1 ? '' : 's'}`)
  const left = skipped.length > 0 ? [`${leftOut(skipped)}${verbose ? '' : ': --verbose names them'}`] : []
  const what = format === 'folder' ? 'folder' : format.toUpperCase()
  return `read ${name} (${[what, ...facts, ...left].join(', ')})`
}

/** What the user left out apart from what could not be read. */
const leftOut = (skipped: Document['skipped']): string => {
  const count = (wanted: string): number => skipped.filter(({ reason }) => reason === wanted).length
  const [notIncluded, excluded] = [count('not included'), count('excluded')]
  const counts = [
    [skipped.length - notIncluded - excluded, 'left out'],
    [notIncluded, 'not included'],
    [excluded, 'excluded'],
  ] as const
  return counts
    .filter(([many]) => many > 0)
    .map(([many, what]) => `${countText(many)} ${what}`)
    .join(', ')
}

/** For --json. */
export const documentFacts = ({ name, format, notes, skipped }: Document): object => ({ name, format, notes, skipped })
