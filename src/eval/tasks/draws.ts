/** Seeded choices: the same seed and names give the same choices on every machine. Not for anything secret. */
import { uniformNumbers } from '../../engine/random.ts'

export interface Draws {
  /** A whole number from `low` to `high`, both possible. */
  integer(low: number, high: number): number
  /** One of a list that is not empty. */
  pick<T>(list: readonly T[]): T
  /** `count` different places of the list, in random order. Throws RangeError when it has fewer. */
  sample<T>(list: readonly T[], count: number): T[]
  shuffle<T>(list: readonly T[]): T[]
}

/** FNV-1a: names of streams as the whole numbers that the generator takes. */
const streamOf = (name: string | number): number => {
  if (typeof name === 'number') return name >>> 0
  let hash = 0x811c9dc5
  for (const character of name) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193) >>> 0
  return hash
}

/** @param names what is drawn for (task, sample, part): other names give independent choices. */
export const createDraws = (seed: number, ...names: readonly (string | number)[]): Draws => {
  const uniform = uniformNumbers(seed, ...names.map(streamOf))
  const integer = (low: number, high: number): number => low + Math.floor(uniform() * (high - low + 1))
  /** The first `count` steps of a Fisher-Yates shuffle. */
  const sample = <T>(list: readonly T[], count: number): T[] => {
    if (count > list.length) throw new RangeError(`cannot draw ${count} of ${list.length} without repeating one`)
    const places = [...list]
    for (let at = 0; at < count; at++) {
      const other = integer(at, places.length - 1)
      const taken = places[other] as T
      places[other] = places[at] as T
      places[at] = taken
    }
    return places.slice(0, count)
  }
  return {
    integer,
    pick: (list) => list[integer(0, list.length - 1)] as (typeof list)[number],
    sample,
    shuffle: (list) => sample(list, list.length),
  }
}

/** Endless, no two alike. `make` must be able to make as many. */
export const different = (make: () => string): (() => string) => {
  const seen = new Set<string>()
  return () => {
    let made = make()
    while (seen.has(made)) made = make()
    seen.add(made)
    return made
  }
}

/** The first so many of a sequence that is made as far as anyone asks, and only once. */
export const growing = <T>(make: () => T): ((count: number) => readonly T[]) => {
  const made: T[] = []
  return (count) => {
    while (made.length < count) made.push(make())
    return made.slice(0, count)
  }
}
