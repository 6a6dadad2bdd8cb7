/** The id under which a context made with `remember: true` is found again: what it was made from. */
import { createHash } from 'node:crypto'
import { keyOf } from '../cache/store.ts'
import { describeKeep } from './budget.ts'
import type { CompressRequest } from './protocol.ts'

/** The document's name and what is reserved for questions do not matter. → 64 hex digits */
export const contextKey = (
  request: CompressRequest,
  { fingerprint, arithmetic }: { readonly fingerprint: string; readonly arithmetic: string },
): string => {
  const { document, system = null, keep, method, methodOptions, selection, precision, seed } = request
  return keyOf({
    documentSha256: createHash('sha256').update(document).digest('hex'),
    modelFingerprint: fingerprint,
    system,
    method,
    options: { ...methodOptions, seed, arithmetic },
    keep: describeKeep(keep),
    selection,
    precision,
  })
}
