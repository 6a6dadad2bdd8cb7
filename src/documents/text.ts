/**
 * Plain text documents: UTF-8, checked. Anything else is refused with what it is and where it goes wrong, never guessed
 * at or repaired: a document read wrongly would be remembered wrongly.
 */
import { isUtf8 } from 'node:buffer'
import { readFile, stat } from 'node:fs/promises'
import { CompactorError } from '../error.ts'

/** Far above what any trained context holds; a file beyond it was named by mistake. */
const largestBytes = 256 * 2 ** 20

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'it does not exist',
  EACCES: 'permission is denied',
  EPERM: 'permission is denied',
  ENOTDIR: 'part of its path is not a directory',
}

/**
 * The text of a file, without a byte order mark. Throws CompactorError: 'file-unreadable' (missing, a directory),
 * 'document-invalid' (empty, binary, not UTF-8), 'aborted'.
 */
export const readDocument = async (path: string, options: { readonly signal?: AbortSignal } = {}): Promise<string> => {
  try {
    const stats = await stat(path)
    if (stats.isDirectory())
      throw new CompactorError('file-unreadable', `expected a text file, but ${path} is a directory`)
    if (stats.size > largestBytes)
      throw new CompactorError(
        'document-invalid',
        `${path} has ${stats.size} bytes; documents may have up to ${largestBytes}`,
      )
    return decodeDocument(await readFile(path, options), path)
  } catch (cause) {
    if (cause instanceof CompactorError) throw cause
    if (options.signal?.aborted) throw new CompactorError('aborted', `reading ${path} was interrupted`, { cause })
    const { code = '', message } = cause as NodeJS.ErrnoException
    throw new CompactorError('file-unreadable', `${path} cannot be read: ${reasons[code] ?? message}`, { cause })
  }
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
