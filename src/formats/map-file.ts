/**
 * A file's bytes without copying them: memory-mapped by the native addon, read-only and shared with every other process
 * that maps it; read as a whole where there is no addon. Not here: what the bytes mean. The caller must not write to
 * them, and a file that shrinks while it is mapped ends the process, so files are replaced by rename only.
 */
import { constants } from 'node:buffer'
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs'
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
  try {
    return fileOver(binding.mapFile(path), (buffer) => binding.unmapFile(buffer))
  } catch (error) {
    if (hasCode(error, 'EXTERNAL')) return readWholeFile(path)
    if (hasCode(error, 'ERR_BUFFER_TOO_LARGE')) throw tooLarge(path, statSync(path).size)
    throw unreadable(path, error)
  }
}

const readWholeFile = (path: string): MappedFile => {
  let bytes: ArrayBuffer
  try {
    bytes = readPieces(path)
  } catch (error) {
    throw unreadable(path, error)
  }
  return fileOver(bytes, (buffer) => structuredClone(buffer, { transfer: [buffer] })) // moves the memory away from it
}

/** `empty` detaches the buffer, so that views made by others become empty too. */
const fileOver = (buffer: ArrayBuffer, empty: (buffer: ArrayBuffer) => void): MappedFile => {
  let released = false
  return {
    bytes: new Uint8Array(buffer),
    release: () => {
      if (!released) empty(buffer)
      released = true
    },
  }
}

const readPieces = (path: string): ArrayBuffer => {
  const file = openSync(path, 'r')
  try {
    const status = fstatSync(file)
    if (!status.isFile()) throw refusal(path, status.isDirectory() ? 'is a directory' : 'is not a regular file')
    if (status.size === 0) throw refusal(path, 'is empty')
    if (status.size > constants.MAX_LENGTH) throw tooLarge(path, status.size)
    const bytes = new Uint8Array(status.size)
    let at = 0
    while (at < bytes.length) {
      const count = readSync(file, bytes, at, Math.min(readPieceBytes, bytes.length - at), at)
      if (count === 0) throw refusal(path, `ended at byte ${at} of ${bytes.length}, because something shortened it`)
      at += count
    }
    return bytes.buffer
  } finally {
    closeSync(file)
  }
}

const refusal = (path: string, detail: string, cause?: unknown): CompactorError =>
  new CompactorError('file-unreadable', `cannot read ${path}: ${detail}`, { cause })

const tooLarge = (path: string, size: number): CompactorError =>
  refusal(
    path,
    `it has ${size} bytes, and this Node can address ${constants.MAX_LENGTH} at once; use Node 22 or newer, or a smaller file`,
  )

const hasCode = (error: unknown, code: string): boolean =>
  error instanceof Error && (error as NodeJS.ErrnoException).code === code

const unreadable = (path: string, error: unknown): CompactorError => {
  if (error instanceof CompactorError) return error
  const detail = hasCode(error, 'ENOENT') ? 'no such file' : error instanceof Error ? error.message : String(error)
  return refusal(path, detail, error)
}
