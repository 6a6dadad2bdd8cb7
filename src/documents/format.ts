/**
 * What kind of document bytes are: by the bytes first, and by the name or what a server said only where bytes cannot tell,
 * which is among kinds of text. A kind that is known and cannot be read is refused by its name.
 */
import { CompactorError } from '../error.ts'

export type ByteFormat = 'pdf' | 'zip' | 'text'

/** Throws CompactorError('document-invalid') for a kind that is not read, saying what to do. */
export const formatOfBytes = (bytes: Uint8Array, name: string): ByteFormat => {
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 1024))
  const text = start.toString('latin1')
  // Some writers put something before it, and readers of PDF allow a kilobyte; a text about PDF does not end as one.
  if (text.startsWith('%PDF-') || (/%PDF-\d\.\d/.test(text) && endsAsPdf(bytes))) return 'pdf'
  const hex = start.subarray(0, 64).toString('hex')
  if (/^504b(0304|0506)/.test(hex)) return 'zip'
  if (text.slice(257, 262) === 'ustar')
    throw new CompactorError('document-invalid', `${name} is an archive; unpack it and give the folder`)
  // Letters that happen to begin as a program or sound does: what has no zero byte is text.
  const known = refused.find(([beginning]) => beginning.test(hex))
  if (known && (/^(7b5c727466|1f8b)/.test(hex) || bytes.includes(0)))
    throw new CompactorError('document-invalid', `${name} is ${known[1]}`)
  return 'text'
}

const endsAsPdf = (bytes: Uint8Array): boolean =>
  /startxref\s+\d+\s+%%EOF/.test(Buffer.from(bytes.subarray(-1024)).toString('latin1'))

// Beginnings in hex, and the rest of the sentence.
const refused: readonly (readonly [RegExp, string])[] = [
  [/^d0cf11e0a1b11ae1/, 'an old Office file or one with a password; save it as DOCX or PDF, without a password'],
  [/^7b5c727466/, 'RTF, which is not read; save it as DOCX or PDF'],
  [/^89434354580d0a1a/, 'a context already; ask it instead'],
  [/^47475546/, 'a GGUF model; expected a document'],
  [/^(89504e47|ffd8ff|47494638|49492a00|4d4d002a|424d.{8}00000000)/, 'an image; recognise its text first (OCR)'],
  [/^52494646.{8}57454250/, 'an image; recognise its text first (OCR)'],
  [/^(1f8b|425a6839|fd377a585a00|377abcaf271c|526172211a|28b52ffd)/, 'an archive; unpack it and give the folder'],
  [/^(7f454c46|4d5a.{116}|cffaedfe|cafebabe|0061736d)/, 'a program; expected a document'],
  [/^(494433|4f676753|664c6143|52494646.{8}(57415645|41564920)|.{8}66747970)/, 'sound or video; expected a document'],
  [/^53514c69746520666f726d6174203300/, 'a database; export what you need as text'],
]

export type TextFormat = 'text' | 'markdown' | 'html'

/** @param type a media type that came with the text, without parameters */
export const formatOfText = (bytes: Uint8Array, name: string, type?: string): TextFormat => {
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 4096))
  const text = (start[0] === 0xff || start[1] === 0 ? start.toString('utf16le') : start.toString('latin1')).replace(
    /^(\xef\xbb\xbf|\ufeff)?\s*(<\?xml[^>]*>\s*|<!--[\s\S]*?-->\s*)*/,
    '',
  )
  if (/^<(!doctype\s+html|html[\s>])/i.test(text)) return 'html'
  if (type === 'text/html' || type === 'application/xhtml+xml') return 'html'
  if (type === 'text/markdown') return 'markdown'
  if (type === undefined || type === 'text/plain' || type === 'application/octet-stream') {
    if (/\.(html?|xhtml)$/i.test(name) && /<[a-z!]/i.test(text)) return 'html'
    if (/\.(md|markdown|mdown|mkd)$/i.test(name)) return 'markdown'
  }
  return 'text'
}

/** A sentence if the name promises what the bytes are not. */
export const mismatchNote = (name: string, format: string): string | undefined => {
  const promised = /\.(pdf|docx|epub)$/i.exec(name)?.[1]?.toLowerCase()
  if (promised === undefined || promised === format) return undefined
  return `${name} is called .${promised} but is ${format === 'text' ? 'plain text' : format.toUpperCase()}, and was read as that`
}
