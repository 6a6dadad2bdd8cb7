/** What may be said with a question, checked and made ready for the worker. */
import { type JsonSchema, ruleOfSchema } from '../grammar/json-schema.ts'
import { checkStops } from './answer-text.ts'
import { refuseUnknown, requireText } from './check-options.ts'
import { checkMaxTokens } from './fit.ts'
import type { AskRequest } from './protocol.ts'
import { type SamplingOptions, samplingOf } from './sampler.ts'
import { checkSourceCount } from './source-count.ts'
import type { Progress } from './worker-client.ts'

export interface AskOptions extends SamplingOptions {
  /** At most this many tokens of answer. Default 512, or what is left of the trained context. */
  readonly maxTokens?: number | undefined
  /** The answer ends before any of these texts. */
  readonly stop?: string | readonly string[] | undefined
  /**
   * The answer is JSON text of this schema, whatever the model would rather say, and `answer.object` its value. What of
   * JSON Schema is understood is in docs/api.md; the rest is refused. Told to the model behind the question.
   */
  readonly schema?: JsonSchema | undefined
  /**
   * How many passages of the document, from 1 to 50, `done` names as `sources`: those that question and answer looked at more
   * than any question does. Costs about as much as reading question and answer once more. Default: none.
   */
  readonly sources?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** In tokens of what is read before the answer, until all are. Of a batch nobody is told. */
  readonly onProgress?: ((progress: Progress) => void) | undefined
}

const batchOptions = ['maxTokens', 'stop', 'schema', 'sources', 'temperature', 'topK', 'topP', 'minP', 'seed', 'signal']

/**
 * Throws what a question with these options would be refused with, TypeError, RangeError and, for a schema that cannot be kept
 * to, CompactorError 'usage': before a model is loaded, and before anybody has typed a question. What only model and question can tell is found when it is asked.
 */
export const checkAskOptions = (options: AskOptions): void => {
  const { request } = askRequest('ask', '', options)
  const { stop, maxTokens, sources, schema, question: _, ...sampling } = request
  checkStops(stop)
  checkMaxTokens(maxTokens)
  checkSourceCount(sources)
  samplingOf(sampling)
  if (schema !== undefined) ruleOfSchema(schema)
}

/** Throws TypeError for an unknown option or a text that is none. */
export const askRequest = (
  call: 'ask' | 'batch',
  question: string,
  options: AskOptions,
): { readonly request: AskRequest } & Pick<AskOptions, 'signal' | 'onProgress'> => {
  refuseUnknown(call, options, call === 'ask' ? [...batchOptions, 'onProgress'] : batchOptions)
  requireText('question', question)
  const { signal, onProgress, stop = [], ...rest } = options
  const stops = (Array.isArray(stop) ? stop : [stop]).map((text) => requireText('stop', text))
  if (options.schema !== undefined && stops.length > 0)
    throw new TypeError('an answer of a schema ends where its JSON does; leave out `stop`')
  return { request: { ...rest, question, stop: stops }, signal, onProgress }
}
