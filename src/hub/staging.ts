/**
 * A model being written: a folder `.part-…` inside `models/` that becomes one file by rename, or disappears. Folders of
 * processes that died without cleaning up are removed when the next one is made.
 */
import { createHash, randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, rename, rm, statfs } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import { CompactorError } from '../error.ts'
import { fileReason } from '../file-reason.ts'
import { megabytes } from './bytes.ts'
import { checkGgufFile } from './gguf-file.ts'

export interface Promised {
  readonly name: string
  readonly bytes?: number
  readonly sha256?: string
}

export interface Assembled {
  readonly bytes: number
  readonly sha256: string
}

const host = hostname().replace(/[^A-Za-z0-9.]/g, '_')

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as { code?: string }).code === 'EPERM' // someone else's process
  }
}

/** Folders that no living process of this machine owns; those of other machines on a shared home are left alone. */
export const removeStale = async (models: string): Promise<void> => {
  for (const name of await readdir(models)) {
    const [, pid] = name.startsWith(`.part-${host}-`) ? (/-(\d+)-[0-9a-f]+$/.exec(name) ?? []) : []
    if (pid !== undefined && !isAlive(Number(pid))) await rm(join(models, name), { recursive: true, force: true })
  }
}

const refuseFullDisk = async (models: string, name: string, bytes: number): Promise<void> => {
  const { bavail, bsize } = await statfs(models)
  if (bavail * bsize < bytes)
    throw new CompactorError(
      'write-failed',
      `${name} needs ${megabytes(bytes)} in ${models}, where ${megabytes(bavail * bsize)} are free; make room or set COMPACTOR_HOME to another disk`,
    )
}

const writeFailure = (name: string, models: string, cause: unknown): CompactorError => {
  const full = ['ENOSPC', 'EDQUOT'].includes((cause as { code?: string }).code ?? '')
  const reason = full ? 'the disk is full; make room or set COMPACTOR_HOME to another disk' : fileReason(cause)
  return new CompactorError('write-failed', `${name} could not be written to ${models}: ${reason}`, { cause })
}

/** Run `body` with a folder of its own in `models`; whatever is left in it afterwards is removed. */
export const withStaging = async <T>(
  models: string,
  promised: Promised,
  body: (directory: string) => Promise<T>,
): Promise<T> => {
  const directory = join(models, `.part-${host}-${process.pid}-${randomBytes(6).toString('hex')}`)
  try {
    await mkdir(models, { recursive: true })
    await removeStale(models)
    await mkdir(directory)
  } catch (cause) {
    throw writeFailure(promised.name, models, cause)
  }
  const removeNow = (): void => rmSync(directory, { recursive: true, force: true })
  process.once('exit', removeNow) // a process that ends on a signal does not wait for `finally`
  try {
    if (promised.bytes !== undefined) await refuseFullDisk(models, promised.name, promised.bytes)
    return await body(directory)
  } finally {
    await rm(directory, { recursive: true, force: true, maxRetries: 3 })
    process.off('exit', removeNow)
  }
}

/** Write the chunks, check them against what was promised and only then give the file its name. */
export const assemble = async (
  chunks: AsyncIterable<Uint8Array>,
  place: { readonly directory: string; readonly target: string; readonly onBytes?: (bytes: number) => void },
  promised: Promised,
): Promise<Assembled> => {
  const staged = join(place.directory, 'model.gguf')
  const models = dirname(place.target)
  const file = await open(staged, 'wx').catch((cause: unknown) => {
    throw writeFailure(promised.name, models, cause)
  })
  const assembled = await writeChunks(file, chunks, place.onBytes, promised, models).finally(() => file.close())
  check(assembled, promised)
  await checkGgufFile(staged)
  try {
    await rename(staged, place.target)
    const folder = await open(models)
    await folder.sync().finally(() => folder.close())
  } catch (cause) {
    throw writeFailure(promised.name, models, cause)
  }
  return assembled
}

const writeChunks = async (
  file: FileHandle,
  chunks: AsyncIterable<Uint8Array>,
  onBytes: ((bytes: number) => void) | undefined,
  promised: Promised,
  models: string,
): Promise<Assembled> => {
  const hash = createHash('sha256')
  let bytes = 0
  const write = async (chunk: Uint8Array): Promise<void> => {
    for (let at = 0; at < chunk.length; ) at += (await file.write(chunk, at)).bytesWritten
  }
  for await (const chunk of chunks) {
    bytes += chunk.length
    if (promised.bytes !== undefined && bytes > promised.bytes) check({ bytes, sha256: '' }, promised)
    hash.update(chunk)
    await write(chunk).catch((cause: unknown) => {
      throw writeFailure(promised.name, models, cause)
    })
    onBytes?.(bytes)
  }
  await file.sync()
  return { bytes, sha256: hash.digest('hex') }
}

const check = (got: Assembled, promised: Promised): void => {
  if (promised.bytes !== undefined && got.bytes !== promised.bytes) {
    const what = got.bytes > promised.bytes ? 'more than' : `${got.bytes} of`
    throw new CompactorError(
      'checksum-mismatch',
      `${promised.name}: ${what} the ${promised.bytes} bytes promised arrived, so they were thrown away`,
    )
  }
  if (promised.sha256 !== undefined && got.sha256 !== promised.sha256)
    throw new CompactorError(
      'checksum-mismatch',
      `${promised.name}: the bytes that arrived have sha256 ${got.sha256} where ${promised.sha256} is expected, so they were thrown away`,
    )
}
