/**
 * LongBench's trec and lsht: 1 / the number of class names in the first line of the answer, if the right one is among them.
 * Names that are part of the right one do not count against it. The original removes those from the list it walks, so
 * the name after a removed one is never looked at; published scores have that quirk, and so has this.
 */
import type { Example, Question } from '../example.ts'
import { best, firstLine, type Metric } from './metric.ts'

const classScore = (answer: string, reference: string, classes: readonly string[]): number => {
  const found = classes.filter((name) => answer.includes(name))
  for (let i = 0; i < found.length; i++) {
    const name = found[i] ?? ''
    if (reference.includes(name) && name !== reference) found.splice(found.indexOf(name), 1)
  }
  return found.includes(reference) ? 1 / found.length : 0
}

const refusal = (_question: Question, { classes }: Example): string | undefined =>
  classes === undefined || classes.length === 0 ? 'longbench-classification needs the names of all classes' : undefined

export const longbenchClassification: Metric = {
  name: 'longbench-classification',
  summary: '1 / class names in the first line of the answer, if the right one is among them (LongBench)',
  score: (prediction, question, example) => {
    const reason = refusal(question, example)
    if (reason !== undefined || example.classes === undefined) throw new RangeError(`${reason}; ${example.id} has none`)
    const { classes } = example
    const answer = firstLine(prediction)
    return best(question, (reference) => classScore(answer, reference, classes))
  },
  refusal,
}
