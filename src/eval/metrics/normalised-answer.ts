/** Text as SQuAD's evaluation compares it, and the overlap of words; not a metric itself. */

/** Letters, digits and _ of every script, as Python's \b sees them; \b of JavaScript knows ASCII alone. */
const article = /(?<![\p{L}\p{N}_])(?:an?|the)(?![\p{L}\p{N}_])/gu

/** Lower case, without ASCII punctuation and the articles a, an, the; one space between words. */
export const normalisedAnswer = (text: string): string =>
  text
    .toLowerCase()
    .replace(/[!-/:-@[-`{-~]/g, '')
    .replace(article, ' ')
    .replace(/\s+/g, ' ')
    .trim()

export const wordsOf = (normalised: string): string[] => normalised.split(' ').filter((word) => word !== '')

/** Harmonic mean of precision and recall over the words of both, counted with repetition; 0 if nothing is in common. */
export const overlapF1 = (answer: readonly string[], reference: readonly string[]): number => {
  const left = [...reference]
  let sameCount = 0
  for (const word of answer) {
    const at = left.indexOf(word)
    if (at < 0) continue
    left.splice(at, 1)
    sameCount++
  }
  return sameCount === 0 ? 0 : (2 * sameCount) / (answer.length + reference.length)
}
