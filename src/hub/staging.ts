/**
 * A model being downloaded: a folder `.part-…` inside `models/` that one process owns. It becomes one file by rename, or
 * it is set aside as `.resume-NAME` for the next pull to take over, or it disappears. Renaming a folder is what decides
 * between two processes, so there is no lock to be left behind. Folders of processes that died are set aside by the next.
 */
import { randomBytes } from 'node:crypto'
import { renameSync, rmSync } from 'node:fs'
import { mkdir, open, readdir, rename, rm, statfs } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import { CompactorError } from '../error.ts'
import { byteCount } from './byte-ranges.ts'
import { megabytes } from './bytes.ts'
import { checkGgufFile } from './gguf-file.ts'
import { homeDirectory, modelsDirectory } from './home.ts'
import { identityOf, PartialFile, type Promised, readRecord } from './partial-file.ts'
import { writeFailure } from './write-failure.ts'

const host = hostname().replace(/[^A-Za-z0-9.]/g, '_')
const asidePrefix = '.resume-'

const asideOf = (models: string, name: string): string => join(models, `${asidePrefix}${name}`)

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as { code?: string }).code === 'EPERM' // someone else's process
  }
}

/** A model of which a part is here. */
export interface PartialModel {
  readonly name: string
  readonly path: string // the folder
  readonly doneBytes: number
  readonly bytes: number
}

/** Downloads that were set aside; a pull of the same model goes on with them. */
export const listPartialModels = async (home: string = homeDirectory()): Promise<PartialModel[]> => {
  const models = modelsDirectory(home)
  const names = await readdir(models).catch((): string[] => []) // no folder: no downloads
  const found = names
    .filter((name) => name.startsWith(asidePrefix))
    .sort()
    .map(async (name): Promise<PartialModel[]> => {
      const path = join(models, name)
      const record = await readRecord(path)
      return record
        ? [{ name: name.slice(asidePrefix.length), path, doneBytes: byteCount(record.done), bytes: record.bytes }]
        : []
    })
  return (await Promise.all(found)).flat()
}

/** Throws CompactorError('write-failed'). → what there was */
export const removePartial = async (home: string, name: string): Promise<PartialModel | undefined> => {
  const there = (await listPartialModels(home)).find((partial) => partial.name === name)
  try {
    if (there) await rm(there.path, { recursive: true, force: true })
  } catch (cause) {
    throw writeFailure(name, modelsDirectory(home), cause)
  }
  return there
}

/** Folders that no living process of this machine owns; those of other machines on a shared home are left alone. */
const takeFromTheDead = async (models: string): Promise<void> => {
  for (const name of await readdir(models)) {
    const [, pid] = name.startsWith(`.part-${host}-`) ? (/-(\d+)-[0-9a-f]+$/.exec(name) ?? []) : []
    if (pid === undefined || isAlive(Number(pid))) continue
    const directory = join(models, name)
    const record = await readRecord(directory)
    if (record && byteCount(record.done) > 0) await setAside(directory, models, record.name)
    else await rm(directory, { recursive: true, force: true })
  }
}

/** One is enough: where a download of this name was set aside already, the other one stays. */
const setAside = async (directory: string, models: string, name: string): Promise<boolean> => {
  try {
    await rename(directory, asideOf(models, name))
    return true
  } catch {
    await rm(directory, { recursive: true, force: true, maxRetries: 3 })
    return false
  }
}

/** Room for what is still to come. */
const refuseFullDisk = async (
  { directory, promised: { name, bytes }, doneBytes }: PartialFile,
  beside: StagingOptions['beside'],
): Promise<void> => {
  const models = dirname(directory)
  const { bavail, bsize } = await statfs(models)
  const needed = bytes - doneBytes + beside.bytes
  const share = beside.bytes === 0 ? '' : ` (${megabytes(beside.bytes)} of them for ${beside.what})`
  if (bavail * bsize < needed)
    throw new CompactorError(
      'write-failed',
      `${name} needs ${megabytes(needed)}${share} in ${models}, where ${megabytes(bavail * bsize)} are free; make room or set COMPACTOR_HOME to another disk`,
    )
}

const claim = async (models: string, name: string): Promise<string> => {
  const directory = join(models, `.part-${host}-${process.pid}-${randomBytes(6).toString('hex')}`)
  try {
    await mkdir(models, { recursive: true })
    await takeFromTheDead(models)
    await rename(asideOf(models, name), directory).catch(() => mkdir(directory)) // nothing set aside, or just taken
  } catch (cause) {
    throw writeFailure(name, models, cause)
  }
  return directory
}

export interface StagingOptions {
  readonly onBytes: (doneBytes: number) => void
  /** Room that is needed beside the file itself, and what for. */
  readonly beside: { readonly bytes: number; readonly what: string }
  /** Told what a later pull can go on from. */
  readonly onKept: (doneBytes: number) => void
}

/** A later try may go on from bytes that are right as far as anyone knows. */
const isWorthKeeping = (error: unknown, partial: PartialFile): boolean =>
  identityOf(partial.promised) !== undefined &&
  partial.doneBytes > 0 &&
  (!(error instanceof CompactorError) || ['download-failed', 'aborted'].includes(error.code))

/** Run `body` with the file so far; what it leaves behind is removed, or set aside when it was cut off half way. */
export const withPartial = async <T>(
  models: string,
  promised: Promised,
  options: StagingOptions,
  body: (partial: PartialFile) => Promise<T>,
): Promise<T> => {
  const directory = await claim(models, promised.name)
  let partial: PartialFile | undefined
  const leaveNow = (): void => {
    if (partial && isWorthKeeping(undefined, partial)) leaveAside(partial, models)
    else rmSync(directory, { recursive: true, force: true })
  }
  process.once('exit', leaveNow) // a process that ends on a signal does not wait for `finally`
  let failure: unknown
  try {
    partial = await PartialFile.open(directory, promised, options.onBytes)
    await refuseFullDisk(partial, options.beside)
    return await body(partial)
  } catch (error) {
    failure = error
    throw error
  } finally {
    await leave(partial, { directory, models, failure, options })
    process.off('exit', leaveNow)
  }
}

interface Leaving {
  readonly directory: string
  readonly models: string
  readonly failure: unknown
  readonly options: StagingOptions
}

const leave = async (
  partial: PartialFile | undefined,
  { directory, models, failure, options }: Leaving,
): Promise<void> => {
  const keep = partial !== undefined && failure !== undefined && isWorthKeeping(failure, partial)
  const saved =
    keep &&
    (await partial.save().then(
      () => true,
      () => false,
    )) // the failure that is under way says more
  await partial?.close()
  if (saved) {
    await rm(join(directory, 'wheels'), { recursive: true, force: true })
    if (await setAside(directory, models, partial.promised.name)) options.onKept(partial.doneBytes)
  } else await rm(directory, { recursive: true, force: true, maxRetries: 3 })
}

const leaveAside = (partial: PartialFile, models: string): void => {
  try {
    partial.saveNow()
    renameSync(partial.directory, asideOf(models, partial.promised.name))
  } catch {
    rmSync(partial.directory, { recursive: true, force: true }) // one is there already, or the disk is full
  }
}

/** Gives the complete, checked file its name. */
export const giveName = async (partial: PartialFile, target: string): Promise<void> => {
  await checkGgufFile(partial.path)
  try {
    await rename(partial.path, target)
    const folder = await open(dirname(target))
    await folder.sync().finally(() => folder.close())
  } catch (cause) {
    throw writeFailure(partial.promised.name, dirname(target), cause)
  }
}
