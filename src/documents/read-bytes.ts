/** The bytes of one document to a reading: finds out what they are and hands them to the reader of that format. */
import { CompactorError } from '../error.ts'
import { bytesText } from '../number-text.ts'
import type { ReaderInput, Reading } from './document.ts'
import { decodeText } from './encoding.ts'
import { formatOfBytes, formatOfText, mismatchNote } from './format.ts'
import { readMarkdown } from './markdown.ts'
import { readText, refuseBlank } from './text.ts'
import { largestTextBytes } from './text-builder.ts'

/** What came with the bytes over the wire. */
export interface Served {
  readonly type: string // media type, without parameters
  readonly charset?: string | undefined
}

/** Readers are loaded when the first document of their format comes: text needs none of their libraries. */
export const readBytes = async (input: ReaderInput, served?: Served): Promise<Reading> => {
  const reading = await readFormat(input, served)
  refuseBlank(reading.text, input.name, input.bytes.length)
  const note = mismatchNote(input.name, reading.format)
  return note === undefined ? reading : { ...reading, notes: [note, ...reading.notes] }
}

const readFormat = async (input: ReaderInput, served: Served | undefined): Promise<Reading> => {
  const { bytes, name } = input
  if (bytes.length === 0) refuseBlank('', name, 0)
  const format = formatOfBytes(bytes, name)
  if (input.encoding !== undefined && format !== 'text')
    throw new CompactorError('usage', `${name} is no text file and says its encoding itself; leave the encoding out`)
  if (format === 'pdf') return (await import('./pdf.ts')).readPdf(input)
  if (format === 'zip') return (await import('./zip-document.ts')).readZipDocument(input)
  if (bytes.length > largestTextBytes)
    throw new CompactorError(
      'document-invalid',
      `${name} has ${bytesText(bytes.length)}, and documents may have up to ${bytesText(largestTextBytes)}; give a part of it`,
    )
  const kind = formatOfText(bytes, name, served?.type)
  if (kind === 'html') return (await import('./html.ts')).readHtml(input, served?.charset)
  const decoded = decodeText(bytes, { name, encoding: input.encoding, stated: served?.charset })
  return kind === 'markdown' ? readMarkdown(decoded, input) : readText(decoded, input)
}
