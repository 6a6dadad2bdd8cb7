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
  const counts = countsOf(lines)
  const least = Math.max(fewestPages, leastShare * pages.filter((page) => page !== '').length)
  const seen = new Set<string>()
  const left = lines.map((page, index) => {
    const gone = new Set<number>()
    for (const at of endsOf(page)) {
      const repeated = repeatsOf(page[at] ?? '', index).find(({ key }) => (counts.get(key) ?? 0) >= least)
      if (!repeated) continue
      if (seen.has(repeated.key) || repeated.isPageNumber) gone.add(at)
      seen.add(repeated.key)
    }
    return page
      .filter((_, at) => !gone.has(at))
      .join('\n')
      .replace(/^\n+|\n+$/g, '')
      .replace(/\n{3,}/g, '\n\n')
  })
  // Pages of nothing but numbers: then these are the text.
  return left.every((page) => page === '') ? [...pages] : left
}

/** On how many pages each thing that may be repeated is. */
const countsOf = (pages: readonly (readonly string[])[]): Map<string, number> => {
  const counts = new Map<string, number>()
  for (const [index, page] of pages.entries()) {
    const keys = endsOf(page).flatMap((at) => repeatsOf(page[at] ?? '', index).map(({ key }) => key))
    for (const key of new Set(keys)) counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  return counts
}

/** The first and last lines that are not blank. */
const endsOf = (page: readonly string[]): number[] => {
  const written = [...page.keys()].filter((at) => page[at] !== '')
  return [...new Set([...written.slice(0, deepest), ...written.slice(-deepest)])]
}

interface Repeat {
  readonly key: string // the same on every page that repeats it
  readonly isPageNumber: boolean // and no words
}

/** Longer lines are text, and rows of numbers would be looked at number by number. */
const longestLine = 200

/**
 * As what a line may stand on other pages too: word for word, or with one number that grows by one from page to page. Rows of
 * a table and dates have numbers that do not. "Question 3" on the third page is a title of its own, "Page 3" or
 * "Part One | 3" is not: words and a page number have something between them, unless they say what it is.
 */
const repeatsOf = (line: string, index: number): Repeat[] => {
  if (line === '' || line.length > longestLine) return []
  const hasWords = /\p{L}/u.test(line)
  const mayCount = !hasWords || separated.test(line)
  const counting = [...(mayCount ? line.matchAll(/\d+/g) : [])].map(({ 0: digits, index: at = 0 }): Repeat => {
    const around = `${line.slice(0, at)}#${line.slice(at + digits.length)}`
    return { key: `${around} ${Number(digits) - index}`, isPageNumber: !hasWords }
  })
  return [{ key: line, isPageNumber: false }, ...counting]
}

const separated = /[|·•—–/:()[\]-]|\s{2}|\bpage\b/i
