/**
 * A .cctx taken apart so that each part can be made wrong and all checksums right again: what the readers must catch is
 * what an honest checksum covers.
 */
import { createHash } from 'node:crypto'
import type { BlockHeader } from '../../src/cache/cctx-header.ts'
import { type Layout, layoutOf } from '../../src/cache/cctx-layout.ts'
import { arraysStart, bodyStart, chunkBytes, digestOf, prologueBytes } from '../../src/cache/cctx-prologue.ts'
import type { Marked } from './byte-mutations.ts'

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json }

export interface CctxParts {
  readonly layout: Layout // of the file before any change
  header: { [name: string]: Json }
  /** Instead of `header`, when it is no JSON that an object could be. */
  headerText?: string
  arrays: Buffer
  /** Written over the prologue before its checksum is taken: [offset, bytes]. */
  prologue: (readonly [number, Buffer])[]
  /** Changed after the checksums were taken. */
  afterwards: (readonly [number, Buffer])[]
}

export const takeApart = (bytes: Buffer): CctxParts => {
  const prologue = { headerBytes: bytes.readUInt32LE(12), chunkCount: bytes.readUInt32LE(24), fileBytes: bytes.length }
  const body = bodyStart(prologue.chunkCount)
  const header = JSON.parse(bytes.subarray(body, body + prologue.headerBytes).toString())
  return {
    header,
    layout: layoutOf(header.block as BlockHeader),
    arrays: bytes.subarray(arraysStart(prologue)),
    prologue: [],
    afterwards: [],
  }
}

export const copyParts = ({ header, layout, arrays }: CctxParts): CctxParts => ({
  header: structuredClone(header),
  layout,
  arrays: Buffer.from(arrays),
  prologue: [],
  afterwards: [],
})

const aligned = (bytes: number): number => Math.ceil(bytes / 4096) * 4096

/** The arrays as long as the header now says, the tiers where it says: a file whose numbers agree with each other. */
export const fitArrays = (parts: CctxParts): boolean => {
  const block = parts.header.block as unknown as BlockHeader
  try {
    const { bytes, tiers } = layoutOf(block)
    if (bytes > 2 ** 20) return false
    for (const [index, { offset, bytes: length }] of tiers.entries())
      Object.assign(block.tiers[index] as object, { offset, bytes: length })
    const arrays = Buffer.alloc(bytes)
    parts.arrays.copy(arrays)
    parts.arrays = arrays
    return true
  } catch {
    return false // a block that cannot be laid out is written with the arrays it had
  }
}

export const putTogether = (parts: CctxParts): Marked => {
  const json = Buffer.from(parts.headerText ?? JSON.stringify(parts.header))
  const headerEnd = aligned(json.length)
  const body = Buffer.alloc(headerEnd + parts.arrays.length)
  json.copy(body)
  parts.arrays.copy(body, headerEnd)
  const chunkCount = Math.ceil(body.length / chunkBytes)
  const front = Buffer.alloc(bodyStart(chunkCount))
  Buffer.from([0x89, 0x43, 0x43, 0x54, 0x58, 0x0d, 0x0a, 0x1a]).copy(front)
  front.writeUInt32LE(2, 8)
  front.writeUInt32LE(json.length, 12)
  front.writeBigUInt64LE(BigInt(front.length + body.length), 16)
  front.writeUInt32LE(chunkCount, 24)
  for (let chunk = 0; chunk < chunkCount; chunk++)
    front.set(digestOf(body.subarray(chunk * chunkBytes, (chunk + 1) * chunkBytes)), prologueBytes + 16 * chunk)
  for (const [at, bytes] of parts.prologue) bytes.copy(front, at)
  const root = createHash('sha256').update(front.subarray(0, 32)).update(front.subarray(prologueBytes)).digest()
  root.copy(front, 32)
  const file = Buffer.concat([front, body])
  for (const [at, bytes] of parts.afterwards) bytes.copy(file, at)
  const arraysAt = front.length + headerEnd
  const sections = parts.layout.sections.map(({ at }) => arraysAt + at)
  return {
    bytes: file,
    boundaries: [8, 12, 16, 24, 32, prologueBytes, front.length, front.length + json.length, arraysAt, ...sections],
  }
}
