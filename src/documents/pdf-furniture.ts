/**
 * What a PDF repeats at the top and bottom of its pages: running titles and page numbers. Between two pages they stand in
 * the middle of a sentence. Pages keep their numbers as marks. Not here: what a page's lines are (pdf-lines.ts).
 */

/** Lines at each end of a page that may be furniture. */
const deepest = 2
const fewestPages = 4
/** Of all pages with text: left and right pages may have titles of their own. */
const leastShare = 0.4

/** → the same pages; of a title the first one stays */
export const withoutFurniture = (pages: readonly string[]): string[] => {
  const lines = pages.map((page) => page.split('\n'))
  const counts = new Map<string, number>()
  for (const page of lines)
    for (const shape of new Set(endsOf(page).map((at) => shapeOf(page[at] ?? ''))))
      counts.set(shape, (counts.get(shape) ?? 0) + 1)
  const least = Math.max(fewestPages, leastShare * pages.filter((page) => page !== '').length)
  const seen = new Set<string>()
  return lines.map((page) => {
    const gone = new Set<number>()
    for (const at of endsOf(page)) {
      const shape = shapeOf(page[at] ?? '')
      if (shape === '' || (counts.get(shape) ?? 0) < least) continue
      if (seen.has(shape) || !/\p{L}/u.test(shape)) gone.add(at)
      seen.add(shape)
    }
    return page
      .filter((_, at) => !gone.has(at))
      .join('\n')
      .replace(/^\n+|\n+$/g, '')
      .replace(/\n{3,}/g, '\n\n')
  })
}

/** The first and last lines that are not blank. */
const endsOf = (page: readonly string[]): number[] => {
  const written = [...page.keys()].filter((at) => page[at] !== '')
  return [...new Set([...written.slice(0, deepest), ...written.slice(-deepest)])]
}

/** Page numbers differ from page to page. */
const shapeOf = (line: string): string => line.replace(/\d+/g, '#')
