/**
 * RULER's two rules: the share of references the answer contains (all), or whether it contains one of them (part, for its
 * question answering). Control characters, line breaks among them, are taken out first: kvpress deletes them, RULER itself
 * puts a line break in their place, and only the first can join what stood on two lines.
 */
import { best, type Metric } from './metric.ts'

/** U+0000 … U+001F, then space at both ends. */
const cleanUp = (prediction: string, replacement: '' | '\n'): string =>
  Array.from(prediction.trim(), (character) => (character < ' ' ? replacement : character))
    .join('')
    .trim()
    .toLowerCase()

const holds = (given: string, reference: string): number => (given.includes(reference.toLowerCase()) ? 1 : 0)

const rulerAllWith = (name: string, replacement: '' | '\n'): Metric => ({
  name,
  summary: `share of the references the answer contains (RULER; clean-up of ${replacement === '' ? 'kvpress' : 'RULER'})`,
  score: (prediction, { answers }) => {
    const given = cleanUp(prediction, replacement)
    return answers.reduce((sum, reference) => sum + holds(given, reference), 0) / answers.length
  },
})

const rulerPartWith = (name: string, replacement: '' | '\n'): Metric => ({
  name,
  summary: `the answer contains a reference (RULER; clean-up of ${replacement === '' ? 'kvpress' : 'RULER'})`,
  score: (prediction, question) => {
    const given = cleanUp(prediction, replacement)
    return best(question, (reference) => holds(given, reference))
  },
})

export const rulerAll: Metric = rulerAllWith('ruler-all', '')
export const rulerPart: Metric = rulerPartWith('ruler-part', '')
export const rulerAllNewline: Metric = rulerAllWith('ruler-all-newline', '\n')
export const rulerPartNewline: Metric = rulerPartWith('ruler-part-newline', '\n')
