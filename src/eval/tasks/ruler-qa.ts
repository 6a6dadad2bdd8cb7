/**
 * RULER's two question tasks: passages that answer a question among others of the same collection. Not here: the wording
 * (ruler-text.ts) and reading the file (passage-file.ts).
 */
import { CompactorError } from '../../error.ts'
import { createDraws } from './draws.ts'
import { type PassageCollection, type PassageQuestion, readPassages } from './passage-file.ts'
import { documentsPrompt, rulerExample } from './ruler-text.ts'
import { type Drafts, fitted, promptTokens, type Task, type TaskRequest, tooShort } from './task.ts'

/** Questions tried in vain before the length is said to be too small. */
const mostMisfits = 100

/** What RULER reads, and what the user must bring. */
export const questionSources: Readonly<Record<string, string>> = {
  qa_1: 'the development set of SQuAD 2.0 (dev-v2.0.json)',
  qa_2: 'the development set of HotpotQA (hotpot_dev_distractor_v1.json)',
}

interface Source {
  readonly task: Task
  readonly request: TaskRequest
  readonly collection: PassageCollection
}

/** Its own passages, then others of the article, then any; all over again when the collection is used up. */
const passageOrder = (
  { collection, request, task }: Source,
  { gold, related }: PassageQuestion,
  index: number,
): number[] => {
  const draws = createDraws(request.seed, task.name, index)
  const taken = new Set([...gold, ...related])
  const others = Array.from(collection.passages.keys()).filter((place) => !taken.has(place))
  return [...gold, ...draws.shuffle(related), ...draws.shuffle(others)]
}

const draftsOf = (source: Source, asked: PassageQuestion, index: number): Drafts => {
  const { task, request, collection } = source
  const { question, answers, gold } = asked
  const order = passageOrder(source, asked, index)
  const [only, ...more] = gold.map((place) => collection.passages[place] ?? '')
  return {
    least: gold.length,
    draft: (count) => {
      const places = Array.from({ length: count }, (_, at) => order[at % order.length] ?? 0)
      const shuffled = createDraws(request.seed, task.name, index, 'order', count).shuffle(places)
      const prompt = documentsPrompt(
        shuffled.map((place) => collection.passages[place] ?? ''),
        question,
      )
      const evidence = more.length === 0 && only !== undefined ? { evidence: only } : {}
      return rulerExample({ task, request, index, prompt, answers, ...evidence })
    },
  }
}

/** Questions in random order; those whose own passages are too long for the request are passed over. */
const chosen = (source: Source, path: string): Drafts[] => {
  const { task, request, collection } = source
  const drafts: Drafts[] = []
  let shortest = Number.POSITIVE_INFINITY
  let misfits = 0
  for (const asked of createDraws(request.seed, task.name).shuffle(collection.questions)) {
    if (drafts.length === request.samples) break
    const candidate = draftsOf(source, asked, drafts.length)
    const least = promptTokens(candidate.draft(candidate.least), request.countTokens)
    if (least <= request.tokens) drafts.push(candidate)
    else misfits++
    shortest = Math.min(shortest, least)
    if (drafts.length === 0 && misfits === mostMisfits) break
  }
  if (drafts.length === 0) throw tooShort(task.name, request.tokens, shortest)
  if (drafts.length < request.samples)
    throw new CompactorError(
      'usage',
      `${path} has ${drafts.length} questions that fit ${request.tokens} tokens, and ${request.samples} samples of ${task.name} were asked for; ask for fewer`,
    )
  return drafts
}

const questionTask = (name: string, source: string): Task => {
  const task: Task = {
    name: `ruler/${name}`,
    summary: `answer a question from documents of a file you give: ${source} or one like it`,
    metric: 'ruler-part',
    maxNewTokens: 32,
    lengths: [4096],
    options: {
      data: {
        default: '',
        text: true,
        about: 'path of a SQuAD 2.0 or HotpotQA JSON file, or of JSON lines with passages',
      },
    },
    generate: (request) => {
      const path = String(request.options.data)
      if (path === '')
        throw new CompactorError(
          'usage',
          `${task.name} needs questions that this package does not contain; give option data the path of ${source}, of a file of that form, or of JSON lines with passages`,
        )
      const collection = readPassages(path)
      return fitted(task.name, request, chosen({ task, request, collection }, path))
    },
  }
  return task
}

export const questionTasks: readonly Task[] = Object.entries(questionSources).map(([name, source]) =>
  questionTask(name, source),
)
