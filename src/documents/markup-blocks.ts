/**
 * HTML and XHTML to blocks, in one pass over the tags: nothing is run, fetched or expanded, and no tree is built that could
 * be too deep. Left out is what a page has besides its text: scripts, styles, navigation, forms, what is hidden.
 */
import { Parser } from 'htmlparser2'
import { CompactorError } from '../error.ts'
import type { Block } from './blocks.ts'

export interface Markup {
  readonly title: string
  readonly blocks: readonly Block[]
}

export interface MarkupOptions {
  readonly name: string
  /** Tags may close themselves, as in the books of EPUB. */
  readonly xhtml?: boolean
  readonly signal?: AbortSignal | undefined
}

/** Throws CompactorError: 'document-invalid' (nested absurdly deep), and what `signal` was aborted with. */
export const readMarkup = async (html: string, { name, xhtml = false, signal }: MarkupOptions): Promise<Markup> => {
  const page = new Page(name)
  const parser = new Parser(
    {
      onopentag: (tag, attributes) => page.open(tag, attributes),
      onclosetag: (tag) => page.close(tag),
      ontext: (text) => page.text(text),
    },
    { recognizeSelfClosing: xhtml, recognizeCDATA: xhtml },
  )
  for (let at = 0; at < html.length; at += stretch) {
    parser.write(html.slice(at, at + stretch))
    await new Promise((resolve) => setImmediate(resolve)) // an interruption is heard between stretches
    signal?.throwIfAborted()
  }
  parser.end()
  return page.finish()
}

const stretch = 2 ** 18
const deepest = 4096

const set = (names: string): ReadonlySet<string> => new Set(names.split(' '))
const leftOut = set(
  'script style noscript template svg iframe object embed applet canvas audio video map nav button select textarea ' +
    'datalist dialog head',
)
const ending = set(
  'address article aside blockquote body caption center dd details dir div dl dt fieldset figcaption figure footer form ' +
    'header hgroup hr li main menu ol p section summary table tbody tfoot thead tr ul',
)
const noise = set('navigation search banner contentinfo menu menubar toolbar dialog alertdialog')

interface List {
  readonly ordered: boolean
  next: number
}

interface Table {
  /** A table in a cell makes its outer one a means of layout: its cells are paragraphs, not columns. */
  isLayout: boolean
  cells: string[]
}

class Page {
  readonly #name: string
  readonly #open: { readonly tag: string; readonly isLeftOut: boolean; readonly isMain: boolean }[] = []
  readonly #lists: List[] = []
  readonly #tables: Table[] = []
  readonly #blocks: (Block & { readonly isMain: boolean })[] = []
  #leftOut = 0 // depth of elements that are left out
  #main = 0
  #pre = 0
  #articles = 0
  #inTitle = false
  #title = ''
  #line = '' // of the block that is being read
  #prefix = ''
  #heading = 0

  constructor(name: string) {
    this.#name = name
  }

  open(tag: string, attributes: Readonly<Record<string, string>>): void {
    if (this.#open.length >= deepest)
      throw new CompactorError(
        'document-invalid',
        `${this.#name} has tags nested more than ${deepest} deep, which no page for people has; save it as text`,
      )
    const isLeftOut =
      leftOut.has(tag) ||
      (tag === 'footer' && this.#articles === 0) ||
      isHidden(attributes) ||
      isPermalink(tag, attributes)
    const isMain = tag === 'main' || attributes.role === 'main'
    this.#open.push({ tag, isLeftOut, isMain })
    if (tag === 'title' && this.#title === '' && !this.#open.some(({ tag: outer }) => outer === 'svg'))
      this.#inTitle = true
    if (isLeftOut) this.#leftOut++
    if (this.#leftOut > 0) return
    if (isMain) {
      this.#endBlock()
      this.#main++
    }
    this.#begin(tag, attributes)
  }

  #begin(tag: string, attributes: Readonly<Record<string, string>>): void {
    const level = headingLevel(tag)
    if (level > 0) {
      this.#endBlock()
      this.#heading = level
    } else if (tag === 'br') this.#line += '\n'
    else if (tag === 'pre') {
      this.#endBlock()
      this.#pre++
    } else if (tag === 'td' || tag === 'th') this.#endBlock()
    else if (ending.has(tag)) this.#endBlock()
    if (tag === 'article') this.#articles++
    else if (tag === 'ul' || tag === 'ol' || tag === 'menu')
      this.#lists.push({ ordered: tag === 'ol', next: wholeNumber(attributes.start) ?? 1 })
    else if (tag === 'li') this.#beginItem(attributes)
    else if (tag === 'table') this.#beginTable()
    else if (tag === 'img' && attributes.alt?.trim()) this.#line += ` [image: ${attributes.alt.trim()}] `
    else if (tag === 'dd') this.#prefix = '  '
    else if (tag === 'q') this.#line += '“'
  }

  close(tag: string): void {
    const closed = this.#open.pop()
    if (tag === 'title') this.#inTitle = false
    if (this.#leftOut === 0) this.#end(tag)
    if (closed?.isLeftOut) this.#leftOut--
    if (closed?.isMain && this.#leftOut === 0) {
      this.#endBlock()
      this.#main--
    }
  }

  #end(tag: string): void {
    if (headingLevel(tag) > 0 || tag === 'pre' || ending.has(tag)) this.#endBlock()
    if (tag === 'pre') this.#pre--
    else if (tag === 'article') this.#articles--
    else if (tag === 'td' || tag === 'th') this.#endCell()
    else if (tag === 'tr') this.#endRow()
    else if (tag === 'table') {
      this.#endRow()
      this.#tables.pop()
    } else if (tag === 'ul' || tag === 'ol' || tag === 'menu') this.#lists.pop()
    else if (tag === 'q') this.#line += '”'
  }

  text(text: string): void {
    if (this.#inTitle) this.#title += text
    if (this.#leftOut > 0) return
    this.#line += this.#pre > 0 ? text : text.replace(/[\t\n\f\r ]+/g, ' ')
  }

  finish(): Markup {
    this.#endBlock()
    this.#endRow()
    const main = this.#blocks.filter(({ isMain }) => isMain)
    const blocks = (main.length > 0 ? main : this.#blocks).map(({ isMain: _, ...block }) => block)
    return { title: oneLine(this.#title), blocks: withoutRepeatedImages(blocks) }
  }

  #beginItem({ value }: Readonly<Record<string, string>>): void {
    const list = this.#lists.at(-1)
    const indent = '  '.repeat(Math.max(0, this.#lists.length - 1))
    if (list?.ordered) list.next = wholeNumber(value) ?? list.next
    this.#prefix = `${indent}${list?.ordered ? `${list.next++}.` : '-'} `
  }

  #beginTable(): void {
    const outer = this.#tables.at(-1)
    if (outer) {
      outer.isLayout = true
      for (const cell of outer.cells.splice(0)) this.#push({ kind: 'paragraph', text: cell })
    }
    this.#tables.push({ isLayout: false, cells: [] })
  }

  #endCell(): void {
    const table = this.#tables.at(-1)
    if (table === undefined || table.isLayout) this.#endBlock()
    else {
      table.cells.push(oneLine(this.#line))
      this.#line = ''
    }
  }

  #endRow(): void {
    const cells = this.#tables.at(-1)?.cells.splice(0) ?? []
    if (cells.some((cell) => cell !== '')) this.#push({ kind: 'row', text: cells.join(' | ') })
  }

  /** What was read becomes a block; within a cell it stays part of the cell. */
  #endBlock(): void {
    const table = this.#tables.at(-1)
    if (table && !table.isLayout && this.#inCell()) {
      this.#line = this.#line.trim() === '' ? '' : `${this.#line} `
      return
    }
    const text = this.#pre > 0 ? this.#line.replace(/^\r?\n|\s+$/g, '') : tidy(this.#line)
    this.#line = ''
    const level = this.#heading
    this.#heading = 0
    if (text.trim() === '') return
    const prefix = this.#prefix
    this.#prefix = ''
    if (level > 0) this.#push({ kind: 'heading', text: oneLine(text), level })
    else if (prefix !== '') this.#push({ kind: 'item', text: prefix + text })
    else this.#push({ kind: this.#lists.length > 0 ? 'item' : 'paragraph', text })
  }

  #inCell(): boolean {
    for (let i = this.#open.length - 1; i >= 0; i--) {
      const tag = this.#open[i]?.tag
      if (tag === 'td' || tag === 'th') return true
      if (tag === 'table') return false
    }
    return false
  }

  #push(block: Block): void {
    this.#blocks.push({ ...block, isMain: this.#main > 0 })
  }
}

/** An image is described for who cannot see it, often in the words of the caption that stands beside it: once is enough. */
const withoutRepeatedImages = (blocks: readonly Block[]): Block[] => {
  const describedBy = (text: string): string | undefined => /^\[image: (.+?)\.?\]$/s.exec(text.trim())?.[1]
  // Not another image: of two that are described alike neither would be left.
  const says = (block: Block | undefined, words: string): boolean =>
    block !== undefined && describedBy(block.text) === undefined && saysInWords(oneLine(block.text), words)
  return blocks.filter(({ text }, index) => {
    const words = oneLine(describedBy(text) ?? '')
    return words === '' || !(says(blocks[index - 1], words) || says(blocks[index + 1], words))
  })
}

/** A letter of a script that writes with spaces; others have no borders between words that could be seen. */
const letter = String.raw`(?![\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}])[\p{L}\p{M}\p{N}_]`

/** Whole words only: "art" is not said by "party". */
const saysInWords = (text: string, words: string): boolean => {
  if (!text.includes(words)) return false
  const literal = words.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
  return new RegExp(`(?<!${letter})${literal}(?!${letter})`, 'u').test(text)
}

const headingLevel = (tag: string): number => Number(/^h([1-6])$/.exec(tag)?.[1] ?? 0)

const isHidden = ({ role, hidden, style, 'aria-hidden': ariaHidden }: Readonly<Record<string, string>>): boolean =>
  hidden !== undefined ||
  ariaHidden === 'true' ||
  (role !== undefined && noise.has(role)) ||
  (style !== undefined && /(^|;)\s*(display\s*:\s*none|visibility\s*:\s*hidden)/i.test(style))

/** The ¶ or # that generators of documentation put behind a heading, to link to it. */
const isPermalink = (tag: string, attributes: Readonly<Record<string, string>>): boolean =>
  tag === 'a' && /(^|\s)(headerlink|header-anchor|anchorjs-link|permalink)(\s|$)/.test(attributes.class ?? '')

const wholeNumber = (text: string | undefined): number | undefined =>
  text !== undefined && /^\s*-?\d{1,9}\s*$/.test(text) ? Number(text) : undefined

// Soft hyphens and zero-width spaces say where a line may break; nothing here breaks lines.
const invisible = /[\u00ad\u200b\ufeff]/g

const tidy = (text: string): string =>
  text
    .replace(invisible, '')
    .replace(/\u00a0/g, ' ')
    .replace(/ *\n */g, '\n')
    .replace(/ {2,}/g, ' ')
    .trim()

export const oneLine = (text: string): string => text.replace(invisible, '').replace(/\s+/g, ' ').trim()
