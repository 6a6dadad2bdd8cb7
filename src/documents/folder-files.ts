/**
 * The files of a folder in the order of one document: in each folder README first, then files, then folders, by name.
 * Ignore files are honoured as git does; links are never followed, so nothing outside the folder can come in.
 */
import { constants } from 'node:fs'
import { type FileHandle, lstat, open, readdir, readFile } from 'node:fs/promises'
import { dirname, join, relative, resolve, sep } from 'node:path'
import ignore, { type Ignore } from 'ignore'
import { CompactorError } from '../error.ts'
import { fileReason } from '../file-reason.ts'
import type { SkippedFile } from './document.ts'
import type { FileChoice } from './file-choice.ts'

export interface FolderFile {
  readonly path: string
  /** From the folder, with / between. */
  readonly name: string
}

export interface FolderFiles {
  readonly files: readonly FolderFile[]
  readonly skipped: readonly SkippedFile[]
}

interface Rules {
  readonly folder: string // whose file it is in
  readonly ignore: Ignore
}

const mostEntries = 200_000
const ignoreFiles = ['.gitignore', '.ignore'] // the later one wins
const neverRead = new Set(['.git', '.hg', '.svn', 'node_modules'])
// Written by programs for programs, and often longer than everything else together.
const lockFiles = new Set([
  ...[
    'package-lock.json',
    'npm-shrinkwrap.json',
    'yarn.lock',
    'pnpm-lock.yaml',
    'bun.lock',
    'deno.lock',
    'composer.lock',
  ],
  ...['Cargo.lock', 'poetry.lock', 'uv.lock', 'Pipfile.lock', 'Gemfile.lock', 'go.sum', 'flake.lock'],
])

interface ListOptions {
  /** What errors call the folder. */
  readonly name: string
  readonly choice: FileChoice
  readonly signal?: AbortSignal | undefined
}

/** Throws CompactorError('document-invalid') for a folder of absurdly many entries. */
export const listFolder = async (folder: string, { name, choice, signal }: ListOptions): Promise<FolderFiles> => {
  const root = resolve(folder)
  const files: FolderFile[] = []
  const skipped: SkippedFile[] = []
  let seen = 0
  const skip = (path: string, reason: string): void => void skipped.push({ path: nameIn(root, path), reason })
  const walk = async (directory: string, outer: readonly Rules[]): Promise<void> => {
    signal?.throwIfAborted()
    const entries = await readdir(directory, { withFileTypes: true })
    seen += entries.length
    if (seen > mostEntries)
      throw new CompactorError(
        'document-invalid',
        `${name} holds more than ${mostEntries} files and folders; give a smaller folder`,
      )
    const rules = [...outer, ...(await rulesOf(directory))]
    const kept = entries.filter((entry) => {
      const path = join(directory, entry.name)
      if (neverRead.has(entry.name) || ignoreFiles.includes(entry.name) || isIgnored(path, entry.isDirectory(), rules))
        return false
      const unchosen = (): string | undefined => choice.reason(nameIn(root, path), entry.isDirectory())
      if (entry.name.startsWith('.')) skip(path, 'hidden')
      else if (entry.isSymbolicLink()) skip(path, 'a link, and links are not followed')
      else if (lockFiles.has(entry.name)) skip(path, 'a lock file of a package manager')
      else if (!entry.isFile() && !entry.isDirectory()) skip(path, 'not a regular file')
      else {
        const reason = unchosen()
        if (reason === undefined) return true
        skip(path, reason)
      }
      return false
    })
    const names = (want: 'file' | 'folder'): string[] =>
      kept
        .filter((entry) => entry.isDirectory() === (want === 'folder'))
        .map((entry) => entry.name)
        .sort(readmeFirst)
    for (const file of names('file'))
      files.push({ path: join(directory, file), name: nameIn(root, join(directory, file)) })
    for (const inner of names('folder'))
      await walk(join(directory, inner), rules).catch((cause: unknown) => {
        if (cause instanceof CompactorError || signal?.aborted) throw cause
        skip(join(directory, inner), fileReason(cause))
      })
  }
  await walk(root, await rulesAbove(root))
  return { files, skipped }
}

const nameIn = (root: string, path: string): string => relative(root, path).split(sep).join('/')

/** By code units, the same on every machine. */
const readmeFirst = (a: string, b: string): number => {
  const [x, y] = [a, b].map((name) => (/^readme(\.|$)/i.test(name) ? 0 : 1))
  if (x !== y) return (x ?? 0) - (y ?? 0)
  return a < b ? -1 : a > b ? 1 : 0
}

const rulesOf = async (folder: string): Promise<Rules[]> => {
  const found = await Promise.all(
    ignoreFiles.map(async (name): Promise<Rules[]> => {
      const path = join(folder, name)
      const isFile = await lstat(path).then(
        (stats) => stats.isFile() && stats.size < 2 ** 20,
        () => false,
      )
      return isFile ? [{ folder, ignore: ignore().add(await readFile(path, 'utf8')) }] : []
    }),
  )
  return found.flat()
}

/** Within a repository, the ignore files of the folders above hold too, and what it excludes for itself. */
const rulesAbove = async (folder: string): Promise<Rules[]> => {
  const above: string[] = []
  for (let at = folder; ; at = dirname(at)) {
    if (at !== folder) above.unshift(at)
    if (
      await lstat(join(at, '.git')).then(
        () => true,
        () => false,
      )
    ) {
      const exclude = await readFile(join(at, '.git', 'info', 'exclude'), 'utf8').catch(() => '') // there need not be one
      const own = exclude === '' ? [] : [{ folder: at, ignore: ignore().add(exclude) }]
      return [...own, ...(await Promise.all(above.map(rulesOf))).flat()]
    }
    if (dirname(at) === at) return []
  }
}

/** The innermost file that says anything about a path decides. */
const isIgnored = (path: string, isDirectory: boolean, rules: readonly Rules[]): boolean => {
  for (const rule of rules.toReversed()) {
    const inside = relative(rule.folder, path).split(sep).join('/')
    const { ignored, unignored } = rule.ignore.test(isDirectory ? `${inside}/` : inside)
    if (ignored || unignored) return ignored
  }
  return false
}

/** A file of a folder, opened so that a link put in its place meanwhile is not followed. */
export const openFolderFile = (path: string): Promise<FileHandle> =>
  open(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0))
