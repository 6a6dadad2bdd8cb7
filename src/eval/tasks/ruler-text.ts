/**
 * The wording of RULER's tasks (arXiv 2404.06654), and examples split as in the published split that kvpress and others
 * run: the context ends where the question begins, and context + question + answer prefix is RULER's prompt, character
 * for character. Not here: how the contexts are made (the ruler-*.ts beside it).
 *
 * The templates, the needle and the filler below are taken from RULER, scripts/data/synthetic:
 *   Copyright (c) 2024, NVIDIA CORPORATION. All rights reserved.
 *   Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in compliance with
 *   the License. You may obtain a copy of the License at http://www.apache.org/licenses/LICENSE-2.0. Unless required by
 *   applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
 *   WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language
 *   governing permissions and limitations under the License.
 * Changed: cut into functions of TypeScript; everything else in this folder is our own.
 */
import type { Example, MetricName } from '../example.ts'
import type { TaskRequest } from './task.ts'

/** The three parts of a prompt; together they are RULER's. */
export interface RulerPrompt {
  readonly context: string
  readonly question: string // ends with a space, as in the published split
  readonly answerPrefix: string
}

export const fillerLine = 'The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again.'

export type NeedleKind = 'numbers' | 'words' | 'uuids'

export const needleLine = (kind: NeedleKind, key: string, value: string): string =>
  `One of the special magic ${kind} for ${key} is: ${value}.`

/** @param single one value is asked for: then everything stands in the singular @param query the keys asked for */
export const niahPrompt = (kind: NeedleKind, single: boolean, text: string, query: string): RulerPrompt => {
  const [some, are, areAll, value] = single ? ['A', 'is', 'is', kind.slice(0, -1)] : ['Some', 'are', 'are all', kind]
  return {
    context: `${some} special magic ${value} ${are} hidden within the following text. Make sure to memorize it. I will quiz you about the ${value} afterwards.\n${text}\n`,
    question: `What ${areAll} the special magic ${value} for ${query} mentioned in the provided text? `,
    answerPrefix: `The special magic ${value} for ${query} mentioned in the provided text ${are}`,
  }
}

export const variablesPrompt = (text: string, value: string, count: number): RulerPrompt => ({
  context: `Memorize and track the chain(s) of variable assignment hidden in the following text.\n\n${text}\n`,
  question: `Question: Find all variables that are assigned the value ${value} in the text above. `,
  answerPrefix: `Answer: According to the chain(s) of variable assignment in the text above, ${count} variables are assigned the value ${value}, they are: `,
})

export const commonWordsPrompt = (list: string): RulerPrompt => ({
  context: `Below is a numbered list of words. In these words, some appear more often than others. Memorize the ones that appear most often.\n${list}\n`,
  question: 'Question: What are the 10 most common words in the above list? ',
  answerPrefix: 'Answer: The top 10 words that appear most often in the list are:',
})

export const codedWordsPrompt = (text: string): RulerPrompt => ({
  context: `Read the following coded text and track the frequency of each coded word. Find the three most frequently appeared coded words. ${text}\n`,
  question:
    "Question: Do not provide any explanation. Please ignore the dots '....'. What are the three most frequently appeared words in the above coded text? ",
  answerPrefix: 'Answer: According to the coded text above, the three most frequently appeared words are:',
})

const answerBriefly =
  'Answer the question based on the given documents. Only give me the answer and do not output any other words.'

export const documentsPrompt = (documents: readonly string[], question: string): RulerPrompt => {
  const numbered = documents.map((document, index) => `Document ${index + 1}:\n${document}`)
  return {
    context: `${answerBriefly}\n\nThe following are given documents.\n\n${numbered.join('\n\n')}\n\n`,
    question: `${answerBriefly}\n\nQuestion: ${question} `,
    answerPrefix: 'Answer:',
  }
}

export interface RulerSample {
  readonly task: { readonly name: string; readonly metric: MetricName; readonly maxNewTokens: number }
  readonly request: TaskRequest
  readonly index: number
  readonly prompt: RulerPrompt
  readonly answers: readonly string[]
  /** Text that is the evidence, where there is one place of it. */
  readonly evidence?: string
}

export const rulerExample = ({ task, request, index, prompt, answers, evidence }: RulerSample): Example => {
  const dataset = task.name.replace('ruler/', '')
  const { context, question, answerPrefix } = prompt
  return {
    id: `${dataset}@${request.tokens}-s${request.seed}-${index}`,
    dataset,
    instruction: '',
    context,
    promptIsRaw: true,
    questions: [{ qid: '0', question, answers, answerPrefix }],
    metric: task.metric,
    maxNewTokens: task.maxNewTokens,
    targetTokens: request.tokens,
    ...(evidence === undefined ? {} : { depth: context.lastIndexOf(evidence) / context.length }),
  }
}
