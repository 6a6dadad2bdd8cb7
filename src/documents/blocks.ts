/** Paragraphs, headings, list items, rows: what HTML, EPUB and DOCX come down to, and the one way they are written out. */
import type { TextBuilder } from './text-builder.ts'

export interface Block {
  /** `line` stands close to the one before it: a list item, a row of a table, a term. */
  readonly kind: 'paragraph' | 'heading' | 'line'
  readonly text: string
  readonly level?: number // of a heading
}

/** Headings with their marks; a blank line between blocks, but none between lines. */
export const writeBlocks = (builder: TextBuilder, blocks: readonly Block[]): void => {
  let before: Block | undefined
  for (const block of blocks) {
    const close = before?.kind === 'line' && block.kind === 'line'
    if (before) builder.append(close ? '\n' : '\n\n')
    if (block.kind === 'heading') {
      const level = Math.min(Math.max(block.level ?? 1, 1), 9)
      builder.mark('heading', block.text, level)
      builder.append(`${'#'.repeat(Math.min(level, 6))} ${block.text}`)
    } else builder.append(block.text)
    before = block
  }
}
