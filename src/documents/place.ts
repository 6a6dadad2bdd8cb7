/** The name of a place in a document, as one person would tell another: "page 3", "§ 2.1 Terms", "src/index.ts, lines 40 to 44". */
import type { Mark, Places } from './document.ts'

/**
 * @param offset in bytes of the text in UTF-8, as a context's source offsets are.
 * @param end where a passage that begins there ends; its lines are named then.
 * Throws RangeError for an offset that is no whole number from 0, and for an end before it.
 */
export const placeAt = (places: Places, offset: number, end: number = offset): string => {
  if (!Number.isSafeInteger(offset) || offset < 0)
    throw new RangeError(`an offset in a document is a whole number from 0, got ${offset}`)
  if (!Number.isSafeInteger(end) || end < offset)
    throw new RangeError(`a passage from ${offset} ends there or behind, got ${end}`)
  const { marks } = places
  const { file, chapter, page, heading, line } = marksAt(marks, offset)
  const last = Math.max(offset, Math.min(end, endOfPart(marks, offset)) - 1)
  const lastLine = marksAt(marks, last).line
  // The name of a file stands before its first line.
  const lines = line ?? (lastLine && lastLine.offset > (file?.offset ?? -1) ? lastLine : undefined)
  const parts = [
    file?.label,
    chapter?.label,
    page && `page ${page.label}`,
    heading && heading.label !== chapter?.label ? `§ ${heading.label}` : undefined,
    lines && linesName(places, lines, { from: Math.max(offset, lines.offset), to: last }),
  ].filter((part) => part !== undefined)
  if (parts.length > 0) return parts.join(', ')
  return marks.length > 0 ? 'the beginning' : 'the document'
}

/** Where the next file or chapter begins: its lines are counted anew. */
const endOfPart = (marks: Places['marks'], offset: number): number => {
  const next = lastAtOrBefore(marks.length, (i) => marks[i]?.offset ?? 0, offset) + 1
  return marks.slice(next).find(({ kind }) => kind === 'file' || kind === 'chapter')?.offset ?? Number.POSITIVE_INFINITY
}

/** The last mark of each kind that still holds at an offset. */
const marksAt = (marks: Places['marks'], offset: number): Partial<Record<Mark['kind'], Mark>> => {
  const found: Partial<Record<Mark['kind'], Mark>> = {}
  for (let i = lastAtOrBefore(marks.length, (k) => marks[k]?.offset ?? 0, offset); i >= 0; i--) {
    const mark = marks[i]
    if (mark === undefined) break
    // A chapter ends the headings and lines before it, but not the file that it is in.
    if (!(found.chapter && (mark.kind === 'heading' || mark.kind === 'line'))) found[mark.kind] ??= mark
    if (mark.kind === 'file') break
  }
  return found
}

const linesName = (
  { lineStarts, lineStep }: Places,
  mark: Mark,
  { from, to }: { readonly from: number; readonly to: number },
): string => {
  const entry = (at: number): number =>
    Math.max(
      0,
      lastAtOrBefore(lineStarts.length, (i) => lineStarts[i] ?? 0, at),
    )
  const [first, last] = [from, to].map((at) => Number(mark.label) + (entry(at) - entry(mark.offset)) * lineStep)
  if (lineStep > 1) return `near line ${first}`
  return first === last ? `line ${first}` : `lines ${first} to ${last}`
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
