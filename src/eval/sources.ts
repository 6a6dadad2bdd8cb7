/** From words, as a user names data, to sources: paths of JSONL files and names of tasks. Needs no model. */
import { stat } from 'node:fs/promises'
import { CompactorError } from '../error.ts'
import { readOptionsOf } from '../methods/options.ts'
import { didYouMean } from '../nearest-name.ts'
import type { Source } from './job.ts'
import { readExamples } from './read-examples.ts'
import { idsOf, readSubset, type Subset } from './subset-file.ts'
import { type Task, taskOf, tasks } from './tasks/index.ts'

export interface SourceOptions {
  /** Prompts of a task are made so long, in the model's tokens; default the task's own lengths. */
  readonly lengths?: readonly number[] | undefined
  /** Contexts of a task at each length, and at each cell of a grid; default 4. */
  readonly samples?: number | undefined
  /** Prose in place of the package's essays. */
  readonly haystack?: string | undefined
  /** Each goes to the tasks that have an option of this name. */
  readonly taskOptions?: Readonly<Record<string, unknown>> | undefined
  /** Path of a committed subset; the files among the data must be those it was drawn from. */
  readonly subset?: string | undefined
}

/** Throws CompactorError: 'usage', 'file-unreadable'; TypeError and RangeError for options of tasks. */
export const readSources = async (words: readonly string[], options: SourceOptions): Promise<Source[]> => {
  if (words.length === 0)
    throw new CompactorError('usage', 'expected data: paths of JSONL files or names of tasks, such as needle, got none')
  const named = await Promise.all(words.map(async (word) => ({ word, tasks: await tasksNamed(word) })))
  const found = named.flatMap((one) => one.tasks ?? [])
  checkTaskOptions(found, options)
  const subset = options.subset === undefined ? undefined : await readSubset(options.subset)
  const sources: Source[] = []
  for (const { word, tasks: own } of named) {
    if (!own) sources.push(await fileSource(word, subset))
    else if (subset)
      throw new CompactorError('usage', `a subset is about files, and ${word} is a task; leave out one of the two`)
    else sources.push(...own.map((task) => taskSource(task, options)))
  }
  checkNames(sources)
  return sources
}

const groupName = 'ruler'

/** Tasks whose own option says where their data lies, and which have none without it. */
const needsData = ({ options }: Task): boolean => options.data?.default === ''

/** undefined: a file. What is neither is called an unknown task, unless it looks like a path. */
const tasksNamed = async (word: string): Promise<readonly Task[] | undefined> => {
  const exact = tasks.filter(({ name }) => name === word)
  if (exact.length > 0) return exact
  if (word === groupName) return tasks.filter((task) => task.name.startsWith(`${groupName}/`) && !needsData(task))
  if (/^[./~]|\\|\.\w+$/.test(word)) return undefined
  const isThere = await stat(word).then(
    () => true,
    () => false, // reading it says why, where it is meant as a file
  )
  return isThere ? undefined : [taskOf(word)]
}

const fileSource = async (path: string, subset: Subset | undefined): Promise<Source> => {
  const file = await readExamples(path)
  return { kind: 'file', file, ...(subset ? { ids: idsOf(subset, file) } : {}) }
}

const taskSource = (task: Task, { lengths, samples = 4, haystack, taskOptions = {} }: SourceOptions): Source => {
  const own = Object.fromEntries(Object.entries(taskOptions).filter(([name]) => Object.hasOwn(task.options, name)))
  return {
    kind: 'task',
    name: task.name,
    samples,
    options: readOptionsOf(`task ${task.name}`, task.options, own),
    ...(lengths === undefined ? {} : { lengths }),
    ...(haystack === undefined ? {} : { haystack }),
  }
}

/** What only tasks understand is refused where there is none, and options that none of them has. */
const checkTaskOptions = (
  found: readonly Task[],
  { lengths, samples, haystack, taskOptions = {} }: SourceOptions,
): void => {
  const names = Object.keys(taskOptions)
  const isForTasks = lengths ?? samples ?? haystack ?? names[0]
  if (found.length === 0 && isForTasks !== undefined)
    throw new CompactorError(
      'usage',
      'lengths, samples, a haystack and task options are for tasks, and no task is among the data',
    )
  const known = [...new Set(found.flatMap(({ options }) => Object.keys(options)))]
  const unknown = names.find((name) => !known.includes(name))
  if (unknown === undefined) return
  const what = found.map(({ name }) => name).join(', ')
  throw new TypeError(
    `no task among ${what} has an option "${unknown}"; ${known.length > 0 ? `there are ${known.join(', ')}` : 'they have none'}${didYouMean(unknown, known)}`,
  )
}

const checkNames = (sources: readonly Source[]): void => {
  const names = new Set<string>()
  for (const source of sources) {
    const name = source.kind === 'file' ? source.file.name : source.name
    if (names.has(name))
      throw new CompactorError('usage', `two data sets are called ${name}; give each once, under its own name`)
    names.add(name)
  }
}
