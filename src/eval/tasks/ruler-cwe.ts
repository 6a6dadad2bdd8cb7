/**
 * RULER's common words: a numbered list in which ten words come more often, after a worked example. Not here: the
 * wording (ruler-text.ts).
 */
import { createDraws, type Draws, different, growing } from './draws.ts'
import { commonWordsPrompt, rulerExample } from './ruler-text.ts'
import { type Drafts, fitted, type Task, type TaskRequest } from './task.ts'
import { adjectives, inventedWord, nouns, verbs } from './words.ts'

interface Frequencies {
  readonly commonTimes: number
  readonly otherTimes: number
}

export interface CommonWordsParameters extends Frequencies {
  readonly commonCount: number
  readonly example: Frequencies & { readonly words: number }
}

/** Lengths below 4096 tokens have smaller counts. */
export const commonWordsParameters = (tokens: number): CommonWordsParameters =>
  tokens < 4096
    ? { commonCount: 10, commonTimes: 6, otherTimes: 1, example: { words: 20, commonTimes: 3, otherTimes: 1 } }
    : { commonCount: 10, commonTimes: 30, otherTimes: 3, example: { words: 40, commonTimes: 10, otherTimes: 3 } }

const allWords = [...nouns, ...adjectives, ...verbs]

const numbered = (words: readonly string[]): string => words.map((word, index) => `${index + 1}. ${word}`).join(' ')

interface WordList {
  readonly text: string
  readonly common: readonly string[]
}

/** The first ten words are the common ones. */
const wordList = (words: readonly string[], { commonTimes, otherTimes }: Frequencies, draws: Draws): WordList => {
  const common = words.slice(0, 10)
  const entries = words.flatMap((word, index) =>
    Array<string>(index < common.length ? commonTimes : otherTimes).fill(word),
  )
  return { text: numbered(draws.shuffle(entries)), common }
}

const workedExample = ({ example }: CommonWordsParameters, draws: Draws): string => {
  const { text, common } = wordList(draws.sample(allWords, example.words), example, draws)
  const { context, question, answerPrefix } = commonWordsPrompt(text)
  return `${context}${question}${answerPrefix} ${numbered(common)}\n`
}

const draftsOf = (request: TaskRequest, index: number): Drafts => {
  const drawsFor = (...part: (string | number)[]): Draws => createDraws(request.seed, 'ruler/cwe', index, ...part)
  const parameters = commonWordsParameters(request.tokens)
  const example = workedExample(parameters, drawsFor('example'))
  const known = drawsFor('words').shuffle(allWords)
  const invented = drawsFor('invented')
  const more = growing(different(() => inventedWord(invented)))
  /** Beyond the words we have, words of no language: uncommon ones always. */
  const firstWords = (count: number): readonly string[] =>
    count <= known.length ? known.slice(0, count) : [...known, ...more(count - known.length)]
  return {
    least: 2 * parameters.commonCount,
    draft: (count) => {
      const { text, common } = wordList(firstWords(count), parameters, drawsFor('order', count))
      const prompt = commonWordsPrompt(text)
      return rulerExample({
        task: commonWords,
        request,
        index,
        prompt: { ...prompt, context: example + prompt.context },
        answers: common,
      })
    },
  }
}

export const commonWords: Task = {
  name: 'ruler/cwe',
  summary: 'name the ten most common words of a list',
  metric: 'ruler-all',
  maxNewTokens: 120,
  lengths: [4096],
  options: {},
  generate: (request) =>
    fitted(
      'ruler/cwe',
      request,
      Array.from({ length: request.samples }, (_, index) => draftsOf(request, index)),
    ),
}
