/** How answers are made: the flags that ask and chat share, and what they say to the library. */
import { Option } from 'commander'
import type { AskOptions } from '../index.ts'
import { sourcesFlag } from './describe-sources.ts'
import { collect, decimal, given, seedFlag, wholeNumber } from './flags.ts'

export interface AnswerFlags {
  readonly maxTokens?: number
  readonly temperature?: number
  readonly topK?: number
  readonly topP?: number
  readonly minP?: number
  readonly seed?: number
  readonly stop?: readonly string[]
  readonly sources?: number
}

export const answerFlags = (): Option[] => [
  new Option('--max-tokens <count>', 'end the answer after this many tokens (default: 512)').argParser(wholeNumber),
  new Option(
    '--temperature <number>',
    'above 0 answers are sampled (default: 0, always the likeliest token)',
  ).argParser(decimal),
  new Option('--top-k <count>', 'sample among the k likeliest tokens (default: 40)').argParser(wholeNumber),
  new Option('--top-p <share>', 'sample among the likeliest tokens of this probability (default: 0.95)').argParser(
    decimal,
  ),
  new Option(
    '--min-p <share>',
    'leave out tokens less likely than this share of the likeliest (default: 0.05)',
  ).argParser(decimal),
  seedFlag('of the sampling (default: 0)'),
  new Option('--stop <text>', 'end the answer before this text; may be repeated').argParser(collect),
  sourcesFlag(),
]

export const answerOptions = ({
  maxTokens,
  temperature,
  topK,
  topP,
  minP,
  seed,
  stop,
  sources,
}: AnswerFlags): AskOptions => given({ maxTokens, temperature, topK, topP, minP, seed, stop, sources })

/** What no question could be asked with is refused at the start: before a document is read and a model is loaded. */
export const checkAnswerFlags = async (flags: AnswerFlags): Promise<void> => {
  const { checkAskOptions } = await import('../index.ts')
  checkAskOptions(answerOptions(flags))
}
