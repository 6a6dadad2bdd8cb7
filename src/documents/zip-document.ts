/** Which kind of document a zip is: EPUB says so in its first entry, DOCX by its parts. Others are refused by name. */
import { CompactorError } from '../error.ts'
import type { ReaderInput, Reading } from './document.ts'
import { findMainPart, readDocx } from './docx.ts'
import { readEpub } from './epub.ts'
import { openZip, type Zip } from './zip.ts'

/** Throws CompactorError('document-invalid'). */
export const readZipDocument = async (input: ReaderInput): Promise<Reading> => {
  const zip = await openZip(input.bytes, input.name)
  const type = Buffer.from((await zip.read('mimetype')) ?? [])
    .toString('latin1')
    .trim()
  if (type === 'application/epub+zip' || zip.has('META-INF/container.xml')) return readEpub(zip, input)
  const main = await findMainPart(zip, input)
  if (main !== undefined) return readDocx(zip, main, input)
  throw new CompactorError('document-invalid', `${input.name} is ${kindOf(zip, type)}`)
}

const kindOf = ({ names }: Zip, type: string): string => {
  const starts = (part: string): boolean => names.some((name) => name.startsWith(part))
  if (starts('word/')) return 'a DOCX, and damaged: its main part is missing; get it again'
  if (starts('xl/')) return 'an Excel workbook, which is not read; save it as CSV'
  if (starts('ppt/')) return 'a PowerPoint presentation, which is not read; save it as PDF'
  if (type.startsWith('application/vnd.oasis.opendocument'))
    return 'an OpenDocument file, which is not read; save it as DOCX or PDF'
  return 'a zip archive and neither DOCX nor EPUB; unpack it and give the folder'
}
