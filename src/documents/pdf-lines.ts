/** The pieces of text that a PDF page draws, as lines: where words, columns and paragraphs part, and words that were divided. */

/** As pdf.js gives it. transform: [a, b, c, d, x, y] in points, y upwards. */
export interface TextPiece {
  readonly str: string
  readonly transform: readonly number[]
  readonly width: number
  readonly height: number
  readonly hasEOL: boolean
}

interface Line {
  text: string
  readonly y: number
  readonly size: number
}

// In sizes of the letters: a word's space is about a quarter, columns of a table stand further apart.
const [wordGap, columnGap, lineDrop, paragraphDrop] = [0.15, 1.5, 0.5, 1.8]

/** '' for a page that draws no text. */
export const pageText = (pieces: readonly TextPiece[]): string => {
  const lines: Line[] = []
  let end = 0 // x where the last piece ended
  let line: Line | undefined
  for (const { str, transform, width, height, hasEOL } of pieces) {
    const [a = 0, b = 0, , , x = 0, y = 0] = transform
    const size = height || Math.hypot(a, b) || 1
    if (str.trim() !== '') {
      if (line && Math.abs(y - line.y) > lineDrop * Math.max(size, line.size)) line = undefined
      if (line === undefined) {
        line = { text: str, y, size }
        lines.push(line)
      } else {
        const gap = (x - end) / size
        line.text += `${gap > columnGap || gap < -1 ? ' | ' : gap > wordGap && !/\s$/.test(line.text) ? ' ' : ''}${str}`
      }
      end = x + width
    } else if (line && str !== '' && width < columnGap * size) line.text += ' '
    if (hasEOL) line = undefined
  }
  return join(lines)
}

const join = (lines: readonly Line[]): string => {
  let text = ''
  let before: Line | undefined
  for (const line of lines) {
    const current = tidy(line.text)
    if (current === '') continue
    const drop = before ? (before.y - line.y) / Math.max(before.size, line.size) : 0
    // Upwards, or by more than a line: another column, another paragraph.
    const parts = before !== undefined && (drop > paragraphDrop || drop < -lineDrop)
    const divided = !parts && /\p{L}[\u00ad-]$/u.test(text) && /^\p{Ll}/u.test(current)
    if (divided) text = text.slice(0, -1)
    else if (before) text += parts ? '\n\n' : '\n'
    text += current
    before = line
  }
  return text
}

/** Ligatures as letters, no-break spaces as spaces; soft hyphens stay at the end of a line, where they divide a word. */
const tidy = (text: string): string =>
  text
    .replace(/[\ufb00-\ufb06]/g, (ligature) => ligature.normalize('NFKC'))
    .replace(/\u00ad(?!$)/g, '')
    .replace(/[\s\u00a0]+/g, ' ')
    .replace(/\0/g, '')
    .trim()
