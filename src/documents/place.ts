/** The name of a place in a document, as one person would tell another: "page 3", "§ 2.1 Terms", "src/index.ts, line 40". */
import type { Mark, Places } from './document.ts'

/**
 * @param offset in bytes of the text in UTF-8, as a context's source offsets are.
 * Throws RangeError for an offset that is no whole number from 0.
 */
export const placeAt = (places: Places, offset: number): string => {
  if (!Number.isSafeInteger(offset) || offset < 0)
    throw new RangeError(`an offset in a document is a whole number from 0, got ${offset}`)
  const { marks } = places
  const found: Partial<Record<Mark['kind'], Mark>> = {}
  for (let i = lastAtOrBefore(marks.length, (k) => marks[k]?.offset ?? 0, offset); i >= 0; i--) {
    const mark = marks[i]
    if (mark === undefined) break
    // A chapter ends the headings and lines before it, but not the file that it is in.
    if (!(found.chapter && (mark.kind === 'heading' || mark.kind === 'line'))) found[mark.kind] ??= mark
    if (mark.kind === 'file') break
  }
  const { file, chapter, page, heading, line } = found
  const parts = [
    file?.label,
    chapter?.label,
    page && `page ${page.label}`,
    heading && heading.label !== chapter?.label ? `§ ${heading.label}` : undefined,
    line && lineName(places, line, offset),
  ].filter((part) => part !== undefined)
  if (parts.length > 0) return parts.join(', ')
  return marks.length > 0 ? 'the beginning' : 'the document'
}

const lineName = ({ lineStarts, lineStep }: Places, mark: Mark, offset: number): string => {
  const entry = (at: number): number =>
    Math.max(
      0,
      lastAtOrBefore(lineStarts.length, (i) => lineStarts[i] ?? 0, at),
    )
  const first = Number(mark.label) + (entry(offset) - entry(mark.offset)) * lineStep
  return lineStep === 1 ? `line ${first}` : `near line ${first}`
}

/** The last index of ascending values that is at most `most`; -1 if none is. */
const lastAtOrBefore = (length: number, valueAt: (index: number) => number, most: number): number => {
  let [low, high] = [-1, length]
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (valueAt(middle) <= most) low = middle
    else high = middle
  }
  return low
}
