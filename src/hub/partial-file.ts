/**
 * A model's file while it arrives, in a folder that one process owns, with a record beside it of what is known: which
 * file it is to become and which of its bytes are there. Whoever takes the folder over later goes on from the record.
 * Not here: whose turn it is (`staging.ts`) and where bytes come from.
 */
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { type FileHandle, open, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { CompactorError } from '../error.ts'
import { addRange, areRanges, type ByteRange, byteCount, missingRanges } from './byte-ranges.ts'
import { writeFailure } from './write-failure.ts'

export interface Promised {
  readonly name: string
  readonly bytes: number
  readonly sha256?: string
  /** Of the file at its source, where that gives no checksum. */
  readonly etag?: string
}

/** What a partial file is known by. Of another version of the file nothing can be used. */
export const identityOf = ({ sha256, etag }: Promised): string | undefined =>
  sha256 !== undefined ? `sha256:${sha256}` : etag !== undefined ? `etag:${etag}` : undefined

interface Written {
  readonly done: readonly ByteRange[]
  /** Where each finished part of a mirror ends. */
  readonly parts: readonly number[]
}

const nothing: Written = { done: [], parts: [] }

/** The record of a folder, as far as it can be trusted. */
export interface PartialRecord extends Written {
  readonly name: string
  readonly identity: string
  readonly bytes: number
}

const recordIn = (directory: string): string => join(directory, 'download.json')
const fileIn = (directory: string): string => join(directory, 'model.gguf')

/** undefined for a folder without a sound one: it is then as good as empty. */
export const readRecord = async (directory: string): Promise<PartialRecord | undefined> => {
  const [text, stats] = await Promise.all([
    readFile(recordIn(directory), 'utf8').catch(() => ''),
    stat(fileIn(directory)).catch(() => undefined),
  ])
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  return isRecord(value) && (value.done.at(-1)?.[1] ?? 0) <= (stats?.size ?? 0) ? value : undefined
}

const isRecord = (value: unknown): value is PartialRecord => {
  if (typeof value !== 'object' || value === null) return false
  const { name, identity, bytes, done, parts } = value as { [K in keyof PartialRecord]?: unknown }
  return (
    typeof name === 'string' &&
    typeof identity === 'string' &&
    typeof bytes === 'number' &&
    areRanges(done, bytes) &&
    Array.isArray(parts) &&
    parts.every((end, index) => Number.isSafeInteger(end) && end > (parts[index - 1] ?? 0) && end <= bytes)
  )
}

export class PartialFile {
  readonly path: string
  readonly directory: string
  readonly promised: Promised
  readonly #file: FileHandle
  readonly #onBytes: (doneBytes: number) => void
  #written: Written

  private constructor(directory: string, file: FileHandle, promised: Promised, written: Written, onBytes: OnBytes) {
    this.directory = directory
    this.path = fileIn(directory)
    this.promised = promised
    this.#file = file
    this.#written = written
    this.#onBytes = onBytes
  }

  /** Goes on with what lies in `directory` when that is the beginning of the very file promised. */
  static async open(directory: string, promised: Promised, onBytes: OnBytes): Promise<PartialFile> {
    const found = await readRecord(directory)
    const isSame = found !== undefined && found.identity === identityOf(promised) && found.bytes === promised.bytes
    try {
      if (!isSame) for (const path of [fileIn(directory), recordIn(directory)]) await rm(path, { force: true })
      const file = await open(fileIn(directory), isSame ? 'r+' : 'wx')
      const partial = new PartialFile(directory, file, promised, isSame ? found : nothing, onBytes)
      if (partial.doneBytes > 0) onBytes(partial.doneBytes)
      return partial
    } catch (cause) {
      throw failure(promised, directory, cause)
    }
  }

  get doneBytes(): number {
    return byteCount(this.#written.done)
  }

  /** Ends of the parts that are there from the beginning on. */
  get parts(): readonly number[] {
    return this.#written.parts
  }

  missing(pieceBytes: number): ByteRange[] {
    return missingRanges(this.#written.done, this.promised.bytes, pieceBytes)
  }

  /** Throws CompactorError('checksum-mismatch') for bytes behind the promised end, 'write-failed'. */
  async write(chunk: Uint8Array, at: number): Promise<void> {
    const end = at + chunk.length
    if (end > this.promised.bytes) throw wrongSize(this.promised, end)
    try {
      for (let from = 0; from < chunk.length; )
        from += (await this.#file.write(chunk, from, chunk.length - from, at + from)).bytesWritten
    } catch (cause) {
      throw failure(this.promised, this.directory, cause)
    }
    if (chunk.length > 0) this.#written = { ...this.#written, done: addRange(this.#written.done, [at, end]) }
    this.#onBytes(this.doneBytes)
  }

  /** What lies behind the last finished part cannot be gone on with. → where the next part begins */
  backToPart(): number {
    const end = this.#written.parts.at(-1) ?? 0
    const isThere = this.#written.done.some(([from, to]) => from === 0 && to >= end)
    this.#written = isThere && end > 0 ? { ...this.#written, done: [[0, end]] } : nothing
    return isThere ? end : 0
  }

  async endPart(end: number): Promise<void> {
    this.#written = { ...this.#written, parts: [...this.#written.parts, end] }
    await this.save()
  }

  clear(): void {
    this.#written = nothing
  }

  /** The record never promises bytes that a loss of power could take. */
  async save(): Promise<void> {
    try {
      await this.#file.datasync()
      this.#writeRecord()
    } catch (cause) {
      throw failure(this.promised, this.directory, cause)
    }
  }

  /** For a process that is about to end: the system still has what was written. */
  saveNow(): void {
    rmSync(join(this.directory, 'wheels'), { recursive: true, force: true })
    this.#writeRecord()
  }

  /** Throws CompactorError('checksum-mismatch') unless every byte is there. */
  async complete(): Promise<void> {
    const { doneBytes } = this
    if (doneBytes !== this.promised.bytes) throw wrongSize(this.promised, doneBytes)
    await this.save()
  }

  async close(): Promise<void> {
    await this.#file.close()
  }

  /** Synchronous, so that several connections cannot write it at once; by rename, so that it is never half there. */
  #writeRecord(): void {
    const { name, bytes } = this.promised
    const path = recordIn(this.directory)
    writeFileSync(`${path}.new`, JSON.stringify({ name, identity: identityOf(this.promised), bytes, ...this.#written }))
    renameSync(`${path}.new`, path)
  }
}

type OnBytes = (doneBytes: number) => void

const failure = ({ name }: Promised, directory: string, cause: unknown): CompactorError =>
  writeFailure(name, join(directory, '..'), cause)

const wrongSize = ({ name, bytes }: Promised, got: number): CompactorError => {
  const what = got > bytes ? 'more than' : `${got} of`
  return new CompactorError(
    'checksum-mismatch',
    `${name}: ${what} the ${bytes} bytes promised arrived, so they were thrown away; pull it again`,
  )
}
