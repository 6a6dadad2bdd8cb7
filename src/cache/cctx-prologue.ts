/**
 * The first bytes of a .cctx and its checksums, from which every other byte is checked:
 *
 *   0  magic (8)            24  chunk count u32
 *   8  version u32          28  zero (4)
 *  12  header bytes u32     32  root: sha256 of bytes 0 to 32 and of everything from 64 to the body
 *  16  file bytes u64       64  table: first 16 bytes of sha256 of each 64 KiB of the body; zero up to the next page
 *
 * The body follows: header JSON, zero up to the next page, then what cctx-layout.ts places.
 */
import { createHash } from 'node:crypto'
import { CompactorError } from '../error.ts'
import { formatVersion, oldestVersion } from './cctx-header.ts'
import { alignUp, pageBytes } from './cctx-layout.ts'

export const prologueBytes = 64
export const chunkBytes = 65536
export const digestBytes = 16
const maxHeaderBytes = 16 * 2 ** 20
// Like PNG's: not text, and damaged by a transfer that rewrites line ends.
const magic = Uint8Array.of(0x89, 0x43, 0x43, 0x54, 0x58, 0x0d, 0x0a, 0x1a) // \x89 C C T X \r \n \x1a

export interface Prologue {
  readonly headerBytes: number
  readonly fileBytes: number
  readonly chunkCount: number
}

/** Where the body begins, for a number of chunks. */
export const bodyStart = (chunkCount: number): number => alignUp(prologueBytes + chunkCount * digestBytes, pageBytes)

/** Where the arrays begin. */
export const arraysStart = ({ chunkCount, headerBytes }: Prologue): number =>
  bodyStart(chunkCount) + alignUp(headerBytes, pageBytes)

export const planPrologue = (headerBytes: number, arrayBytes: number): Prologue => {
  if (headerBytes > maxHeaderBytes)
    throw new RangeError(`a context header has at most ${maxHeaderBytes} bytes, this one ${headerBytes}`)
  const bodyBytes = alignUp(headerBytes, pageBytes) + arrayBytes
  const chunkCount = Math.ceil(bodyBytes / chunkBytes)
  return { headerBytes, chunkCount, fileBytes: bodyStart(chunkCount) + bodyBytes }
}

export const digestOf = (chunk: Uint8Array): Uint8Array =>
  createHash('sha256').update(chunk).digest().subarray(0, digestBytes)

/** Prologue, table and padding: everything before the body. table [chunkCount × 16] */
export const encodeFront = ({ headerBytes, fileBytes, chunkCount }: Prologue, table: Uint8Array): Uint8Array => {
  const front = new Uint8Array(bodyStart(chunkCount))
  const view = new DataView(front.buffer)
  front.set(magic)
  view.setUint32(8, formatVersion, true)
  view.setUint32(12, headerBytes, true)
  view.setBigUint64(16, BigInt(fileBytes), true)
  view.setUint32(24, chunkCount, true)
  front.set(table, prologueBytes)
  front.set(rootOf(front), 32)
  return front
}

/** bytes: at least the prologue, if the file has that many. Nothing here is believed beyond what the file's size allows. */
export const decodePrologue = (
  bytes: Uint8Array,
  { name, fileBytes }: { name: string; fileBytes: number },
): Prologue => {
  if (!isContext(bytes))
    throw new CompactorError(
      'context-corrupt',
      `${name} is not a .cctx context: it does not begin with the format's mark; give a file that \`compactor compress\` wrote.`,
    )
  if (bytes.length < prologueBytes) throw cutShort(name, fileBytes, `at least ${prologueBytes}`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, prologueBytes)
  const version = view.getUint32(8, true)
  if (version < oldestVersion || version > formatVersion)
    throw new CompactorError(
      'context-unsupported',
      `${name} has format version ${version}, this Compactor reads versions ${oldestVersion} to ${formatVersion}: ${version > formatVersion ? 'update Compactor' : 'compress the document again'}.`,
    )
  const headerBytes = view.getUint32(12, true)
  const promised = Number(view.getBigUint64(16, true))
  const chunkCount = view.getUint32(24, true)
  if (promised > fileBytes) throw cutShort(name, fileBytes, `${promised}`)
  if (promised < fileBytes) throw corrupt(name, `it has ${fileBytes} bytes and promises ${promised}`)
  if (headerBytes > maxHeaderBytes)
    throw corrupt(name, `it promises a header of ${headerBytes} bytes, at most ${maxHeaderBytes} are read`)
  const body = bodyStart(chunkCount)
  if (body >= fileBytes || Math.ceil((fileBytes - body) / chunkBytes) !== chunkCount)
    throw corrupt(name, `${chunkCount} checksums do not fit a file of ${fileBytes} bytes`)
  if (body + alignUp(headerBytes, pageBytes) > fileBytes)
    throw corrupt(name, `a header of ${headerBytes} bytes does not fit a file of ${fileBytes}`)
  return { headerBytes, fileBytes, chunkCount }
}

/** front: everything before the body. Throws unless the root holds; then the table can be believed. */
export const verifyFront = (front: Uint8Array, name: string): void => {
  if (!rootOf(front).every((byte, i) => front[32 + i] === byte))
    throw corrupt(name, `the checksum over bytes 0 to ${front.length} does not hold`)
}

/** What takes the sha256 of every piece of some bytes: [pieces, 32]. */
export type Digests = (bytes: Uint8Array, pieceBytes: number) => Uint8Array

/** The first chunks of the body, the last of them shorter only where the file ends, against a verified front. */
export const verifyChunks = (
  front: Uint8Array,
  chunks: Uint8Array,
  { digests, name }: { readonly digests: Digests; readonly name: string },
): void => {
  const found = digests(chunks, chunkBytes)
  const wholeBytes = found.length / Math.ceil(chunks.length / chunkBytes)
  for (let start = 0, index = 0; start < chunks.length; start += chunkBytes, index++)
    for (let i = 0; i < digestBytes; i++) {
      if (found[index * wholeBytes + i] === front[prologueBytes + index * digestBytes + i]) continue
      const [from, to] = [start, Math.min(start + chunkBytes, chunks.length)].map((byte) => front.length + byte)
      throw corrupt(name, `the checksum over bytes ${from} to ${to} does not hold`)
    }
}

export const corrupt = (name: string, reason: string, cause?: unknown): CompactorError =>
  new CompactorError('context-corrupt', `${name} is damaged: ${reason}; get it again or compress the document again.`, {
    cause,
  })

/** Whether bytes begin as a .cctx does. */
export const isContext = (bytes: Uint8Array): boolean => magic.every((byte, i) => bytes[i] === byte)

const cutShort = (name: string, came: number, expected: string): CompactorError =>
  new CompactorError(
    'context-corrupt',
    `${name} is cut short: ${came} of ${expected} bytes are there; get it again or compress the document again.`,
  )

const rootOf = (front: Uint8Array): Uint8Array =>
  createHash('sha256').update(front.subarray(0, 32)).update(front.subarray(prologueBytes)).digest()
