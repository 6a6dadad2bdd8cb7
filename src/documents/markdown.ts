/** Markdown: read as it is, since it was made to be, with its headings and lines marked. Not a renderer. */
import type { ReaderInput, Reading } from './document.ts'
import { type Decoded, encodingNote } from './encoding.ts'
import { TextBuilder } from './text-builder.ts'

export const readMarkdown = (decoded: Decoded, { name }: Pick<ReaderInput, 'name'>): Reading => {
  const builder = new TextBuilder()
  builder.mark('line', '1')
  const lines = decoded.text.split(/(?<=\r\n|\n|\r(?!\n))/)
  let fence: string | undefined
  lines.forEach((line, i) => {
    const opens = /^ {0,3}(`{3,}|~{3,})/.exec(line)?.[1]
    if (fence === undefined && opens !== undefined) fence = opens
    else if (fence !== undefined) {
      if (opens?.startsWith(fence) && line.trim() === opens) fence = undefined
    } else markHeading(builder, line, lines[i + 1])
    builder.append(line)
  })
  return builder.build('markdown', decoded.guessed ? [encodingNote(decoded, name)] : [])
}

const markHeading = (builder: TextBuilder, line: string, next: string | undefined): void => {
  const atx = /^ {0,3}(#{1,6})[ \t]+(.*\S)/.exec(line)
  if (atx) {
    const label = plain((atx[2] ?? '').replace(/(^|[ \t]+)#+[ \t]*$/, ''))
    if (label !== '') builder.mark('heading', label, atx[1]?.length ?? 1)
    return
  }
  // A line under which a rule is drawn; lists, quotes, tables and indented code have none.
  const rule = next === undefined ? undefined : /^ {0,3}(=+|-{2,})[ \t]*[\r\n]*$/.exec(next)?.[1]
  if (rule !== undefined && /^ {0,3}[^\s>|#*+-]/.test(line)) {
    const label = plain(line.trim())
    if (label !== '') builder.mark('heading', label, rule.startsWith('=') ? 1 : 2)
  }
}

/** A heading without its markup. */
const plain = (label: string): string =>
  label
    .replace(/!?\[([^\]]*)\](\([^)]*\)|\[[^\]]*\])/g, '$1')
    .replace(/[`*]|<[^>]*>|(?<!\w)_+|_+(?!\w)/g, '')
    .replace(/\\([^\w\s])/g, '$1')
    .trim()
