/** The id under which a context made with `remember: true` is found again: what it was made from. */
import { createHash } from 'node:crypto'
import type { OptionValue } from '../cache/cctx-header.ts'
import { keyOf } from '../cache/store.ts'
import { createMethod } from '../methods/index.ts'
import { describeKeep } from './budget.ts'
import type { CompressRequest } from './protocol.ts'

/** The document's name and what is reserved for questions do not matter. → 64 hex digits */
export const contextKey = (fingerprint: string, request: CompressRequest): string => {
  const { document, system = null, keep, method, methodOptions, selection, precision, seed } = request
  return keyOf({
    documentSha256: createHash('sha256').update(document).digest('hex'),
    modelFingerprint: fingerprint,
    system,
    method,
    options: { ...(methodOptions as Record<string, OptionValue>), seed },
    keep: describeKeep(keep),
    selection: { ...createMethod(method, methodOptions).selection, ...selection },
    precision,
  })
}
