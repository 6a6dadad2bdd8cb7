/** The options of `compress`: what the caller may say, and the same checked and completed as the worker takes it. */

import type { Precision } from '../backends/ops.ts'
import type { OptionValue } from '../cache/cctx-header.ts'
import type { Document, Places } from '../documents/document.ts'
import { createMethod, methodOptions } from '../methods/index.ts'
import type { SelectionDefaults } from '../methods/method.ts'
import { checkKeep, type Keep } from './budget.ts'
import { defined, refuseUnknown, requireCount, requireText } from './check-options.ts'
import type { CompressRequest } from './protocol.ts'
import type { Progress } from './worker-client.ts'

export interface CompressOptions extends Partial<SelectionDefaults> {
  /** Plain text, or what `readDocument` gave; compressed alone, without any question. */
  readonly document: string | Document
  /** A name for lists and messages. Default: the document's own, 'document' for plain text. */
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

/** Throws what `compress` with these options would be refused with before the document is looked at and a model is loaded. */
export const checkCompressOptions = (options: Omit<CompressOptions, 'document'>): void => {
  compressRequest({ ...options, document: '' })
}

/** Throws TypeError, RangeError; CompactorError 'budget-invalid' and 'usage' (unknown method). */
export const compressRequest = (options: CompressOptions): CompressRequest => {
  refuseUnknown('compress', options, known)
  const { method = 'compactor', precision = 'f16', heads, protectFirst, protectLast, system } = options
  if (heads !== undefined && heads !== 'across' && heads !== 'apart' && heads !== 'model')
    throw new RangeError(`heads must be 'across', 'apart' or 'model', got ${String(heads)}`)
  if (precision !== 'f16' && precision !== 'f32')
    throw new RangeError(`precision must be 'f16' or 'f32', got ${String(precision)}`)
  const { text, name, places } = textOf(options.document)
  const { selection } = createMethod(method, options.methodOptions)
  return {
    document: text,
    documentName: requireText('documentName', options.documentName ?? name, longestName),
    ...(places === undefined ? {} : { places }),
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

const textOf = (document: unknown): { text: string; name: string; places?: Places } => {
  if (typeof document !== 'object' || document === null)
    return { text: requireText('document', document), name: 'document' }
  const { text, name, marks, lineStarts, lineStep } = document as Partial<Document>
  if (typeof text !== 'string' || !Array.isArray(marks) || lineStarts === undefined || lineStep === undefined)
    throw new TypeError('document must be a string or what readDocument gives, got another object')
  return { text, name: name ?? 'document', places: { marks, lineStarts, lineStep } }
}
