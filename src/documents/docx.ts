/**
 * DOCX: paragraphs, headings with their numbers, lists, tables as rows, footnotes at the end. What was deleted, is hidden
 * or repeats on every page is left out. Pages are not known: a DOCX has none until somebody lays it out.
 */
import { CompactorError } from '../error.ts'
import { type Block, writeBlocks } from './blocks.ts'
import type { ReaderInput, Reading } from './document.ts'
import { type Numbering, readNumbering } from './docx-numbers.ts'
import { type ParagraphStyle, readStyles, type Styles } from './docx-styles.ts'
import { TextBuilder } from './text-builder.ts'
import { type Attributes, attribute, localName, readXml } from './xml.ts'
import type { Zip } from './zip.ts'

/** Throws CompactorError('document-invalid'): damaged, without text. */
export const readDocx = async (zip: Zip, { name, signal }: ReaderInput): Promise<Reading> => {
  const main = await mainPart(zip, name)
  const part = (path: string): Promise<Uint8Array | undefined> => zip.read(`word/${path}.xml`)
  const options = { name, signal }
  const [styles, numbering] = [
    await readStyles(await part('styles'), options),
    await readNumbering(await part('numbering'), options),
  ]
  const body = new Body(styles, numbering)
  await readXml(await zip.read(main), body, options)
  const notes: Block[] = []
  for (const kind of ['footnotes', 'endnotes']) {
    const reader = new Body(styles, numbering)
    await readXml(await part(kind), reader, options)
    notes.push(...reader.finish().map((block): Block => ({ kind: 'item', text: block.text })))
  }
  const blocks = body.finish()
  if (blocks.length === 0)
    throw new CompactorError(
      'document-invalid',
      `${name} holds no text; if it is made of images, recognise their text first (OCR)`,
    )
  const builder = new TextBuilder()
  writeBlocks(builder, [...blocks, ...notes])
  return builder.build('docx')
}

const mainPart = async (zip: Zip, name: string): Promise<string> => {
  const found = zip.has('word/document.xml')
    ? 'word/document.xml'
    : zip.names.find((entry) => /^word\/document\d*\.xml$/.test(entry))
  if (found === undefined)
    throw new CompactorError('document-invalid', `${name} is damaged: its main part is missing; get it again`)
  return found
}

// Fallbacks repeat what stands beside them in an older form.
const leftOut = new Set(['del', 'moveFrom', 'Fallback', 'instrText', 'pPrChange', 'rPrChange', 'sectPr'])

interface Paragraph {
  text: string
  style: ParagraphStyle | undefined
  list: string | undefined
  level: number | undefined
  outline: number | undefined
}

const emptyParagraph = (): Paragraph => ({
  text: '',
  style: undefined,
  list: undefined,
  level: undefined,
  outline: undefined,
})

/** Hears the tags of the main part, or of the notes. */
class Body {
  readonly #styles: Styles
  readonly #numbering: Numbering
  readonly #blocks: Block[] = []
  readonly #paragraphs: Paragraph[] = [] // more than one where a text box stands in a paragraph
  readonly #outerRuns: number[] = [] // of those paragraphs
  readonly #rows: string[][] = [] // more than one where a table stands in a cell
  #leftOut = 0
  #inRun = 0
  #hidden = false
  #inText = false
  #note: string | undefined

  constructor(styles: Styles, numbering: Numbering) {
    this.#styles = styles
    this.#numbering = numbering
  }

  open(tag: string, attributes: Attributes): void {
    const local = localName(tag)
    if (leftOut.has(local)) this.#leftOut++
    if (this.#leftOut > 0) return
    if (local === 'p') this.#beginParagraph()
    else if (local === 'r') [this.#inRun, this.#hidden] = [this.#inRun + 1, false]
    else if (local === 't') this.#inText = true
    else if (local === 'tr') this.#rows.push([])
    else if (local === 'tc') this.#rows.at(-1)?.push('')
    else if (local === 'footnote' || local === 'endnote') this.#note = noteNumber(attributes)
    else if (this.#inRun > 0) this.#openInRun(local, attributes)
    else this.#openProperty(local, attribute(attributes, 'val'))
  }

  #beginParagraph(): void {
    this.#paragraphs.push(emptyParagraph())
    this.#outerRuns.push(this.#inRun)
    this.#inRun = 0
  }

  #openInRun(local: string, attributes: Attributes): void {
    if (local === 'vanish') this.#hidden = !/^(0|false|off)$/.test(attribute(attributes, 'val') ?? '')
    else if (local === 'tab' || local === 'ptab') this.#add('\t')
    else if (local === 'br' || local === 'cr') this.#add('\n')
    else if (local === 'noBreakHyphen') this.#add('-')
    else if (local === 'footnoteReference' || local === 'endnoteReference')
      this.#add(`[${attribute(attributes, 'id') ?? ''}]`)
  }

  #openProperty(local: string, value: string | undefined): void {
    const paragraph = this.#paragraphs.at(-1)
    if (paragraph === undefined || value === undefined) return
    if (local === 'pStyle') paragraph.style = this.#styles.get(value)
    else if (local === 'numId') paragraph.list = value
    else if (local === 'ilvl') paragraph.level = Number(value)
    else if (local === 'outlineLvl') paragraph.outline = Number(value)
  }

  close(tag: string): void {
    const local = localName(tag)
    if (leftOut.has(local)) this.#leftOut = Math.max(0, this.#leftOut - 1)
    else if (this.#leftOut > 0) return
    else if (local === 'p') this.#endParagraph()
    else if (local === 'r') this.#inRun = Math.max(0, this.#inRun - 1)
    else if (local === 't') this.#inText = false
    else if (local === 'tr') this.#endRow()
  }

  text(text: string): void {
    if (this.#inText && this.#leftOut === 0) this.#add(text)
  }

  /** → blocks in the order of the text */
  finish(): readonly Block[] {
    while (this.#paragraphs.length > 0) this.#endParagraph() // of a part that was cut short
    while (this.#rows.length > 0) this.#endRow()
    return this.#blocks
  }

  #add(text: string): void {
    const paragraph = this.#paragraphs.at(-1)
    if (paragraph && !this.#hidden) paragraph.text += text
  }

  #endParagraph(): void {
    const paragraph = this.#paragraphs.pop()
    this.#inRun = this.#outerRuns.pop() ?? 0
    const text =
      paragraph?.text
        .replace(/\u00ad/g, '')
        .replace(/\u00a0/g, ' ')
        .trim() ?? ''
    if (paragraph === undefined || text === '') return
    const row = this.#rows.at(-1)
    if (row !== undefined) {
      row[row.length - 1] = `${row.at(-1) ?? ''} ${text.replace(/\s+/g, ' ')}`.trim()
      return
    }
    const list = paragraph.list ?? paragraph.style?.list
    const level = paragraph.level ?? paragraph.style?.listLevel ?? 0
    const number = list === undefined || list === '0' ? '' : this.#numbering.next(list, level)
    const outline = paragraph.outline ?? paragraph.style?.outline
    const note = this.#note === undefined ? '' : `[${this.#note}] `
    this.#note = undefined
    if (outline !== undefined && outline >= 0 && outline < 9)
      this.#blocks.push({ kind: 'heading', text: `${number}${text.replace(/\s+/g, ' ')}`, level: outline + 1 })
    else if (number !== '')
      this.#blocks.push({ kind: 'item', text: `${'  '.repeat(Math.min(level, 8))}${number}${text}` })
    else this.#blocks.push({ kind: 'paragraph', text: note + text })
  }

  #endRow(): void {
    const cells = this.#rows.pop()?.map((cell) => cell.trim()) ?? []
    if (cells.every((cell) => cell === '')) return
    const outer = this.#rows.at(-1)
    if (outer) outer[outer.length - 1] = `${outer.at(-1) ?? ''} ${cells.join(', ')}`.trim()
    else this.#blocks.push({ kind: 'row', text: cells.join(' | ') })
  }
}

/** The two that separate notes from text are drawn, not written. */
const noteNumber = (attributes: Attributes): string | undefined =>
  attribute(attributes, 'type') === undefined ? attribute(attributes, 'id') : undefined
