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
  isBold: boolean // all of it
  style: ParagraphStyle | undefined
  list: string | undefined
  level: number | undefined
  outline: number | undefined
}

const emptyParagraph = (): Paragraph => ({
  text: '',
  isBold: true,
  style: undefined,
  list: undefined,
  level: undefined,
  outline: undefined,
})

interface Row {
  readonly cells: string[]
  /** A table in a cell makes its outer row a means of layout: its cells are paragraphs, not columns. */
  isLayout: boolean
}

/** A paragraph that is bold as a whole may be a heading in a document that has no others. */
type ReadBlock = Block & { readonly isBold?: boolean }

/** Hears the tags of the main part, or of the notes. */
class Body {
  readonly #styles: Styles
  readonly #numbering: Numbering
  readonly #blocks: ReadBlock[] = []
  readonly #fields = new FormFields()
  readonly #paragraphs: Paragraph[] = [] // more than one where a text box stands in a paragraph
  readonly #outerRuns: number[] = [] // of those paragraphs
  readonly #rows: Row[] = [] // more than one where a table stands in a cell
  #leftOut = 0
  #inRun = 0
  #hidden = false
  #bold = false
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
    else if (local === 'r') [this.#inRun, this.#hidden, this.#bold] = [this.#inRun + 1, false, false]
    else if (local === 't') this.#inText = true
    else if (local === 'tbl') this.#beginTable()
    else if (local === 'tr') this.#rows.push({ cells: [], isLayout: false })
    else if (local === 'tc') this.#rows.at(-1)?.cells.push('')
    else if (local === 'footnote' || local === 'endnote') this.#note = noteNumber(attributes)
    else if (this.#inRun > 0) this.#openInRun(local, attributes)
    else this.#openProperty(local, attribute(attributes, 'val'))
  }

  #beginParagraph(): void {
    this.#paragraphs.push(emptyParagraph())
    this.#outerRuns.push(this.#inRun)
    this.#inRun = 0
  }

  #beginTable(): void {
    const outer = this.#rows.at(-1)
    if (outer === undefined) return
    outer.isLayout = true
    this.#layOut(outer)
  }

  /** What its cells hold so far, as paragraphs. */
  #layOut({ cells }: Row): void {
    for (const cell of cells.splice(0)) if (cell !== '') this.#blocks.push({ kind: 'paragraph', text: cell })
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
    if (row !== undefined && !row.isLayout) {
      const before = row.cells.pop() ?? ''
      row.cells.push(`${before} ${text.replace(/\s+/g, ' ')}`.trim())
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
      this.#blocks.push({
        kind: 'item',
        text: `${'  '.repeat(Math.min(level, 8))}${number}${text}`,
        isBold: paragraph.isBold && number !== '- ',
      })
    else this.#blocks.push({ kind: 'paragraph', text: note + text, isBold: paragraph.isBold })
  }

  #endRow(): void {
    const row = this.#rows.pop()
    if (row?.isLayout) this.#layOut(row)
    else if (row?.cells.some((cell) => cell !== '')) this.#blocks.push({ kind: 'row', text: row.cells.join(' | ') })
  }
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
