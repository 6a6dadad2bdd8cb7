/**
 * A zip in memory, as DOCX and EPUB are: entries by name, each read once and within limits that hold for what really comes
 * out, not for what the zip promises. Damage is found by the checksum of every entry that is read.
 */
import { type Entry, fromBufferPromise, type ZipFile } from 'yauzl'
import { CompactorError } from '../error.ts'
import { printable, shown } from '../shown.ts'

const mostEntries = 20_000
const largestEntryBytes = 64 * 2 ** 20
const largestZipBytes = 256 * 2 ** 20 // of all entries read

export interface Zip {
  /** Names of its files, in the zip's order. */
  readonly names: readonly string[]
  has(name: string): boolean
  /** Undefined if there is no such entry. Throws CompactorError('document-invalid'): damaged, too large, encrypted. */
  read(name: string): Promise<Uint8Array | undefined>
}

/** The library goes on with guesses, and names entries as they are. */
const firstSentence = (text: string): string => printable(text.split(/\.(?: |$)/)[0] ?? text).slice(0, 160)

/** Throws CompactorError('document-invalid'). Holds no resource but the bytes. */
export const openZip = async (bytes: Uint8Array, name: string): Promise<Zip> => {
  const damaged = (cause: unknown): CompactorError =>
    cause instanceof CompactorError
      ? cause
      : new CompactorError(
          'document-invalid',
          `${name} is a damaged zip: ${firstSentence(reasonOf(cause))}; get it again`,
          { cause },
        )
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const entries = new Map<string, Entry>()
  try {
    const zip = await fromBufferPromise(buffer, { lazyEntries: true, autoClose: false })
    if (zip.entryCount > mostEntries)
      throw new CompactorError(
        'document-invalid',
        `${name} is a zip of ${zip.entryCount} files, and documents may have up to ${mostEntries}; unpack it and give the folder`,
      )
    for await (const entry of zip.eachEntry()) if (!entry.fileName.endsWith('/')) entries.set(entry.fileName, entry)
    let total = 0
    const read = async (entryName: string): Promise<Uint8Array | undefined> => {
      const entry = entries.get(entryName)
      if (!entry) return undefined
      const content = await inflate(zip, entry, Math.min(largestEntryBytes, largestZipBytes - total), name)
      total += content.length
      return content
    }
    return {
      names: [...entries.keys()],
      has: (entryName) => entries.has(entryName),
      read: (entryName) =>
        read(entryName).catch((cause: unknown) => {
          throw damaged(cause)
        }),
    }
  } catch (cause) {
    throw damaged(cause)
  }
}

const inflate = async (zip: ZipFile, entry: Entry, most: number, name: string): Promise<Buffer> => {
  if (entry.isEncrypted())
    throw new CompactorError('document-invalid', `${name} is protected by a password; save a copy without one`)
  const chunks: Buffer[] = []
  let bytes = 0
  const stream = await zip.openReadStreamPromise(entry)
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > most)
      throw new CompactorError(
        'document-invalid',
        `${name} unpacks to more than ${most} bytes in ${shown(entry.fileName)}, more than any document needs`,
      )
    chunks.push(chunk)
  }
  const content = Buffer.concat(chunks)
  if (crc32(content) !== entry.crc32) throw new Error(`the checksum of ${shown(entry.fileName)} does not hold`)
  return content
}

const reasonOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

// zlib.crc32 came with Node 20.15.
const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  return crc
})

const crc32 = (bytes: Uint8Array): number => {
  let crc = 0xffffffff
  for (const byte of bytes) crc = (crcTable[(crc ^ byte) & 255] ?? 0) ^ (crc >>> 8)
  return (crc ^ 0xffffffff) >>> 0
}
