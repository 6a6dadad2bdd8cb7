/** The options of `compress`: what the caller may say, and the same checked and completed as the worker takes it. */

import type { Precision } from '../backends/ops.ts'
import type { OptionValue } from '../cache/cctx-header.ts'
import { createMethod, methodOptions } from '../methods/index.ts'
import type { SelectionDefaults } from '../methods/method.ts'
import { checkKeep, type Keep } from './budget.ts'
import { defined, refuseUnknown, requireCount, requireText } from './check-options.ts'
import type { CompressRequest } from './protocol.ts'
import type { Progress } from './worker-client.ts'

export interface CompressOptions extends Partial<SelectionDefaults> {
  /** Plain text; compressed alone, without any question. */
  readonly document: string
  /** A name for lists and messages. */
  readonly documentName?: string | undefined
  /** System text before the document: kept whole, not counted in `keep`. Default: what the model's template says. */
  readonly system?: string | undefined
  /** How much stays: a share in (0, 1], { tokens } or { bytes }. Default 0.25. */
  readonly keep?: Keep | undefined
  /** Default 'compactor'; the others are in docs/methods.md. */
  readonly method?: string | undefined
  readonly methodOptions?: Readonly<Record<string, unknown>> | undefined
  /** Precision of kept keys and values. Default 'f16'. */
  readonly precision?: Precision | undefined
  /** Tokens of the trained context left free for question and answer. Default 1024. */
  readonly reserve?: number | undefined
  /** Of the method's random numbers. Default 42. */
  readonly seed?: number | undefined
  /** Save the result in the engine's home and open it from there when the same is asked again. Default false. */
  readonly remember?: boolean | undefined
  readonly signal?: AbortSignal | undefined
  /** In tokens × layers. */
  readonly onProgress?: ((progress: Progress) => void) | undefined
}

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
  if (heads !== undefined && heads !== 'across' && heads !== 'apart' && heads !== 'model')
    throw new RangeError(`heads must be 'across', 'apart' or 'model', got ${String(heads)}`)
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
