/** The table of tasks: what `compactor eval` can generate. Adding one: its file and one line here. */
import { CompactorError } from '../../error.ts'
import { readOptionsOf } from '../../methods/options.ts'
import { didYouMean } from '../../nearest-name.ts'
import type { Example } from '../example.ts'
import { manyQuestions } from './many-questions.ts'
import { needle } from './needle.ts'
import { commonWords } from './ruler-cwe.ts'
import { frequentWords } from './ruler-fwe.ts'
import { niahTasks } from './ruler-niah.ts'
import { questionTasks } from './ruler-qa.ts'
import { variableTracking } from './ruler-vt.ts'
import type { Task, TaskRequest } from './task.ts'

export { promptTokens, type Task, type TaskRequest } from './task.ts'

export const tasks: readonly Task[] = [
  ...niahTasks,
  variableTracking,
  commonWords,
  frequentWords,
  ...questionTasks,
  needle,
  manyQuestions,
]

/** Throws CompactorError('usage') for an unknown name. */
export const taskOf = (name: string): Task => {
  const task = tasks.find((candidate) => candidate.name === name)
  if (task) return task
  const names = tasks.map((candidate) => candidate.name)
  const near = didYouMean(name, names)
  throw new CompactorError('usage', `unknown task "${name}"; there are ${names.join(', ')}${near}`)
}

/** Options as the user gave them. */
export interface GenerateRequest extends Omit<TaskRequest, 'options'> {
  readonly options?: Readonly<Record<string, unknown>>
}

const wholeNumbers = (request: GenerateRequest): void => {
  const least = { tokens: 1, samples: 1, seed: 0 }
  for (const name of ['tokens', 'samples', 'seed'] as const)
    if (!Number.isSafeInteger(request[name]) || request[name] < least[name])
      throw new RangeError(`${name} takes a whole number from ${least[name]} on, got ${request[name]}`)
}

/**
 * Examples of a task; the same request gives the same everywhere. Throws CompactorError('usage') for an unknown task
 * or a length that cannot be made, TypeError or RangeError for options and numbers.
 */
export const generateExamples = (name: string, request: GenerateRequest): Example[] => {
  const task = taskOf(name)
  wholeNumbers(request)
  return task.generate({ ...request, options: readOptionsOf(`task ${name}`, task.options, request.options) })
}
