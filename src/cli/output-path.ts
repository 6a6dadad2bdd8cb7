/** Where a context will be written: refuses before minutes of work what would fail after them. */
import { randomBytes } from 'node:crypto'
import { closeSync, openSync, rmSync, writeSync } from 'node:fs'
import { lstat, stat } from 'node:fs/promises'
import { basename, dirname, extname, join, resolve } from 'node:path'
import { CompactorError } from '../error.ts'
import { fileReason } from '../file-reason.ts'
import { isAddress } from './document-source.ts'

/** @param file the document: a path, an address, `-` for standard input. → the path to write to */
export const chooseOutput = async (
  file: string,
  { output, force = false }: { readonly output?: string; readonly force?: boolean },
): Promise<string> => {
  const target = await nameOutput(file, output)
  if (resolve(target) === resolve(file))
    throw new CompactorError(
      'usage',
      `the output ${target} would replace the document itself; give another name with -o`,
    )
  await refuseExisting(target, { force, flag: '-o' })
  tryFolder(dirname(resolve(target)), '-o')
  return target
}

const nameOutput = async (file: string, output: string | undefined): Promise<string> => {
  if (output === '') throw new CompactorError('usage', '-o takes the path of the file to write, got an empty text')
  if (output === '-')
    throw new CompactorError(
      'usage',
      '-o takes the path of the file to write, got -; name a file, for example ./a.cctx',
    )
  if (output !== undefined) return output
  if (file === '-') throw new CompactorError('usage', 'a document from standard input needs -o with the file to write')
  if (isAddress(file)) return nameForAddress(file)
  if (
    await stat(file).then(
      (stats) => stats.isDirectory(),
      () => false,
    )
  )
    return nameForFolder(file) // reading it says why not
  return join(dirname(file), `${basename(file, extname(file))}.cctx`)
}

/** Beside the folder; in it if it is the current one, where its name is no path. */
const nameForFolder = (folder: string): string =>
  /^\.{0,2}$/.test(basename(folder))
    ? `${basename(resolve(folder)) || 'folder'}.cctx`
    : join(dirname(folder), `${basename(folder)}.cctx`)

/** In the current folder, by the last part of the path or else the host. */
const nameForAddress = (address: string): string => {
  const { hostname, pathname } = URL.canParse(address) ? new URL(address) : { hostname: '', pathname: '' }
  const last = basename(pathname)
  const name = basename(last, extname(last)) || hostname || 'page'
  return `${name.replace(/[^\w.-]+/g, '-')}.cctx`
}

/** Only "there is nothing" passes, and with --force a regular file or a link that leads to one or nowhere. */
export const refuseExisting = async (
  target: string,
  { force, flag }: { readonly force: boolean; readonly flag: string },
): Promise<void> => {
  const ifMissing = (cause: unknown): undefined => {
    if ((cause as { code?: string }).code === 'ENOENT') return undefined
    throw new CompactorError(
      'write-failed',
      `${target} cannot be written: ${fileReason(cause)}; give another name with ${flag}`,
      { cause },
    )
  }
  const there = await lstat(target).catch(ifMissing)
  if (!there) return
  const meant = there.isSymbolicLink() ? await stat(target).catch(ifMissing) : there
  if (meant && !meant.isFile()) {
    const what = meant.isDirectory() ? 'a directory' : 'not a regular file'
    throw new CompactorError('write-failed', `${target} is ${what}; give a file name with ${flag}`)
  }
  const what = meant ? 'exists' : 'exists, as a link that leads nowhere'
  if (!force)
    throw new CompactorError(
      'output-exists',
      `${target} ${what}; give --force to replace it or another name with ${flag}`,
    )
}

/**
 * Writes a block into the folder and takes it away again: permissions alone do not say whether that works. Synchronous, so that
 * an interruption never leaves it there.
 */
export const tryFolder = (folder: string, flag: string): void => {
  const trial = join(folder, `.compactor-${process.pid}-${randomBytes(6).toString('hex')}.tmp`)
  try {
    const file = openSync(trial, 'wx')
    try {
      writeSync(file, Buffer.alloc(4096))
    } finally {
      closeSync(file)
    }
  } catch (cause) {
    throw new CompactorError(
      'write-failed',
      `nothing can be written to the folder ${folder}: ${fileReason(cause)}; give another place with ${flag}`,
      { cause },
    )
  } finally {
    remove(trial)
  }
}

const remove = (path: string): void => {
  try {
    rmSync(path, { force: true })
  } catch {
    // Not made, which was said already.
  }
}
