/**
 * A file's bytes without copying them: memory-mapped by the native addon, read-only and shared with every other process
 * that maps it; read as a whole where there is no addon. Not here: what the bytes mean. The caller must not write to
 * them, and a file that shrinks while it is mapped ends the process, so files are replaced by rename only.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { loadBinding } from '../backends/binding.ts'
import { CompactorError } from '../error.ts'

export interface MappedFile {
  readonly bytes: Uint8Array
  /** Every view of `bytes` becomes empty. A second call does nothing. */
  release(): void
}

const readPieceBytes = 2 ** 28 // fs reads at most 2 GiB at once

export const mapFile = (path: string): MappedFile => {
  const loaded = loadBinding()
  if ('reason' in loaded) return readWholeFile(path)
  const { binding } = loaded
  let buffer: ArrayBuffer
  try {
    buffer = binding.mapFile(path)
  } catch (error) {
    if (hasCode(error, 'EXTERNAL')) return readWholeFile(path)
    throw unreadable(path, error)
  }
  let released = false
  return {
    bytes: viewOf(path, buffer),
    release: () => {
      if (!released) binding.unmapFile(buffer)
      released = true
    },
  }
}

const readWholeFile = (path: string): MappedFile => {
  let bytes: Uint8Array
  try {
    bytes = readPieces(path)
  } catch (error) {
    throw unreadable(path, error)
  }
  return {
    get bytes() {
      return bytes
    },
    release: () => {
      bytes = new Uint8Array(0)
    },
  }
}

const readPieces = (path: string): Uint8Array => {
  const file = openSync(path, 'r')
  try {
    const status = fstatSync(file)
    if (!status.isFile()) throw new Error(status.isDirectory() ? 'is a directory' : 'is not a regular file')
    if (status.size === 0) throw new Error('is empty')
    const bytes = viewOf(path, new ArrayBuffer(status.size))
    let at = 0
    while (at < bytes.length) {
      const count = readSync(file, bytes, at, Math.min(readPieceBytes, bytes.length - at), at)
      if (count === 0) throw new Error(`ended at byte ${at} of ${bytes.length}`)
      at += count
    }
    return bytes
  } finally {
    closeSync(file)
  }
}

const viewOf = (path: string, buffer: ArrayBuffer): Uint8Array => {
  try {
    return new Uint8Array(buffer)
  } catch (error) {
    const size = (buffer.byteLength / 2 ** 30).toFixed(1)
    throw new CompactorError('file-unreadable', `${path} has ${size} GiB, more than this Node can address at once`, {
      cause: error,
    })
  }
}

const hasCode = (error: unknown, code: string): boolean =>
  error instanceof Error && (error as NodeJS.ErrnoException).code === code

const unreadable = (path: string, error: unknown): CompactorError => {
  if (error instanceof CompactorError) return error
  const detail = hasCode(error, 'ENOENT') ? 'no such file' : error instanceof Error ? error.message : String(error)
  return new CompactorError('file-unreadable', `cannot read ${path}: ${detail}`, { cause: error })
}
