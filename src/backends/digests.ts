/** Checksums of a file's pieces by Node's own library, for backends without anything faster. */
import { createHash } from 'node:crypto'

export const digestBytes = 32

/** → pieces. Throws RangeError. */
export const checkDigests = ({ length }: Uint8Array, pieceBytes: number): number => {
  if (!Number.isSafeInteger(pieceBytes) || pieceBytes < 1)
    throw new RangeError(`digests: pieces have at least one byte, got ${pieceBytes}`)
  return Math.ceil(length / pieceBytes)
}

/** `digests` of ops.ts. */
export const digests = (bytes: Uint8Array, pieceBytes: number): Uint8Array => {
  const out = new Uint8Array(checkDigests(bytes, pieceBytes) * digestBytes)
  for (let from = 0, to = 0; from < bytes.length; from += pieceBytes, to += digestBytes)
    out.set(
      createHash('sha256')
        .update(bytes.subarray(from, from + pieceBytes))
        .digest(),
      to,
    )
  return out
}
