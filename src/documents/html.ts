/** Web pages: the page's title and text. Its encoding is what it states, unless something before it said otherwise. */
import { CompactorError } from '../error.ts'
import { writeBlocks } from './blocks.ts'
import type { ReaderInput, Reading } from './document.ts'
import { decodeText, encodingNote } from './encoding.ts'
import { readMarkup } from './markup-blocks.ts'
import { TextBuilder } from './text-builder.ts'

/** @param stated the encoding that came with the page. Throws CompactorError('document-invalid') for a page without text. */
export const readHtml = async (input: ReaderInput, stated?: string): Promise<Reading> => {
  const { bytes, name, encoding, signal } = input
  const decoded = decodeText(bytes, { name, encoding, stated: stated ?? statedEncoding(bytes) })
  const { title, blocks } = await readMarkup(decoded.text, { name, signal })
  if (blocks.length === 0)
    throw new CompactorError(
      'document-invalid',
      `${name} holds no text: a page that its scripts make up must be saved from a browser first`,
    )
  const isNamed = title === '' || blocks.some(({ kind, text }) => kind === 'heading' && text === title)
  const builder = new TextBuilder()
  writeBlocks(builder, isNamed ? blocks : [{ kind: 'heading', text: title, level: 1 }, ...blocks])
  return builder.build('html', decoded.guessed ? [encodingNote(decoded, name)] : [])
}

/** What the page says in its first kilobytes, in an ASCII superset as every encoding of the web but UTF-16 is. */
const statedEncoding = (bytes: Uint8Array): string | undefined => {
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 4096)).toString('latin1')
  const meta =
    /<meta\s[^>]*?charset\s*=\s*["']?\s*([\w-]+)/i.exec(start) ??
    /^\s*<\?xml\s[^>]*?encoding\s*=\s*["']([\w-]+)/i.exec(start)
  const label = meta?.[1]
  // A page that could be read as ASCII this far is not in UTF-16, whatever it says.
  return label !== undefined && /^utf-?16/i.test(label) ? 'utf-8' : label
}
