/**
 * The text that is in a PDF, page by page, lines as they stand. A scan without text cannot be read here, and pages that are
 * images only are said. Runs in a worker (pdf-worker.ts), because nothing bounds what a page may cost.
 */
import { CompactorError } from '../error.ts'
import type { ReaderInput, Reading } from './document.ts'
import { withoutFurniture } from './pdf-furniture.ts'
import { pageText, type TextPiece } from './pdf-lines.ts'
import { type CharacterTables, characterTables } from './pdf-tables.ts'
import { largestTextBytes, TextBuilder } from './text-builder.ts'

const mostPages = 20_000

type Pdf = Awaited<ReturnType<typeof import('unpdf')['getDocumentProxy']>>

/** Throws CompactorError('document-invalid'): damaged, protected by a password, scanned, too large. */
export const readPdfText = async (
  { bytes, name }: Pick<ReaderInput, 'bytes' | 'name'>,
  onPage: (done: number) => void = () => undefined,
  tables: CharacterTables = characterTables(),
): Promise<Reading> => {
  const pdf = await openPdf(bytes, name, tables)
  try {
    if (pdf.numPages > mostPages)
      throw invalid(`${name} has ${pdf.numPages} pages, and up to ${mostPages} are read; split it`)
    const [unreadable, empty]: [number[], number[]] = [[], []]
    const texts: string[] = []
    let length = 0
    for (let page = 1; page <= pdf.numPages; page++) {
      onPage(page - 1)
      const text = await textOfPage(pdf, page)
      if (text === undefined) unreadable.push(page)
      else if (text === '') empty.push(page)
      texts.push(text ?? '')
      length += Buffer.byteLength(text ?? '')
      if (length > largestTextBytes)
        throw invalid(`${name} holds more than ${largestTextBytes} bytes of text; split it`)
    }
    const builder = new TextBuilder()
    const sections = await outlineOf(pdf)
    for (const [at, text] of withoutFurniture(texts).entries())
      writePage(builder, { page: at + 1, text, titles: sections.get(at + 1) ?? [] })
    const missing = missingOf(name, tables)
    if (empty.length + unreadable.length === pdf.numPages)
      throw invalid(
        missing ??
          (unreadable.length > 0
            ? `${name} is damaged: no page of it can be read; get it again or save it anew from a viewer`
            : `${name} holds no text, only images, as scans do; recognise its text first (OCR, for example with ocrmypdf)`),
      )
    return builder.build('pdf', [...notesOf(name, empty, unreadable), ...(missing === undefined ? [] : [missing])])
  } finally {
    await pdf.destroy()
  }
}

const invalid = (message: string, cause?: unknown): CompactorError =>
  new CompactorError('document-invalid', message, { cause })

/** Names that come out of the document are checked where they are asked for. */
const missingOf = (name: string, { missing }: CharacterTables): string | undefined =>
  missing.size === 0
    ? undefined
    : `${name} has text that cannot be read without tables of East Asian characters (${[...missing].slice(0, 4).join(', ')}), which come with another package; install them with \`npm install pdfjs-dist\` beside compactor-kv, or print it anew with its fonts embedded`

const openPdf = async (bytes: Uint8Array, name: string, { factory }: CharacterTables): Promise<Pdf> => {
  const { getDocumentProxy } = await import('unpdf')
  try {
    // A copy, because the library takes the bytes for itself.
    const options = { isEvalSupported: false, verbosity: 0, stopAtErrors: false }
    const tables = { BinaryDataFactory: factory, useWorkerFetch: false, cMapPacked: true }
    return await getDocumentProxy(new Uint8Array(bytes), { ...options, ...tables })
  } catch (cause) {
    if ((cause as { name?: string }).name === 'PasswordException')
      throw invalid(`${name} is protected by a password; save a copy without one`, cause)
    throw invalid(
      `${name} is damaged: it begins as a PDF but cannot be read as one (${reasonOf(cause)}); get it again`,
      cause,
    )
  }
}

const reasonOf = (cause: unknown): string => (cause instanceof Error ? cause.message.replace(/\.$/, '') : String(cause))

/** Undefined if the page is damaged. */
const textOfPage = async (pdf: Pdf, number: number): Promise<string | undefined> => {
  try {
    const page = await pdf.getPage(number)
    const { items } = await page.getTextContent()
    page.cleanup()
    return pageText((items as readonly object[]).filter((item): item is TextPiece => 'str' in item))
  } catch {
    return undefined // the caller says which pages could not be read
  }
}

interface Title {
  readonly title: string
  readonly level: number
}

interface OutlineItem {
  readonly title: string
  readonly dest: string | readonly unknown[] | null
  readonly items: readonly OutlineItem[]
}

const mostTitles = 10_000

/** The titles of the outline that begin on each page. */
const outlineOf = async (pdf: Pdf): Promise<ReadonlyMap<number, Title[]>> => {
  const pages = new Map<number, Title[]>()
  // Without an outline, or with one that is damaged, pages are named by their number alone.
  const top: readonly OutlineItem[] = (await pdf.getOutline().catch(() => null)) ?? []
  const queue = top.map((item) => ({ item, level: 1 }))
  for (const { item, level } of queue) {
    if (queue.length > mostTitles) break
    for (const inner of item.items) queue.push({ item: inner, level: level + 1 })
    const page = await pageOf(pdf, item.dest).catch(() => undefined)
    const title = item.title.replace(/\s+/g, ' ').trim()
    if (page !== undefined && title !== '') pages.set(page, [...(pages.get(page) ?? []), { title, level }])
  }
  return pages
}

const pageOf = async (pdf: Pdf, dest: OutlineItem['dest']): Promise<number | undefined> => {
  const explicit = typeof dest === 'string' ? await pdf.getDestination(dest) : dest
  const target: unknown = explicit?.[0]
  if (typeof target === 'number') return target + 1
  if (typeof target !== 'object' || target === null) return undefined
  return (await pdf.getPageIndex(target as Parameters<Pdf['getPageIndex']>[0])) + 1
}

/** Each title is marked where the page has it, in any spacing; else at the page's beginning. */
const writePage = (
  builder: TextBuilder,
  { page, text, titles }: { readonly page: number; readonly text: string; readonly titles: readonly Title[] },
): void => {
  if (builder.bytes > 0 && text !== '') builder.append('\n\n')
  builder.mark('page', String(page))
  const places = titles
    .map(({ title, level }) => ({ at: Math.max(0, findTitle(text, title)), title, level }))
    .sort((a, b) => a.at - b.at)
  let written = 0
  for (const { at, title, level } of places) {
    builder.append(text.slice(written, at))
    builder.mark('heading', title, level)
    written = at
  }
  builder.append(text.slice(written))
}

const findTitle = (text: string, title: string): number => {
  const words = title.split(' ').map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  return text.search(new RegExp(words.join('\\s+')))
}

const notesOf = (name: string, empty: readonly number[], unreadable: readonly number[]): string[] => [
  ...(empty.length > 0 ? [`${name}: ${pagesText(empty)} without text (empty or images only)`] : []),
  ...(unreadable.length > 0 ? [`${name}: ${pagesText(unreadable)} damaged and left out`] : []),
]

const pagesText = (pages: readonly number[]): string => {
  const listed = pages.slice(0, 10).join(', ')
  const more = pages.length > 10 ? ` and ${pages.length - 10} more` : ''
  return pages.length === 1 ? `page ${listed} is` : `pages ${listed}${more} are`
}
