/** The caller's options of `compress`, checked and completed, as the worker takes them. */
import type { OptionValue } from '../cache/cctx-header.ts'
import { createMethod, methodOptions } from '../methods/index.ts'
import { checkKeep } from './budget.ts'
import { defined, refuseUnknown, requireCount, requireText } from './check-options.ts'
import type { CompressOptions } from './loaded-model.ts'
import type { CompressRequest } from './protocol.ts'

const known = [
  'document',
  'documentName',
  'system',
  'keep',
  'method',
  'methodOptions',
  'protectFirst',
  'protectLast',
  'heads',
  'precision',
  'reserve',
  'seed',
  'remember',
  'signal',
  'onProgress',
]

const longestName = 4096

/** Throws TypeError, RangeError; CompactorError 'budget-invalid' and 'usage' (unknown method). */
export const compressRequest = (options: CompressOptions): CompressRequest => {
  refuseUnknown('compress', options, known)
  const { method = 'compactor', precision = 'f16', heads, protectFirst, protectLast, system } = options
  if (heads !== undefined && heads !== 'across' && heads !== 'apart')
    throw new RangeError(`heads must be 'across' or 'apart', got ${String(heads)}`)
  if (precision !== 'f16' && precision !== 'f32')
    throw new RangeError(`precision must be 'f16' or 'f32', got ${String(precision)}`)
  const { selection } = createMethod(method, options.methodOptions)
  return {
    document: requireText('document', options.document),
    documentName: requireText('documentName', options.documentName ?? 'document', longestName),
    ...(system === undefined ? {} : { system: requireText('system', system) }),
    keep: checkKeep(options.keep ?? 0.25),
    method,
    methodOptions: methodOptions(method, options.methodOptions) satisfies Record<string, OptionValue>,
    selection: {
      ...selection,
      ...defined({
        protectFirst: protectFirst === undefined ? undefined : requireCount('protectFirst', protectFirst),
        protectLast: protectLast === undefined ? undefined : requireCount('protectLast', protectLast),
        heads,
      }),
    },
    precision,
    reserve: requireCount('reserve', options.reserve ?? 1024),
    seed: requireCount('seed', options.seed ?? 42),
  }
}
