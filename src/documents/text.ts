/**
 * Plain text documents: UTF-8, checked. Anything else is refused with what it is and where it goes wrong, never guessed
 * at or repaired: a document read wrongly would be remembered wrongly.
 */
import { isUtf8 } from 'node:buffer'
import { createReadStream } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { CompactorError } from '../error.ts'
import { fileReason } from '../file-reason.ts'

/** Far above what any trained context holds; a document beyond it was named by mistake. */
const largestBytes = 256 * 2 ** 20

export interface ReadOptions {
  readonly signal?: AbortSignal
  /** What errors call the document. Default: its path, or 'the document'. */
  readonly name?: string
}

/**
 * The text of a file, a pipe or a stream of bytes, without a byte order mark. Throws CompactorError: 'file-unreadable'
 * (missing, a directory), 'document-invalid' (empty, binary, not UTF-8, above 256 MiB), 'aborted'.
 */
export const readDocument = async (
  source: string | AsyncIterable<Uint8Array>,
  { signal, name = typeof source === 'string' ? source : 'the document' }: ReadOptions = {},
): Promise<string> => {
  try {
    const options = signal ? { signal } : {}
    const bytes = typeof source === 'string' ? await readPath(source, name, options) : await readStream(source, name)
    signal?.throwIfAborted()
    return decodeDocument(bytes, name)
  } catch (cause) {
    if (signal?.aborted) throw new CompactorError('aborted', `reading ${name} was interrupted`, { cause })
    if (cause instanceof CompactorError) throw cause
    throw new CompactorError('file-unreadable', `${name} cannot be read: ${fileReason(cause)}`, { cause })
  }
}

const readPath = async (path: string, name: string, options: { readonly signal?: AbortSignal }): Promise<Buffer> => {
  const stats = await stat(path)
  if (stats.isDirectory())
    throw new CompactorError('file-unreadable', `expected a text file, but ${name} is a directory`)
  // A pipe or a device does not say how much will come.
  if (!stats.isFile()) return readStream(createReadStream(path, options), name)
  if (stats.size > largestBytes)
    throw new CompactorError(
      'document-invalid',
      `${name} has ${stats.size} bytes; documents may have up to ${largestBytes}`,
    )
  return readFile(path, options)
}

const readStream = async (chunks: AsyncIterable<Uint8Array>, name: string): Promise<Buffer> => {
  const read: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of chunks) {
    read.push(chunk)
    bytes += chunk.length
    if (bytes > largestBytes)
      throw new CompactorError(
        'document-invalid',
        `${name} has more than ${largestBytes} bytes, and documents may have no more`,
      )
  }
  return Buffer.concat(read)
}

/** @param name what errors call the document. */
export const decodeDocument = (bytes: Uint8Array, name: string): string => {
  const invalid = (what: string): never => {
    throw new CompactorError('document-invalid', `${name} ${what}`)
  }
  if ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff))
    invalid('is text in UTF-16; expected UTF-8, convert it first')
  const nul = bytes.indexOf(0)
  if (nul >= 0) invalid(`is a binary file (byte ${nul} is 0); expected plain text in UTF-8`)
  if (!isUtf8(bytes))
    invalid(`is not valid UTF-8: byte ${firstInvalidByte(bytes)} fits no character; convert it to UTF-8 first`)
  const text = new TextDecoder().decode(bytes) // removes the byte order mark
  if (text.trim() === '')
    invalid(bytes.length === 0 ? 'is empty; expected text' : 'holds nothing but white space; expected text')
  return text
}

/** The first byte at which no continuation could be valid; the length if the last character is cut short. */
const firstInvalidByte = (bytes: Uint8Array): number => {
  const fails = (length: number): boolean => {
    try {
      new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, length), { stream: true })
      return false
    } catch {
      return true // the decoder says no more than that
    }
  }
  let [good, bad] = [0, bytes.length + 1] // prefixes of `good` bytes decode, of `bad` bytes do not
  while (bad - good > 1) {
    const middle = (good + bad) >> 1
    if (fails(middle)) bad = middle
    else good = middle
  }
  return good
}
