/**
 * DOCX: paragraphs, headings with their numbers, lists, tables as rows, fields of forms, footnotes at the end. What was
 * deleted, is hidden or repeats on every page is left out. Pages are not known: a DOCX has none until somebody lays it out.
 */
import { CompactorError } from '../error.ts'
import { type Block, writeBlocks } from './blocks.ts'
import type { ReaderInput, Reading } from './document.ts'
import { FormFields, isOn } from './docx-forms.ts'
import { type Numbering, readNumbering } from './docx-numbers.ts'
import { type ParagraphStyle, readStyles, type Styles } from './docx-styles.ts'
import { TextBuilder } from './text-builder.ts'
import { type Attributes, attribute, localName, readXml } from './xml.ts'
import type { Zip } from './zip.ts'

/**
 * @param main the part with the text, as `findMainPart` finds it
 * Throws CompactorError('document-invalid'): damaged, without text.
 */
export const readDocx = async (zip: Zip, main: string, { name, signal }: ReaderInput): Promise<Reading> => {
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

/** Usually word/document.xml; else what the package says it is. Undefined in a zip that is no DOCX. */
export const findMainPart = async (
  zip: Zip,
  options: { readonly name: string; readonly signal?: AbortSignal | undefined },
): Promise<string | undefined> => {
  if (zip.has('word/document.xml')) return 'word/document.xml'
  let target: string | undefined
  const open = (tag: string, attributes: Attributes): void => {
    if (localName(tag) === 'Relationship' && attribute(attributes, 'Type')?.endsWith('/officeDocument'))
      target = attribute(attributes, 'Target')?.replace(/^\//, '')
  }
  await readXml(await zip.read('_rels/.rels'), { open }, options)
  return target?.startsWith('word/') && zip.has(target) ? target : undefined
}

// Fallbacks repeat what stands beside them in an older form.
const leftOut = new Set(['del', 'moveFrom', 'Fallback', 'instrText', 'pPrChange', 'rPrChange', 'sectPr'])

interface Paragraph {
  text: string
  isGone: boolean // its end is deleted or hidden, and with it its number
  isBold: boolean // all of it
  style: ParagraphStyle | undefined
  list: string | undefined
  level: number | undefined
  outline: number | undefined
}

const emptyParagraph = (): Paragraph => ({
  text: '',
  isGone: false,
  isBold: true,
  style: undefined,
  list: undefined,
  level: undefined,
  outline: undefined,
})

/** A paragraph that is bold as a whole may be a heading in a document that has no others. */
type ReadBlock = Block & { readonly isBold?: boolean }

/** A paragraph of a cell, or a block of a table within it. */
interface Part {
  readonly block: ReadBlock
  readonly line: string // what it says within a row
  readonly isInner: boolean
}

type Cell = Part[]

/** Hears the tags of the main part, or of the notes. */
class Body {
  readonly #styles: Styles
  readonly #numbering: Numbering
  readonly #blocks: ReadBlock[] = []
  readonly #fields = new FormFields()
  readonly #paragraphs: Paragraph[] = [] // more than one where a text box stands in a paragraph
  readonly #outerRuns: number[] = [] // of those paragraphs
  readonly #rows: Cell[][] = [] // more than one where a table stands in a cell
  #leftOut = 0
  #inRun = 0
  #hidden = false
  #bold = false
  #inText = false
  #inProperties = false // of a paragraph
  #note: string | undefined

  constructor(styles: Styles, numbering: Numbering) {
    this.#styles = styles
    this.#numbering = numbering
  }

  open(tag: string, attributes: Attributes): void {
    const local = localName(tag)
    if (this.#inProperties && this.#leftOut === 0) this.#openMark(local, attributes)
    if (leftOut.has(local)) this.#leftOut++
    if (this.#leftOut > 0) return
    if (local === 'p') this.#beginParagraph()
    else if (local === 'pPr') this.#inProperties = true
    else if (local === 'r') [this.#inRun, this.#hidden, this.#bold] = [this.#inRun + 1, false, false]
    else if (local === 't') this.#inText = true
    else if (local === 'tr') this.#rows.push([])
    else if (local === 'tc') this.#rows.at(-1)?.push([])
    else if (local === 'footnote' || local === 'endnote') this.#note = noteNumber(attributes)
    else if (this.#inRun > 0) this.#openInRun(local, attributes)
    else this.#openProperty(local, attribute(attributes, 'val'))
  }

  #beginParagraph(): void {
    this.#paragraphs.push(emptyParagraph())
    this.#outerRuns.push(this.#inRun)
    this.#inRun = 0
  }

  /** What is said in its properties of the mark that ends a paragraph. */
  #openMark(local: string, attributes: Attributes): void {
    const paragraph = this.#paragraphs.at(-1)
    const isGone =
      local === 'del' || local === 'moveFrom' || (local === 'vanish' && isOn(attribute(attributes, 'val') ?? ''))
    if (paragraph !== undefined && isGone) paragraph.isGone = true
  }

  #openInRun(local: string, attributes: Attributes): void {
    if (local === 'vanish') this.#hidden = isOn(attribute(attributes, 'val') ?? '')
    else if (local === 'b') this.#bold = isOn(attribute(attributes, 'val') ?? '')
    else if (local === 'tab' || local === 'ptab') this.#add('\t')
    else if (local === 'br' || local === 'cr') this.#add('\n')
    else if (local === 'noBreakHyphen') this.#add('-')
    else if (local === 'footnoteReference' || local === 'endnoteReference')
      this.#add(`[${attribute(attributes, 'id') ?? ''}]`)
    else this.#fields.open(local, attributes)
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
    else if (local === 'pPr') this.#inProperties = false
    else if (local === 'r') this.#inRun = Math.max(0, this.#inRun - 1)
    else if (local === 't') this.#inText = false
    else if (local === 'tr') this.#endRow()
    else if (this.#inRun > 0) this.#add(this.#fields.close(local))
  }

  text(text: string): void {
    if (this.#inText && this.#leftOut === 0) this.#add(text)
  }

  /** → blocks in the order of the text */
  finish(): readonly Block[] {
    while (this.#paragraphs.length > 0) this.#endParagraph() // of a part that was cut short
    while (this.#rows.length > 0) this.#endRow()
    return withHeadings(this.#blocks)
  }

  #add(text: string): void {
    const paragraph = this.#paragraphs.at(-1)
    if (paragraph === undefined || this.#hidden) return
    paragraph.text += text
    if (!this.#bold && /[\p{L}\p{N}]/u.test(text)) paragraph.isBold = false
  }

  /** Numbers are given here, in the order of the text, and not where a row ends: tables within it have ended before. */
  #endParagraph(): void {
    const paragraph = this.#paragraphs.pop()
    this.#inRun = this.#outerRuns.pop() ?? 0
    if (paragraph === undefined) return
    const text = paragraph.text
      .replace(/\u00ad/g, '')
      .replace(/\u00a0/g, ' ')
      .trim()
    const number = text === '' && paragraph.isGone ? '' : this.#numberOf(paragraph)
    const shown = number === '- ' ? '' : number
    const cell = this.#rows.at(-1)?.at(-1)
    // A number alone says something only in a column of numbers.
    if (text === '' && (cell === undefined || shown === '')) return
    const note = this.#note === undefined ? '' : `[${this.#note}] `
    this.#note = undefined
    const block = blockOf(paragraph, { text, number, note })
    if (cell) cell.push({ block, line: `${note}${shown}${text}`.trimEnd(), isInner: false })
    else this.#blocks.push(block)
  }

  #numberOf({ list: own, level: ownLevel, style }: Paragraph): string {
    const list = own ?? style?.list
    return list === undefined || list === '0' ? '' : this.#numbering.next(list, ownLevel ?? style?.listLevel ?? 0)
  }

  /** Of a means of layout the cells are read one after the other. */
  #endRow(): void {
    const row = this.#rows.pop() ?? []
    const parts = row.flat()
    if (parts.length === 0) return
    const blocks: ReadBlock[] = isLaidOut(row)
      ? parts.map(({ block }) => block)
      : [{ kind: 'row', text: row.map(cellText).join(' | ') }]
    const outer = this.#rows.at(-1)?.at(-1)
    if (outer) outer.push(...blocks.map((block): Part => ({ block, line: block.text, isInner: true })))
    else this.#blocks.push(...blocks)
  }
}

interface Words {
  readonly text: string
  readonly number: string // with a space behind it, or ''
  readonly note: string // the same
}

const blockOf = (paragraph: Paragraph, { text, number, note }: Words): ReadBlock => {
  const level = paragraph.level ?? paragraph.style?.listLevel ?? 0
  const outline = paragraph.outline ?? paragraph.style?.outline
  if (outline !== undefined && outline >= 0 && outline < 9)
    return { kind: 'heading', text: `${number}${text.replace(/\s+/g, ' ')}`.trimEnd(), level: outline + 1 }
  if (number !== '') {
    const indented = `${'  '.repeat(Math.min(level, 8))}${number}${text}`.trimEnd()
    return { kind: 'item', text: indented, isBold: paragraph.isBold && number !== '- ' }
  }
  return { kind: 'paragraph', text: note + text, isBold: paragraph.isBold }
}

/** Characters of a table that still reads as what one cell says. */
const longestInner = 200

/** A table in a cell is one column's value where it is short and stands among cells of one paragraph; else layout. */
const isLaidOut = (row: readonly Cell[]): boolean => {
  const inner = row.map((cell) => cell.filter(({ isInner }) => isInner))
  if (inner.every((tables) => tables.length === 0)) return false
  const isShort = (tables: Cell): boolean => tables.reduce((sum, { line }) => sum + line.length, 0) <= longestInner
  const others = row.filter((cell, column) => cell.length > 0 && inner[column]?.length === 0)
  return others.length === 0 || others.some((cell) => cell.length > 1) || !inner.every(isShort)
}

/** In the order of the cell; rows of a table within it that follow each other stand in one pair of brackets. */
const cellText = (cell: Cell): string => {
  const texts = cell.map(({ line, isInner }, at) => {
    const text = line.replace(/\s+/g, ' ').trim()
    if (!isInner) return text
    const [begins, ends] = [!cell[at - 1]?.isInner, !cell[at + 1]?.isInner]
    return `${begins ? '[' : ''}${text}${ends ? ']' : ';'}`
  })
  return texts.join(' ')
}

const longestTitle = 100

/** Many a document has no styles: its headings are short paragraphs in bold letters, and few of all. */
const withHeadings = (blocks: readonly ReadBlock[]): Block[] => {
  const isTitle = ({ text, isBold }: ReadBlock): boolean =>
    isBold === true && /[\p{L}\p{N}]/u.test(text) && text.length <= longestTitle && !/\n|[.;,]$/.test(text)
  const isStyled = blocks.some(({ kind }) => kind === 'heading')
  const takes = !isStyled && blocks.filter(isTitle).length * 2 < blocks.length
  return blocks.map((block): Block => {
    const { isBold: _, ...plain } = block
    return takes && isTitle(block) ? { kind: 'heading', text: plain.text.trim(), level: 1 } : plain
  })
}

/** The two that separate notes from text are drawn, not written. */
const noteNumber = (attributes: Attributes): string | undefined =>
  attribute(attributes, 'type') === undefined ? attribute(attributes, 'id') : undefined
