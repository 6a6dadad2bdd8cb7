/** How many passages an answer may name as its sources. Not here: which (sources.ts). */

export const mostSources = 50

/** Throws RangeError. */
export const checkSourceCount = (count: number | undefined): void => {
  if (count !== undefined && !(Number.isInteger(count) && count >= 1 && count <= mostSources))
    throw new RangeError(`sources must be a whole number from 1 to ${mostSources}, got ${count}`)
}
