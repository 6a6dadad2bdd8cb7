/** Writes a text to the file that a flag names, or to standard output for `-`. The name never holds half a file. */
import { randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, linkSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { CompactorError } from '../error.ts'
import { fileReason } from '../file-reason.ts'
import { refuseExisting, tryFolder } from './output-path.ts'
import type { Terminal } from './terminal.ts'

export interface Output {
  readonly path: string // '-' for standard output
  readonly flag: string // that named it: "--html"
  readonly force: boolean // replace what is there
}

/** Before the work: refuses what could not be written after it. Throws CompactorError: 'usage', 'output-exists', 'write-failed'. */
export const checkOutput = async ({ path, flag, force }: Output): Promise<void> => {
  if (path === '-') {
    if (!force) return
    throw new CompactorError(
      'usage',
      `--force replaces a file, and this goes to standard output; leave it out or name a file with ${flag}`,
    )
  }
  if (path === '') throw new CompactorError('usage', `${flag} takes the path of the file to write, got an empty text`)
  await refuseExisting(path, { force, flag })
  tryFolder(dirname(path), flag)
}

/**
 * Synchronous, so that an interruption comes before or after, never between. Throws CompactorError: 'output-exists' when
 * the file came to be in the meantime, 'write-failed'.
 */
export const writeOutput = (output: Output, text: string, terminal: Terminal): void => {
  if (output.path === '-') terminal.write(text)
  else writeFile(output, text)
}

const writeFile = ({ path, force }: Output, text: string): void => {
  const temporary = join(dirname(path), `.compactor-${process.pid}-${randomBytes(6).toString('hex')}.tmp`)
  try {
    const file = openSync(temporary, 'wx')
    try {
      writeFileSync(file, text)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    if (force) renameSync(temporary, path)
    else linkNew(temporary, path)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST')
      throw new CompactorError('output-exists', `${path} exists; give --force to replace it or another name`, { cause })
    throw new CompactorError('write-failed', `${path} cannot be written: ${fileReason(cause)}; give another place`, {
      cause,
    })
  } finally {
    rmSync(temporary, { force: true })
  }
}

/** Unlike a renaming this never replaces. */
const linkNew = (temporary: string, path: string): void => {
  try {
    linkSync(temporary, path)
  } catch (cause) {
    if (
      !['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EXDEV'].includes(
        (cause as NodeJS.ErrnoException).code ?? '',
      )
    )
      throw cause
    closeSync(openSync(path, 'wx')) // no hard links here: take the name with an empty file, then put ours in its place
    try {
      renameSync(temporary, path)
    } catch (failure) {
      rmSync(path, { force: true })
      throw failure
    }
  }
}
