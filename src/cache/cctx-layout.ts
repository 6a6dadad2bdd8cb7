/**
 * Where each array of a .cctx lies, computed from the header's counts alone: writer and reader run the same code and no
 * offset in a file is ever trusted. All offsets are in bytes from the first byte after the header's pages.
 *
 *   token ids u32 [tokens] | source offsets u32 [tokens]
 *   head part: per layer K, V (nothing in layers with a window)
 *   windows: per layer with a window K, V of its last tokens
 *   tiers, each from a page: per layer K, V; then per layer codes u16, positions u16 or u32, biases f32
 */
import { elementBytes, windowTokens } from './block.ts'
import { type BlockHeader, shapeOf } from './cctx-header.ts'

export const pageBytes = 4096
const alignment = 64

/** Runs of equal rows. A section, and in K and V every run, begins at a multiple of 64 bytes; what lies between is zero. */
export interface Section {
  readonly at: number
  readonly rowBytes: number
  readonly starts: Uint32Array // [runs], first row of each
  readonly counts: Uint32Array // [runs]
  readonly rows: number // up to the end of the last run
}

export interface PieceLayout {
  readonly k: Section
  readonly v: Section
}

export interface TierPieceLayout extends PieceLayout {
  readonly codes: Section | undefined
  readonly positions: Section
  readonly bias: Section | undefined
}

export interface Layout {
  readonly tokenIds: Section
  readonly sourceOffsets: Section
  readonly headPart: readonly PieceLayout[] // [layer]
  readonly windowPart: readonly (PieceLayout | undefined)[] // [layer]
  readonly tiersAt: number
  readonly tiers: readonly {
    readonly offset: number
    readonly bytes: number
    readonly layers: readonly TierPieceLayout[]
  }[]
  readonly sections: readonly Section[] // all of the above in file order
  readonly bytes: number
}

export type TierCounts = readonly (readonly number[])[] // [layer][kvHeads]

/** What a layout depends on. */
export interface LayoutShape extends Omit<BlockHeader, 'tiers' | 'selection' | 'scoreMoments' | 'nested'> {
  readonly tiers: readonly { readonly counts: TierCounts }[]
}

export const alignUp = (bytes: number, to: number): number => Math.ceil(bytes / to) * to

/** Documents whose positions take two bytes. */
export const shortPositions = (originalTokens: number): boolean => originalTokens <= 65535

export const layoutOf = (shape: LayoutShape): Layout => {
  const sections: Section[] = []
  let cursor = 0
  const place = (rowBytes: number, counts: readonly number[], starts: Uint32Array): Section => {
    const rows = (starts.at(-1) ?? 0) + (counts.at(-1) ?? 0)
    const section = { at: alignUp(cursor, alignment), rowBytes, starts, counts: Uint32Array.from(counts), rows }
    cursor = section.at + rows * rowBytes
    sections.push(section)
    return section
  }
  const vectorBytes = shape.headDim * elementBytes[shape.precision]
  const placeVectors = (counts: readonly number[]): Section =>
    place(vectorBytes, counts, alignedStarts(counts, vectorBytes))
  const placePiece = (counts: readonly number[]): PieceLayout => ({ k: placeVectors(counts), v: placeVectors(counts) })
  const placeTokens = (): Section => place(4, [shape.originalTokens], new Uint32Array(1))

  const tokenIds = placeTokens()
  const sourceOffsets = placeTokens()
  const forAllHeads = (tokens: number): number[] => new Array<number>(shape.kvHeadCount).fill(tokens)
  const before = shape.headTokens + shape.originalTokens
  const windows = Array.from({ length: shape.layerCount }, (_, layer) => windowTokens(shapeOf(shape), layer, before))
  const headPart = windows.map((window) => placePiece(forAllHeads(window === undefined ? shape.headTokens : 0)))
  const windowPart = windows.map((window) => (window === undefined ? undefined : placePiece(forAllHeads(window))))
  cursor = alignUp(cursor, pageBytes)
  const tiersAt = cursor
  const tiers = shape.tiers.map(({ counts }) => {
    cursor = alignUp(cursor, pageBytes)
    const from = cursor
    const pieces = counts.map(placePiece)
    const layers = pieces.map(({ k, v }, layer) => {
      const placeIndex = (bytes: number): Section => place(bytes, counts[layer] ?? [], k.starts)
      const codes = shape.order === 'importance' ? placeIndex(2) : undefined
      const positions = placeIndex(shortPositions(shape.originalTokens) ? 2 : 4)
      return { k, v, codes, positions, bias: shape.biased ? placeIndex(4) : undefined }
    })
    return { offset: from - tiersAt, bytes: cursor - from, layers }
  })
  return { tokenIds, sourceOffsets, headPart, windowPart, tiersAt, tiers, sections, bytes: cursor }
}

/** The byte ranges that hold values, in file order: [from, to) */
export function* valueRanges(
  section: Section,
): Generator<{ readonly from: number; readonly to: number; readonly run: number }> {
  for (let run = 0; run < section.counts.length; run++) {
    const from = section.at + (section.starts[run] ?? 0) * section.rowBytes
    yield { from, to: from + (section.counts[run] ?? 0) * section.rowBytes, run }
  }
}

// A run begins at a whole row that is also a multiple of 64 bytes.
const alignedStarts = (counts: readonly number[], rowBytes: number): Uint32Array => {
  const rowsPerStart = alignment / greatestCommonDivisor(alignment, rowBytes)
  const starts = new Uint32Array(counts.length)
  let row = 0
  counts.forEach((count, run) => {
    starts[run] = row
    row = alignUp(row + count, rowsPerStart)
  })
  return starts
}

const greatestCommonDivisor = (a: number, b: number): number => (b === 0 ? a : greatestCommonDivisor(b, a % b))
