/** What a reader gives: one plain text, and marks by which any place in it can be named. Not here: how a place is named (place.ts). */

export type Format = 'text' | 'markdown' | 'html' | 'pdf' | 'docx' | 'epub' | 'folder'

/**
 * Something begins here and holds until the next mark of its kind. A file ends chapters, pages, headings and lines; a
 * chapter ends headings and lines. `line` says that from here on the text's lines are the source's, the first being `label`.
 */
export interface Mark {
  /** In bytes of the text in UTF-8. */
  readonly offset: number
  readonly kind: 'file' | 'chapter' | 'page' | 'heading' | 'line'
  /** A path, a title, a number. */
  readonly label: string
  /** Of a heading: 1 is the highest. */
  readonly level?: number | undefined
}

/** All that is needed to name a place of a text without having the text. */
export interface Places {
  readonly marks: readonly Mark[] // by offset
  /** Where the text's lines begin, in bytes, ascending; empty if no mark counts lines. */
  readonly lineStarts: ArrayLike<number>
  /** Of how many lines a start is given: 1 is each. */
  readonly lineStep: number
}

export interface SkippedFile {
  readonly path: string
  /** 'excluded' and 'not included' where the caller's own patterns left it out. */
  readonly reason: string
}

export interface Document extends Places {
  readonly name: string
  readonly text: string
  readonly format: Format
  /** What its reader should know: an encoding that was guessed, pages without text. A sentence each. */
  readonly notes: readonly string[]
  /** Files of a folder that were left out. */
  readonly skipped: readonly SkippedFile[]
}

/** A document before it has a name; readers of one format give it. */
export type Reading = Omit<Document, 'name' | 'skipped'>

export interface ReaderInput {
  readonly bytes: Uint8Array
  /** What errors call it. */
  readonly name: string
  /** Of the text, where somebody said so: a label of the WHATWG Encoding Standard. */
  readonly encoding?: string | undefined
  readonly signal?: AbortSignal | undefined
}
