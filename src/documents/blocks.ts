/** Paragraphs, headings, list items, rows: what HTML, EPUB and DOCX come down to, and the one way they are written out. */
import type { TextBuilder } from './text-builder.ts'

export interface Block {
  /** Items and rows stand close to others of their kind. */
  readonly kind: 'paragraph' | 'heading' | 'item' | 'row'
  readonly text: string
  readonly level?: number // of a heading
}

/** Headings with their marks; a blank line between blocks, but none within a list or table. */
export const writeBlocks = (builder: TextBuilder, blocks: readonly Block[]): void => {
  let before: Block | undefined
  for (const block of blocks) {
    const close = before?.kind === block.kind && (block.kind === 'item' || block.kind === 'row')
    if (before) builder.append(close ? '\n' : '\n\n')
    if (block.kind === 'heading') {
      const level = Math.min(Math.max(block.level ?? 1, 1), 9)
      builder.mark('heading', block.text, level)
      builder.append(`${'#'.repeat(Math.min(level, 6))} ${block.text}`)
    } else builder.append(block.text)
    before = block
  }
}
