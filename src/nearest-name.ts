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

/** Edits that make `typed` the name or, in words of four letters or more, its beginning. */
const distanceTo = (typed: string, known: string): number => {
  if (typed.length < 4) return editDistance(typed, known)
  const beginnings = [-1, 0, 1].map((more) => editDistance(typed, known.slice(0, typed.length + more)))
  const beginning = Math.min(...beginnings)
  return Math.min(editDistance(typed, known), beginning <= 1 ? beginning + 0.5 : Infinity) // the whole name wins a tie
}

/** undefined when nothing is near enough to be worth proposing: more than two edits in five letters. */
export const nearestName = (word: string, names: Iterable<string>): string | undefined => {
  const typed = word.toLowerCase()
  let best: { name: string; distance: number } | undefined
  for (const name of names) {
    const known = name.toLowerCase()
    const distance = distanceTo(typed, known)
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
