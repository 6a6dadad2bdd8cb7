/** Plain text: read as it is, with the lines counted. Also the strict form, for text that must be UTF-8. */
import { isUtf8 } from 'node:buffer'
import { CompactorError } from '../error.ts'
import type { ReaderInput, Reading } from './document.ts'
import { type Decoded, encodingNote } from './encoding.ts'
import { TextBuilder } from './text-builder.ts'

/** Throws CompactorError('document-invalid') if there is nothing in it. */
export const readText = (decoded: Decoded, { name }: Pick<ReaderInput, 'name'>): Reading => {
  const builder = new TextBuilder()
  builder.mark('line', '1')
  builder.append(decoded.text)
  return builder.build('text', decoded.guessed ? [encodingNote(decoded, name)] : [])
}

/**
 * Text that must be valid UTF-8. Anything else is refused with what it is and where it goes wrong, never guessed at.
 * @param name what errors call the document.
 */
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
  refuseBlank(text, name, bytes.length)
  return text
}

/** @param size of what it was read from, in bytes */
export const refuseBlank = (text: string, name: string, size: number): void => {
  if (text.trim() !== '') return
  const what = size === 0 ? 'is empty' : 'holds nothing but white space'
  throw new CompactorError('document-invalid', `${name} ${what}; expected text`)
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
