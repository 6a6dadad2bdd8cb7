/** RULER's frequent words: coded words with the frequencies of a zeta distribution. Wording: ruler-text.ts. */
import { createDraws, type Draws } from './draws.ts'
import { codedWordsPrompt, rulerExample } from './ruler-text.ts'
import { type Drafts, fitted, type Task, type TaskRequest } from './task.ts'

export const codedWordsParameters = { alpha: 2, wordLetters: 6, tokensPerWord: 50, asked: 3 } as const

/** From 73 on the fourth word is always more frequent than the fifth, so that the three asked for are never tied. */
export const fewestCodedWords = 73

const zetaOfTwo = Math.PI ** 2 / 6
const letters = [...'abcdefghijklmnopqrstuvwxyz']
/** Stands in place of the most frequent word; not counted. */
const dots = '...'

const codedWords = (draws: Draws, count: number): string[] => {
  const words = new Set<string>()
  while (words.size < count)
    words.add(Array.from({ length: codedWordsParameters.wordLetters }, () => draws.pick(letters)).join(''))
  return [...words]
}

/** How often the word of each rank comes in a text of `total` words (a little shorter: all are rounded down). */
export const frequenciesOf = (total: number, ranks: number): number[] =>
  Array.from({ length: ranks }, (_, index) =>
    Math.floor((total * (index + 1) ** -codedWordsParameters.alpha) / zetaOfTwo),
  )

const draftsOf = (request: TaskRequest, index: number): Drafts => {
  const { tokensPerWord, asked } = codedWordsParameters
  const ranks = Math.max(Math.floor((request.tokens - frequentWords.maxNewTokens) / tokensPerWord), asked + 2)
  const vocabulary = [dots, ...codedWords(createDraws(request.seed, 'ruler/fwe', index), ranks - 1)]
  const answers = vocabulary.slice(1, 1 + asked)
  return {
    least: fewestCodedWords,
    draft: (total) => {
      const frequencies = frequenciesOf(total, ranks)
      const words = vocabulary.flatMap((word, rank) => Array<string>(frequencies[rank] ?? 0).fill(word))
      const order = createDraws(request.seed, 'ruler/fwe', index, 'order', total)
      const prompt = codedWordsPrompt(order.shuffle(words).join(' '))
      return rulerExample({ task: frequentWords, request, index, prompt, answers })
    },
  }
}

export const frequentWords: Task = {
  name: 'ruler/fwe',
  summary: 'name the three most frequent coded words',
  metric: 'ruler-all',
  maxNewTokens: 50,
  lengths: [4096],
  options: {},
  generate: (request) =>
    fitted(
      'ruler/fwe',
      request,
      Array.from({ length: request.samples }, (_, index) => draftsOf(request, index)),
    ),
}
