/**
 * A model's fingerprint is the sha256 of its file, or of the list of its files' (hex, a line each) where it has several.
 * Half a gigabyte is hashed once and remembered under the home by what the file system says of the files (device, inode,
 * size, mtime, ctime); any doubt means hashing again.
 */
import { createHash, randomUUID } from 'node:crypto'
import type { BigIntStats } from 'node:fs'
import { mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { CompactorError } from '../error.ts'
import { fileReason } from '../file-reason.ts'
import { splitParts } from '../split-name.ts'
import { homeDirectory } from './home.ts'

export interface FingerprintOptions {
  readonly home?: string
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: { readonly doneBytes: number; readonly totalBytes: number }) => void
  /** Told in a sentence when the result could not be remembered. */
  readonly onNote?: (sentence: string) => void
}

interface Remembered {
  readonly sha256: string
  readonly path: string // where the file was then
}

type Memory = Record<string, Remembered> // by identity

const rememberedCount = 200 // newest last; a home holds far fewer models
const readBytes = 1 << 20

const memoryPath = (home: string): string => join(home, 'fingerprints.json')

const identity = (stats: BigIntStats): string =>
  [stats.dev, stats.ino, stats.size, stats.mtimeNs, stats.ctimeNs].join(':')

const statOf = async (path: string): Promise<BigIntStats> => {
  try {
    return await stat(path, { bigint: true })
  } catch (cause) {
    throw new CompactorError('file-unreadable', `model file ${path} cannot be read: ${fileReason(cause)}`, { cause })
  }
}

/** Of all files of a model. */
const identityOf = async (paths: readonly string[]): Promise<string> =>
  (await Promise.all(paths.map(statOf))).map(identity).join('+')

/** A damaged or missing memory is an empty one: the only loss is time. */
const readMemory = async (home: string): Promise<Memory> => {
  const text = await readFile(memoryPath(home), 'utf8').catch(() => '{}')
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    return {}
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return {}
  return Object.fromEntries(
    Object.entries(parsed).filter((entry): entry is [string, Remembered] => isRemembered(entry[1])),
  )
}

const isRemembered = (value: unknown): value is Remembered => {
  if (typeof value !== 'object' || value === null) return false
  const { sha256, path } = value as { sha256?: unknown; path?: unknown }
  return typeof path === 'string' && /^[0-9a-f]{64}$/.test(String(sha256))
}

/** The model with this fingerprint, if one was seen and is still where it was, unchanged. → the path of its (first) file */
export const findByFingerprint = async (
  sha256: string,
  home: string = homeDirectory(),
): Promise<string | undefined> => {
  for (const [key, remembered] of Object.entries(await readMemory(home))) {
    if (remembered.sha256 !== sha256) continue
    const found = await identityOf(splitParts(remembered.path)).catch(() => undefined) // moved or deleted since
    if (found === key) return remembered.path
  }
  return undefined
}

/** The fingerprint that was computed earlier for this very model, without reading it. */
export const rememberedFingerprint = async (
  path: string,
  home: string = homeDirectory(),
): Promise<string | undefined> => (await readMemory(home))[await identityOf(splitParts(path))]?.sha256

/** sha256 of one file, which may be one of several of a model. */
export const rememberFingerprint = async (
  path: string,
  sha256: string,
  options: FingerprintOptions = {},
): Promise<void> => remember([path], sha256, options)

/** Two writers at once may lose one entry, never damage the file: the whole is replaced by rename. */
const remember = async (paths: readonly string[], sha256: string, options: FingerprintOptions): Promise<void> => {
  const home = options.home ?? homeDirectory()
  const key = await identityOf(paths)
  const [path = ''] = paths
  const { [key]: _, ...others } = await readMemory(home)
  const kept = Object.fromEntries(Object.entries(others).slice(1 - rememberedCount))
  const temporary = `${memoryPath(home)}.${process.pid}.${randomUUID()}`
  try {
    await mkdir(dirname(temporary), { recursive: true })
    await writeFile(temporary, `${JSON.stringify({ ...kept, [key]: { sha256, path: resolve(path) } }, undefined, 1)}\n`)
    await rename(temporary, memoryPath(home))
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined) // a home that takes no file gives none back either
    options.onNote?.(
      `the checksum of ${path} could not be remembered in ${home} (${fileReason(error)}) and will be computed again`,
    )
  }
}

export const fingerprint = async (path: string, options: FingerprintOptions = {}): Promise<string> => {
  const parts = splitParts(path)
  if (parts.length === 1) return fileFingerprint(path, options)
  const remembered = await rememberedFingerprint(path, options.home)
  if (remembered !== undefined) return remembered
  const sums: string[] = []
  for (const part of parts) sums.push(await fileFingerprint(part, options))
  const sha256 = joinedFingerprint(sums)
  await remember(parts, sha256, options)
  return sha256
}

/** Of a model in several files, from the sha256 of each. */
export const joinedFingerprint = (sums: readonly string[]): string =>
  createHash('sha256')
    .update(sums.map((sum) => `${sum}\n`).join(''))
    .digest('hex')

/** sha256 of one file, whatever model it belongs to. */
export const fileFingerprint = async (path: string, options: FingerprintOptions): Promise<string> => {
  const before = await statOf(path)
  const remembered = (await readMemory(options.home ?? homeDirectory()))[identity(before)]?.sha256
  if (remembered !== undefined) return remembered
  const sha256 = await hashFile(path, Number(before.size), options)
  if (identity(await statOf(path)) !== identity(before))
    throw new CompactorError(
      'file-unreadable',
      `model file ${path} changed while it was being read; try again when it is complete`,
    )
  await rememberFingerprint(path, sha256, options)
  return sha256
}

/** Reads the file, whatever is remembered of it. */
export const hashFile = async (path: string, totalBytes: number, options: FingerprintOptions): Promise<string> => {
  const hash = createHash('sha256')
  const buffer = Buffer.allocUnsafe(readBytes)
  const file = await open(path).catch((cause: unknown) => {
    throw new CompactorError('file-unreadable', `model file ${path} cannot be read: ${fileReason(cause)}`, { cause })
  })
  try {
    for (let doneBytes = 0; ; ) {
      if (options.signal?.aborted)
        throw new CompactorError('aborted', `checking ${path} was interrupted`, { cause: options.signal.reason })
      const { bytesRead } = await file.read(buffer, 0, readBytes)
      if (bytesRead === 0) return hash.digest('hex')
      hash.update(buffer.subarray(0, bytesRead))
      doneBytes += bytesRead
      options.onProgress?.({ doneBytes, totalBytes })
    }
  } catch (cause) {
    if (cause instanceof CompactorError) throw cause
    throw new CompactorError('file-unreadable', `model file ${path} cannot be read: ${fileReason(cause)}`, { cause })
  } finally {
    await file.close()
  }
}
