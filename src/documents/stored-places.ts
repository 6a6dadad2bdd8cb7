/**
 * Places as a context file carries them, so that a later process can name where a passage stood: the same marks, in a size
 * bounded by the document's tokens. What does not fit becomes coarser, never wrong.
 */
import type { Mark, Places } from './document.ts'

export interface StoredPlaces {
  readonly marks: readonly {
    readonly offset: number
    readonly kind: Mark['kind']
    readonly label: string
    readonly level?: number
  }[]
  /** Bytes between the starts of lines, the first from the beginning. */
  readonly lineLengths: readonly number[]
  readonly lineStep: number
}

const longestLabel = 200
const mostMarks = 2 ** 16
const mostLines = 2 ** 20

/** A file of few tokens still names its headings; a long one spends at most as much as its token ids take. */
const bytesFor = (tokens: number): number => 16_384 + 4 * tokens

/**
 * Lines get half of the room: where that is too little, only each second, fourth, … start is stored. Then the deepest
 * headings go, then every second of what is left is named together with the one before it.
 * @param tokens of the document
 */
export const storePlaces = ({ marks, lineStarts, lineStep }: Places, tokens: number): StoredPlaces => {
  const room = bytesFor(tokens)
  const lines = thinLines(lineStarts, { step: lineStep, room: room / 2 })
  const left = room - textBytes(lines.lineLengths)
  const short = marks.map(({ offset, kind, label, level }) => ({
    offset,
    kind,
    label: shorten(label),
    ...(level === undefined ? {} : { level: Math.min(Math.max(level, 1), 9) }),
  }))
  return { marks: thinMarks(short, left), ...lines }
}

type StoredMark = StoredPlaces['marks'][number]

const thinMarks = (marks: readonly StoredMark[], room: number): readonly StoredMark[] => {
  const fits = (some: readonly StoredMark[]): boolean => some.length <= mostMarks && textBytes(some) <= room
  let kept = marks
  for (let level = 9; level >= 1 && !fits(kept); level--)
    kept = kept.filter(({ kind, level: own = 1 }) => kind !== 'heading' || own < level)
  while (!fits(kept) && kept.length > 1) kept = pairUp(kept)
  return kept
}

/** Of two neighbours of one kind, one mark that names both. Lines are named by files then. */
const pairUp = (marks: readonly StoredMark[]): StoredMark[] => {
  const paired: StoredMark[] = []
  const rest = marks.filter(({ kind }) => kind !== 'line')
  for (let i = 0; i < rest.length; i++) {
    const [one, other] = [rest[i], rest[i + 1]]
    if (one === undefined) break
    if (other?.kind === one.kind) {
      paired.push({ ...one, label: shorten(`${firstOf(one.label)} to ${lastOf(other.label)}`) })
      i++
    } else paired.push(one)
  }
  if (paired.length < marks.length) return paired
  // Kinds that alternate have no neighbours of their own: pages within files, say. The finest one goes.
  const finest = (['page', 'chapter', 'file'] as const).find((kind) => marks.some((mark) => mark.kind === kind))
  return marks.filter(({ kind }) => kind !== finest)
}

const firstOf = (label: string): string => label.split(' to ')[0] ?? label
const lastOf = (label: string): string => label.split(' to ').at(-1) ?? label

const thinLines = (
  starts: ArrayLike<number>,
  { step, room }: { readonly step: number; readonly room: number },
): Pick<StoredPlaces, 'lineLengths' | 'lineStep'> => {
  for (let every = 1; ; every *= 2) {
    if (starts.length / every > mostLines || (starts.length * 2) / every > room) continue
    const lineLengths: number[] = []
    for (let i = 0, before = 0; i < starts.length; i += every) {
      lineLengths.push((starts[i] ?? 0) - before)
      before = starts[i] ?? 0
    }
    if (textBytes(lineLengths) <= room) return { lineLengths, lineStep: step * every }
  }
}

const textBytes = (value: unknown): number => Buffer.byteLength(JSON.stringify(value))

const shorten = (label: string): string =>
  label.length > longestLabel ? `${label.slice(0, longestLabel - 1)}…` : label

/** For `placeAt`. */
export const restorePlaces = ({ marks, lineLengths, lineStep }: StoredPlaces): Places => {
  const lineStarts = new Float64Array(lineLengths.length)
  let at = 0
  lineLengths.forEach((length, i) => {
    at += length
    lineStarts[i] = at
  })
  return { marks, lineStarts, lineStep }
}
