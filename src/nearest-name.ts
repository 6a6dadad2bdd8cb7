/** The known name that a mistyped one most likely meant. A leaf: every folder may import it. */

/** Edits between two words; swapping neighbours counts as one edit. */
const editDistance = (a: string, b: string): number => {
  const table = new Map<string, number>()
  const at = (i: number, j: number): number => (i === 0 ? j : j === 0 ? i : (table.get(`${i},${j}`) ?? 0))
  for (let i = 1; i <= a.length; i++)
    for (let j = 1; j <= b.length; j++) {
      const replaced = at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1)
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      const swapped = isSwap ? at(i - 2, j - 2) + 1 : replaced
      table.set(`${i},${j}`, Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, replaced, swapped))
    }
  return at(a.length, b.length)
}

/** undefined when nothing is near enough to be worth proposing (more than two edits in five letters, or no shared start). */
export const nearestName = (word: string, names: Iterable<string>): string | undefined => {
  const typed = word.toLowerCase()
  let best: { name: string; distance: number } | undefined
  for (const name of names) {
    const known = name.toLowerCase()
    const begins = typed.length >= 3 && known.startsWith(typed)
    const distance = begins ? 0.5 : editDistance(typed, known)
    if (distance > Math.max(1, Math.max(typed.length, known.length) * 0.4)) continue
    if (!best || distance < best.distance) best = { name, distance }
  }
  return best?.name
}

/** '; did you mean X?' or nothing, to end a sentence with. */
export const didYouMean = (word: string, names: Iterable<string>): string => {
  const name = nearestName(word, names)
  return name === undefined ? '' : `; did you mean ${name}?`
}
