/**
 * Opens a .cctx: maps the file, checks every byte of it, and hands out a block whose tensors are the file's own bytes.
 * Nothing in a file is believed before its checksum held and its numbers fit. Not here: how a file is mapped (the caller's).
 */
import { type FileHandle, open, stat } from 'node:fs/promises'
import { digests } from '../backends/digests.ts'
import type { Ops, Tensor } from '../backends/ops.ts'
import { CompactorError } from '../error.ts'
import { fileReason } from '../file-reason.ts'
import { shown } from '../shown.ts'
import { Block, type Piece, type TierPiece } from './block.ts'
import { type ContextHeader, readHeader, shapeOf } from './cctx-header.ts'
import {
  type Layout,
  layoutOf,
  type PieceLayout,
  type Section,
  type TierPieceLayout,
  valueRanges,
} from './cctx-layout.ts'
import {
  arraysStart,
  bodyStart,
  chunkBytes,
  corrupt,
  decodePrologue,
  isContext,
  type Prologue,
  prologueBytes,
  verifyChunks,
  verifyFront,
} from './cctx-prologue.ts'

/** A whole file as memory, from a page boundary; `release` gives it back. */
export type MapFile = (path: string) => { readonly bytes: Uint8Array; release(): void }

export interface OpenedContext {
  readonly header: ContextHeader
  readonly block: Block
  readonly tokenIds: Uint32Array // [tokens] of the document
  readonly sourceOffsets: Uint32Array // [tokens], where each begins in the document, UTF-8 bytes
  readonly fileBytes: number
  /** Gives the mapping back. Nothing of this context may be touched afterwards: the memory is gone. */
  release(): void
}

/** Throws CompactorError: 'file-unreadable', 'context-corrupt', 'context-unsupported'. */
export const openContext = async (path: string, ops: Ops, map: MapFile): Promise<OpenedContext> => {
  const { size } = await statFile(path)
  if (size < prologueBytes) await readContextHeader(path) // too short to map; says why
  const { bytes, release } = map(path)
  try {
    const opened = readMapped(ops, path, bytes)
    // Whoever writes through us replaces files whole; somebody else may have cut this one while it was read.
    const now = await statFile(path)
    if (now.size !== bytes.length)
      throw corrupt(path, `it changed from ${bytes.length} to ${now.size} bytes while it was read`)
    return { ...opened, release }
  } catch (error) {
    release()
    throw error
  }
}

/** The header alone, its own bytes verified; the arrays are not looked at. Throws as openContext does. */
export const readContextHeader = async (
  path: string,
): Promise<{ readonly header: ContextHeader; readonly fileBytes: number }> => {
  const { size } = await statFile(path)
  const file = await open(path, 'r').catch((cause: unknown) => {
    throw unreadable(path, cause)
  })
  try {
    const prologue = decodePrologue(await readAt(file, 0, prologueBytes), { name: path, fileBytes: size })
    const front = await readAt(file, 0, bodyStart(prologue.chunkCount))
    verifyFront(front, path)
    const chunks = await readAt(file, front.length, Math.ceil(prologue.headerBytes / chunkBytes) * chunkBytes)
    verifyChunks(front, chunks, { digests, name: path })
    const { header } = parseHeader(chunks.subarray(0, prologue.headerBytes), prologue, path)
    return { header, fileBytes: prologue.fileBytes }
  } finally {
    await file.close()
  }
}

/** Whether a file begins as a .cctx does, whatever it is called. */
export const isContextFile = async (path: string): Promise<boolean> => {
  await statFile(path)
  const file = await open(path, 'r').catch((cause: unknown) => {
    throw unreadable(path, cause)
  })
  return readAt(file, 0, 8)
    .then(isContext)
    .finally(() => file.close())
}

/** Throws CompactorError('context-mismatch') naming both models. */
export const checkModel = (
  { model }: Pick<ContextHeader, 'model'>,
  given: { readonly name: string; readonly fingerprint: string },
): void => {
  if (model.fingerprint === given.fingerprint) return
  const [theirs, ours] = [model.fingerprint, given.fingerprint].map((hex) => hex.slice(0, 12))
  throw new CompactorError(
    'context-mismatch',
    `the context was made by ${shown(model.name)} (sha256 ${theirs}…) and cannot be read by ${given.name} (sha256 ${ours}…): load ${shown(model.name)}, or compress the document again.`,
  )
}

const readMapped = (ops: Ops, name: string, bytes: Uint8Array): Omit<OpenedContext, 'release'> => {
  const prologue = decodePrologue(bytes, { name, fileBytes: bytes.length })
  const front = bytes.subarray(0, bodyStart(prologue.chunkCount))
  verifyFront(front, name)
  const body = bytes.subarray(front.length)
  verifyChunks(front, body, { digests: ops.digests, name })
  const { header, layout } = parseHeader(body.subarray(0, prologue.headerBytes), prologue, name)
  const arraysAt = arraysStart(prologue)
  const arrays = bytes.subarray(arraysAt)
  const requireZeros = (from: number, to: number): void => {
    const found = bytes.subarray(from, to).findIndex((byte) => byte !== 0)
    if (found >= 0) throw corrupt(name, `byte ${from + found} is ${bytes[from + found]} where only zeros belong`)
  }
  requireZeros(front.length + prologue.headerBytes, arraysAt)
  requireZeros(28, 32)
  requireZeros(prologueBytes + prologue.chunkCount * 16, front.length)
  for (const { from, to } of gaps(layout)) requireZeros(arraysAt + from, arraysAt + to)
  const block = blockOver(ops, { arrays, header, layout })
  requirePositions(block, name)
  return {
    header,
    block,
    tokenIds: u32(arrays, layout.tokenIds),
    sourceOffsets: u32(arrays, layout.sourceOffsets),
    fileBytes: prologue.fileBytes,
  }
}

const parseHeader = (json: Uint8Array, prologue: Prologue, name: string): { header: ContextHeader; layout: Layout } => {
  const header = headerOf(json, name)
  const layout = layoutOf(header.block)
  const expected = arraysStart(prologue) + layout.bytes
  if (expected !== prologue.fileBytes)
    throw corrupt(name, `its header describes ${expected} bytes, the file has ${prologue.fileBytes}`)
  const misplaced = layout.tiers.findIndex(({ offset, bytes }, i) => {
    const tier = header.block.tiers[i]
    return tier?.offset !== offset || tier.bytes !== bytes
  })
  if (misplaced >= 0) throw corrupt(name, `its header puts tier ${misplaced} elsewhere than its counts do`)
  return { header, layout }
}

const headerOf = (bytes: Uint8Array, name: string): ContextHeader => {
  let json: unknown
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw corrupt(name, 'its header cannot be read (it is not JSON)', cause)
  }
  try {
    return readHeader(json)
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    throw corrupt(name, `its header cannot be read (${cause.message})`, cause)
  }
}

const blockOver = (
  ops: Ops,
  { arrays, header, layout }: { readonly arrays: Uint8Array; readonly header: ContextHeader; readonly layout: Layout },
): Block => {
  const { originalTokens, layerCount: _, kvHeadCount: __, windows: ___, headDim, precision, ...plan } = header.block
  const vectors = (section: Section): Tensor => {
    const length = section.rows * headDim
    const at = arrays.byteOffset + section.at
    const values =
      precision === 'f16' ? new Uint16Array(arrays.buffer, at, length) : new Float32Array(arrays.buffer, at, length)
    return ops.from(values, [section.rows, headDim])
  }
  const pieceOver = ({ k, v }: PieceLayout): Piece => ({
    k: vectors(k),
    v: vectors(v),
    starts: k.starts,
    counts: k.counts,
  })
  const tierPieceOver = (place: TierPieceLayout): TierPiece => ({
    ...pieceOver(place),
    positions: place.positions.rowBytes === 2 ? u16(arrays, place.positions) : u32(arrays, place.positions),
    codes: place.codes && u16(arrays, place.codes),
    bias: place.bias && ops.from(f32(arrays, place.bias), [place.bias.rows]),
  })
  return new Block(
    { ...plan, shape: shapeOf(header.block), documentTokens: originalTokens },
    {
      headPart: layout.headPart.map(pieceOver),
      tiers: layout.tiers.map(({ layers }) => layers.map(tierPieceOver)),
      windowPart: layout.windowPart.map((place) => place && pieceOver(place)),
    },
  )
}

// Checksums say that nothing changed, not that the writer was honest: a position out of range would be read through, one
// that comes twice would count twice.
const requirePositions = (block: Block, name: string): void => {
  const { documentTokens, shape, tiers } = block
  const seen = new Uint32Array(documentTokens) // the last run that kept each token, from 1
  for (let layer = 0, run = 1; layer < shape.layerCount; layer++)
    for (let head = 0; head < shape.kvHeadCount; head++, run++)
      for (const tier of tiers) {
        const position = findWrong(positionsOf(tier[layer], head), seen, run)
        if (position === undefined) continue
        throw corrupt(
          name,
          position >= documentTokens
            ? `it keeps token ${position} of a document of ${documentTokens}`
            : `layer ${layer}, head ${head} keeps token ${position} twice`,
        )
      }
}

/** The first position that is out of range or that `run` has kept already. A function of its own, so that it is compiled soon. */
const findWrong = (positions: Uint16Array | Uint32Array, seen: Uint32Array, run: number): number | undefined => {
  for (let i = 0; i < positions.length; i++) {
    const position = positions[i] as number
    if (position >= seen.length || seen[position] === run) return position
    seen[position] = run
  }
  return undefined
}

const positionsOf = (piece: TierPiece | undefined, head: number): Uint16Array | Uint32Array => {
  const start = piece?.starts[head] ?? 0
  return piece?.positions.subarray(start, start + (piece.counts[head] ?? 0)) ?? new Uint16Array()
}

/** What lies between values, in bytes from the first array. */
function* gaps(layout: Layout): Generator<{ readonly from: number; readonly to: number }> {
  let end = 0
  for (const section of layout.sections)
    for (const { from, to } of valueRanges(section)) {
      if (from > end) yield { from: end, to: from }
      end = Math.max(end, to)
    }
}

const u16 = (bytes: Uint8Array, { at, rows }: Section): Uint16Array =>
  new Uint16Array(bytes.buffer, bytes.byteOffset + at, rows)
const u32 = (bytes: Uint8Array, { at, rows }: Section): Uint32Array =>
  new Uint32Array(bytes.buffer, bytes.byteOffset + at, rows)
const f32 = (bytes: Uint8Array, { at, rows }: Section): Float32Array =>
  new Float32Array(bytes.buffer, bytes.byteOffset + at, rows)

const statFile = async (path: string): Promise<{ readonly size: number }> => {
  const found = await stat(path).catch((cause: unknown) => {
    throw unreadable(path, cause)
  })
  if (!found.isFile())
    throw new CompactorError(
      'file-unreadable',
      `${path} is ${found.isDirectory() ? 'a folder' : 'no regular file'}: give the path of a .cctx file.`,
    )
  return found
}

const unreadable = (path: string, cause: unknown): CompactorError =>
  new CompactorError('file-unreadable', `${path} cannot be read: ${fileReason(cause)}.`, { cause })

/** Up to `length` bytes, fewer at the file's end. */
const readAt = async (file: FileHandle, at: number, length: number): Promise<Uint8Array> => {
  const bytes = new Uint8Array(length)
  let done = 0
  while (done < length) {
    const { bytesRead } = await file.read(bytes, done, length - done, at + done)
    if (bytesRead === 0) break
    done += bytesRead
  }
  return bytes.subarray(0, done)
}
