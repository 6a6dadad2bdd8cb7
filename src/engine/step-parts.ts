/**
 * Which tokens of which answers go through the model in the next step. Not here: what is read once for several
 * (common-beginnings.ts), the step itself (answer-together.ts).
 */
import { type Part, rowTokens } from './forward.ts'
import type { Generation } from './generation.ts'
import { panelTokens, type Sequence } from './sequence.ts'

export interface Growing {
  readonly sequence: Sequence
  readonly generation: Generation
}

export interface PartOf<G extends Growing> extends Part {
  readonly one: G
}

/**
 * Token rows that go through the model in a step: answers take one each, the rest is shared by what is being read, no more than
 * `panelTokens` of one question, so that a long one holds nobody up for long.
 */
const stepTokens = 512

/** From so many tokens on a product is computed in panels whatever the processor. */
const fewestInPanels = 6

/** From so many on it is computed by tiles where the processor has them (`kFewestTileTokens` in kernels/matmul.cc). */
const fewestInTiles = 20

/** Something of each, as far as there is room. Those with little to read go first. */
export const partsTogether = <G extends Growing>(growing: readonly G[]): PartOf<G>[] => {
  const parts: PartOf<G>[] = []
  let room = stepTokens
  for (const one of shortFirst(growing)) {
    if (room === 0) break
    const part = partOf(one, Math.min(room, panelTokens))
    room -= part.ids.length
    parts.push(part)
  }
  return parts
}

/**
 * Those that can share a step without any of them rounding otherwise than in a step of its own: products add up in another
 * order for many tokens than for few (docs/lab-book.md), so that questions are read together and answers grow three at a time,
 * in the order given.
 */
export const partsAsAlone = <G extends Growing>(growing: readonly G[]): PartOf<G>[] => {
  const reading = shortFirst(growing.filter((one) => nextCount(one) >= fewestInPanels))
  const byTiles = reading.filter((one) => nextCount(one) >= fewestInTiles)
  if (byTiles.length > 0) return fitting(byTiles, stepTokens)
  if (reading.length > 0) return fitting(reading, fewestInTiles - 1)
  const between = growing.find((one) => nextCount(one) > rowTokens)
  return between ? [partOf(between, panelTokens)] : fitting(growing, rowTokens)
}

const fitting = <G extends Growing>(growing: readonly G[], most: number): PartOf<G>[] => {
  let room = most
  return growing.flatMap((one) => {
    const count = nextCount(one)
    if (count > room) return []
    room -= count
    return [partOf(one, count)]
  })
}

/** Tokens that a step of its own would take in. */
const nextCount = ({ generation }: Growing): number => Math.min(generation.unread, panelTokens)

const shortFirst = <G extends Growing>(growing: readonly G[]): G[] =>
  [...growing].sort((a, b) => a.generation.unread - b.generation.unread)

const partOf = <G extends Growing>(one: G, most: number): PartOf<G> => ({
  one,
  sequence: one.sequence,
  ids: one.generation.read(most),
})
