/**
 * Needle in a haystack: one sentence at each depth of prose of a given length, a heat map's column. The needle goes in
 * after the last sentence that ends before the depth. The set-up is KVzip's; needle and question are our own.
 */

import { CompactorError } from '../../error.ts'
import type { OptionDescription } from '../../methods/options.ts'
import { createDraws } from './draws.ts'
import { essays } from './essays.ts'
import { createHaystack, sentencesOf } from './haystack.ts'
import { type Drafts, fitted, type Task, type TaskRequest } from './task.ts'

const instruction = 'Read the following text carefully. A question about it follows.'

const options: Readonly<Record<string, OptionDescription>> = {
  depthStep: { default: 10, min: 1, max: 100, integer: true, about: 'percent between two depths, from 0 to 100' },
  needle: {
    default: 'The combination of the safe behind the green curtain is {number}.',
    text: true,
    about: 'the sentence to hide; {number} becomes seven digits, others in each sample',
  },
  question: {
    default: 'What is the combination of the safe behind the green curtain?',
    text: true,
    about: 'what is asked',
  },
  answer: { default: '{number}', text: true, about: 'the part of the needle that answers the question' },
}

interface Needle {
  readonly needle: string
  readonly question: string
  readonly answer: string
}

const readNeedle = ({ options: { needle, question, answer } }: TaskRequest): Needle => {
  const texts = { needle: String(needle).trim(), question: String(question).trim(), answer: String(answer).trim() }
  const empty = Object.entries(texts).find(([, text]) => text === '')
  if (empty) throw new CompactorError('usage', `option ${empty[0]} of task needle is empty; give a sentence`)
  if (!texts.needle.includes(texts.answer))
    throw new CompactorError(
      'usage',
      `the answer "${texts.answer}" of task needle does not stand in its needle "${texts.needle}"; give both`,
    )
  return texts
}

/** The needle after the last sentence that ends within the share `depth` of the text; one cut off has no end. */
const insert = (text: string, needle: string, depth: number): string => {
  const sentences = sentencesOf(text)
  let length = 0
  const before = sentences.findIndex((sentence) => {
    length += sentence.length + 1
    return length - 1 > depth * text.length || !/[.!?。！？]["'”’」』)\]]*$/u.test(sentence)
  })
  return sentences.toSpliced(before < 0 ? sentences.length : before, 0, needle).join(' ')
}

/** The same prose from another sentence on, so that samples of a cell differ; the first begins at the beginning. */
const rotated = (text: string, seed: number, sample: number): string => {
  if (sample === 0) return text
  const sentences = sentencesOf(text.trim().replace(/\s+/g, ' '))
  const start = createDraws(seed, 'needle', sample, 'start').integer(0, sentences.length - 1)
  return [...sentences.slice(start), ...sentences.slice(0, start)].join(' ')
}

const cell = (request: TaskRequest, texts: Needle, percent: number, sample: number): Drafts => {
  const number = String(createDraws(request.seed, 'needle', sample).integer(1_000_000, 9_999_999))
  const filled = (text: string): string => text.replaceAll('{number}', number)
  const prose = createHaystack(rotated(request.haystack ?? essays, request.seed, sample))
  return {
    least: 50,
    draft: (words) => ({
      id: `needle@${request.tokens}-s${request.seed}-d${percent}-${sample}`,
      dataset: 'needle',
      instruction,
      context: insert(prose.take(words), filled(texts.needle), percent / 100),
      questions: [{ qid: '0', question: filled(texts.question), answers: [filled(texts.answer)] }],
      metric: needle.metric,
      maxNewTokens: needle.maxNewTokens,
      depth: percent / 100,
      targetTokens: request.tokens,
    }),
  }
}

export const needle: Task = {
  name: 'needle',
  summary: 'one sentence hidden at each depth of prose',
  metric: 'contains',
  maxNewTokens: 32,
  lengths: [500, 2000, 8000],
  options,
  generate: (request) => {
    const texts = readNeedle(request)
    const step = Number(request.options.depthStep)
    const depths = Array.from({ length: Math.floor(100 / step) + 1 }, (_, index) => index * step)
    const cells = Array.from({ length: request.samples }, (_, sample) =>
      depths.map((percent) => cell(request, texts, percent, sample)),
    )
    return fitted('needle', request, cells.flat())
  },
}
