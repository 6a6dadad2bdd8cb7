/** EPUB: the chapters in the order in which the book is read, each under the title that its table of contents gives. */
import { posix } from 'node:path'
import { CompactorError } from '../error.ts'
import { shown } from '../shown.ts'
import { type Block, writeBlocks } from './blocks.ts'
import type { ReaderInput, Reading } from './document.ts'
import { decodeText } from './encoding.ts'
import { oneLine, readMarkup } from './markup-blocks.ts'
import { TextBuilder } from './text-builder.ts'
import { attribute, localName, readXml } from './xml.ts'
import type { Zip } from './zip.ts'

interface Item {
  readonly path: string
  readonly type: string
  readonly properties: string
}

interface Package {
  readonly title: string
  readonly spine: readonly Item[]
  /** The table of contents, of EPUB 3 or 2. */
  readonly contents: Item | undefined
}

/** Throws CompactorError('document-invalid'): damaged, with DRM, without text. */
export const readEpub = async (zip: Zip, input: ReaderInput): Promise<Reading> => {
  const { name, signal } = input
  const book = await readPackage(zip, input)
  await refuseProtected(zip, book, input)
  const titles = await readContents(zip, book.contents, input)
  const builder = new TextBuilder()
  if (book.title !== '') writeBlocks(builder, [{ kind: 'heading', text: book.title, level: 1 }])
  const missing: string[] = []
  let chapters = 0
  for (const { path } of book.spine) {
    const bytes = await zip.read(path)
    if (bytes === undefined) {
      missing.push(path)
      continue
    }
    const { text } = decodeText(bytes, { name: `${shown(path)} in ${name}`, stated: 'utf-8' })
    const { blocks } = await readMarkup(text, { name: `${shown(path)} in ${name}`, xhtml: true, signal })
    if (blocks.length === 0) continue // a cover or a page of images
    chapters++
    writeChapter(builder, { title: titles.get(path) ?? `chapter ${chapters}`, isNamed: titles.has(path), blocks })
  }
  if (chapters === 0) throw invalid(`${name} holds no text, only images; recognise their text first (OCR)`)
  const notes = missing.length > 0 ? [`${name} lacks ${missing.length} of its parts, ${missing[0]} among them`] : []
  return builder.build('epub', notes)
}

const invalid = (message: string): CompactorError => new CompactorError('document-invalid', message)

interface Chapter {
  readonly title: string
  readonly isNamed: boolean
  readonly blocks: readonly Block[]
}

const writeChapter = (builder: TextBuilder, { title, isNamed, blocks }: Chapter): void => {
  if (builder.bytes > 0) builder.append('\n\n')
  builder.mark('chapter', title)
  const begins = blocks.slice(0, 3).some(({ kind }) => kind === 'heading')
  writeBlocks(builder, begins || !isNamed ? blocks : [{ kind: 'heading', text: title, level: 1 }, ...blocks])
}

const readPackage = async (zip: Zip, { name, signal }: ReaderInput): Promise<Package> => {
  let root: string | undefined
  const container = await zip.read('META-INF/container.xml')
  const open = (tag: string, attributes: Readonly<Record<string, string>>): void => {
    if (localName(tag) === 'rootfile') root ??= attribute(attributes, 'full-path')
  }
  await readXml(container, { open }, { name, signal })
  const bytes = root === undefined ? undefined : await zip.read(root)
  if (root === undefined || bytes === undefined)
    throw invalid(`${name} is damaged: it is an EPUB without the list of its chapters; get it again`)
  const items = new Map<string, Item>()
  const order: string[] = []
  let contentsId: string | undefined
  let [title, inTitle] = ['', false]
  const folder = posix.dirname(root)
  await readXml(
    bytes,
    {
      open: (tag, attributes) => {
        const local = localName(tag)
        const { id = '', href = '', idref, toc, linear } = attributes
        if (local === 'title' && title === '') inTitle = true
        else if (local === 'item')
          items.set(id, {
            path: pathIn(folder, href),
            type: attributes['media-type'] ?? '',
            properties: attributes.properties ?? '',
          })
        else if (local === 'itemref' && idref !== undefined && linear !== 'no') order.push(idref)
        else if (local === 'spine') contentsId = toc
      },
      close: (tag) => {
        if (localName(tag) === 'title') inTitle = false
      },
      text: (text) => {
        if (inTitle) title += text
      },
    },
    { name, signal },
  )
  const spine = [...new Set(order)]
    .flatMap((id) => items.get(id) ?? [])
    .filter(({ type }) => /html/.test(type) || type === '')
  if (spine.length === 0)
    throw invalid(`${name} is damaged: it is an EPUB whose list of chapters is empty; get it again`)
  const all = [...items.values()]
  const contents =
    all.find(({ properties }) => properties.split(/\s+/).includes('nav')) ??
    items.get(contentsId ?? '') ??
    all.find(({ type }) => type === 'application/x-dtbncx+xml')
  return { title: oneLine(title), spine, contents }
}

/** Where a reference in a file of `folder` leads, as names in the zip are written. */
const pathIn = (folder: string, href: string): string => {
  const plain = href.replace(/[?#].*$/s, '')
  let path = plain
  try {
    path = decodeURIComponent(plain)
  } catch {
    // not escaped after all: taken as it stands
  }
  return posix.normalize(posix.join(folder, path)).replace(/^(\.\.?\/)+/, '')
}

/** Title of each file that the table of contents leads to; of several the first. */
const readContents = async (
  zip: Zip,
  contents: Item | undefined,
  { name, signal }: ReaderInput,
): Promise<ReadonlyMap<string, string>> => {
  const titles = new Map<string, string>()
  const bytes = contents && (await zip.read(contents.path))
  if (contents === undefined || bytes === undefined) return titles
  const folder = posix.dirname(contents.path)
  const add = (href: string | undefined, label: string): void => {
    const path = href === undefined ? undefined : pathIn(folder, href)
    const title = oneLine(label)
    if (path !== undefined && title !== '' && !titles.has(path)) titles.set(path, title)
  }
  let [label, reading] = ['', false]
  let href: string | undefined
  await readXml(
    bytes,
    {
      open: (tag, attributes) => {
        const local = localName(tag)
        if (local === 'a' || local === 'navLabel') [label, reading] = ['', true]
        if (local === 'a') href = attributes.href
        if (local === 'content') add(attributes.src, label) // of EPUB 2, behind its label
      },
      close: (tag) => {
        const local = localName(tag)
        if (local === 'a') add(href, label)
        if (local === 'a' || local === 'navLabel') reading = false
      },
      text: (text) => {
        if (reading) label += text
      },
    },
    { name, signal },
  )
  return titles
}

/** Fonts may be scrambled, chapters may not: that is DRM. */
const refuseProtected = async (zip: Zip, { spine }: Package, { name, signal }: ReaderInput): Promise<void> => {
  const encrypted = new Set<string>()
  const open = (tag: string, attributes: Readonly<Record<string, string>>): void => {
    if (localName(tag) === 'CipherReference') encrypted.add(pathIn('.', attribute(attributes, 'URI') ?? ''))
  }
  await readXml(await zip.read('META-INF/encryption.xml'), { open }, { name, signal })
  if (spine.some(({ path }) => encrypted.has(path)))
    throw invalid(`${name} is protected by its seller (DRM) and cannot be read; get a copy without that`)
}
