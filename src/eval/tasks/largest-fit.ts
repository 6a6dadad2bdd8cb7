/** The largest context that fits a number of tokens, found with as few counts of tokens as possible. */

export interface Search<T> {
  /** Fewest units (words, lines, documents) that make sense. */
  readonly least: number
  /** Where to look first; a good guess saves counts. */
  readonly guess: number
  readonly limit: number // tokens
  build(units: number): T
  tokensOf(built: T): number
}

export interface Fit<T> {
  readonly units: number
  readonly built: T
}

/**
 * What is built of the most units within the limit; undefined when the least is already too long. Tokens grow nearly in
 * proportion to units, so each count gives the next place to look; the bracket shrinks with every one of them.
 */
export const largestFit = <T>({ least, guess, limit, build, tokensOf }: Search<T>): Fit<T> | undefined => {
  let best = { units: least, built: build(least) }
  const leastTokens = tokensOf(best.built)
  if (leastTokens > limit) return undefined
  let tooMany = Number.POSITIVE_INFINITY
  let next = Math.max(guess, least + 1)
  while (tooMany - best.units > 1) {
    const built = build(next)
    const tokens = tokensOf(built)
    if (tokens <= limit) best = { units: next, built }
    else tooMany = next
    const perUnit = Math.max((tokens - leastTokens) / (next - least), 1 / 64)
    const aim = next + Math.floor((limit - tokens) / perUnit)
    next = Math.min(Math.max(aim, best.units + 1), tooMany - 1, 16 * next + 64)
  }
  return best
}
