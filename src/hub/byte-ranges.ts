/** Which bytes of a file are there: ranges [start, end) in order, never touching one another. Plain arithmetic. */

export type ByteRange = readonly [start: number, end: number]

/** `ranges` with one more in it. */
export const addRange = (ranges: readonly ByteRange[], [start, end]: ByteRange): ByteRange[] => {
  const apart = ranges.filter(([from, to]) => to < start || from > end)
  const touching = ranges.filter(([from, to]) => to >= start && from <= end)
  const merged: ByteRange = [
    Math.min(start, ...touching.map(([from]) => from)),
    Math.max(end, ...touching.map(([, to]) => to)),
  ]
  return [...apart, merged].sort(([a], [b]) => a - b)
}

export const byteCount = (ranges: readonly ByteRange[]): number =>
  ranges.reduce((sum, [start, end]) => sum + end - start, 0)

/** What of [0, total) is in none of the ranges, in pieces of at most `pieceBytes`. */
export const missingRanges = (ranges: readonly ByteRange[], total: number, pieceBytes: number): ByteRange[] => {
  const starts = [0, ...ranges.map(([, end]) => end)]
  const ends = [...ranges.map(([start]) => start), total]
  return starts.flatMap((start, gap) => cut([start, ends[gap] ?? total], pieceBytes))
}

const cut = ([start, end]: ByteRange, pieceBytes: number): ByteRange[] => {
  const pieces: ByteRange[] = []
  for (let at = start; at < end; at += pieceBytes) pieces.push([at, Math.min(end, at + pieceBytes)])
  return pieces
}

/** Whether something that was read back is a list of ranges inside [0, total). */
export const areRanges = (value: unknown, total: number): value is ByteRange[] =>
  Array.isArray(value) &&
  value.every(
    (range: unknown, index) =>
      Array.isArray(range) &&
      range.length === 2 &&
      range.every(Number.isSafeInteger) &&
      range[0] >= (index === 0 ? 0 : value[index - 1][1] + 1) &&
      range[0] < range[1] &&
      range[1] <= total,
  )
