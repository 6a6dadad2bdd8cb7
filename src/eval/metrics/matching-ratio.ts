/**
 * Similarity of two strings after Ratcliff and Obershelp, number for number as Python's difflib, which fuzzywuzzy and with
 * it LongBench's published code scores use. Not an edit distance: the longest common block counts, then those left and
 * right of it.
 */

interface Region {
  readonly a: readonly [from: number, to: number]
  readonly b: readonly [from: number, to: number]
}

interface Match {
  readonly a: number
  readonly b: number
  readonly size: number
}

/** Where each character stands in `b`. In 200 characters or more, those above 1 % of them start no block. */
const placesIn = (b: readonly string[]): Map<string, number[]> => {
  const places = new Map<string, number[]>()
  for (const [at, character] of b.entries()) {
    const known = places.get(character)
    if (known) known.push(at)
    else places.set(character, [at])
  }
  const most = b.length >= 200 ? Math.floor(b.length / 100) + 1 : b.length
  for (const [character, at] of places) if (at.length > most) places.delete(character)
  return places
}

/** The longest common block of a region, the first in a and then in b of equally long ones; grown by frequent characters. */
const longestMatch = (
  a: readonly string[],
  b: readonly string[],
  { places, region }: { readonly places: ReadonlyMap<string, readonly number[]>; readonly region: Region },
): Match => {
  const [[aFrom, aTo], [bFrom, bTo]] = [region.a, region.b]
  let found: Match = { a: aFrom, b: bFrom, size: 0 }
  let endingAbove = new Map<number, number>() // size of the block that ends at a place of b and the character before i
  for (let i = aFrom; i < aTo; i++) {
    const ending = new Map<number, number>()
    for (const j of places.get(a[i] ?? '') ?? []) {
      if (j < bFrom || j >= bTo) continue
      const size = (endingAbove.get(j - 1) ?? 0) + 1
      ending.set(j, size)
      if (size > found.size) found = { a: i - size + 1, b: j - size + 1, size }
    }
    endingAbove = ending
  }
  let { a: aStart, b: bStart, size } = found
  while (aStart > aFrom && bStart > bFrom && a[aStart - 1] === b[bStart - 1]) {
    aStart--
    bStart--
    size++
  }
  while (aStart + size < aTo && bStart + size < bTo && a[aStart + size] === b[bStart + size]) size++
  return { a: aStart, b: bStart, size }
}

/** 2 · characters in common blocks / characters of both; 1 for two empty strings. */
export const matchingRatio = (left: string, right: string): number => {
  const a = Array.from(left)
  const b = Array.from(right)
  if (a.length + b.length === 0) return 1
  const places = placesIn(b)
  const regions: Region[] = [{ a: [0, a.length], b: [0, b.length] }]
  let matched = 0
  for (let region = regions.pop(); region; region = regions.pop()) {
    const match = longestMatch(a, b, { places, region })
    if (match.size === 0) continue
    matched += match.size
    regions.push({ a: [region.a[0], match.a], b: [region.b[0], match.b] })
    regions.push({ a: [match.a + match.size, region.a[1]], b: [match.b + match.size, region.b[1]] })
  }
  return (2 * matched) / (a.length + b.length)
}
