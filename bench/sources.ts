/**
 * How often the passages that `ask --sources` names hold what was asked for: rank of the right passage, for questions about
 * examples/document.txt or about others.
 *
 *   npm run bench sources -- [--model qwen2.5-coder-0.5b] [--keep 0.25] [--questions FILE]
 *
 * FILE has a JSON object a line: { "source": PATH, "question": TEXT, "passage": [TEXT, …] }, where the source is a document
 * or a saved context and the right passage holds one of the texts.
 */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Context, createEngine, isContextFile, type LoadedModel, parseKeep, readDocument } from '../src/index.ts'
import { table } from './table.ts'

interface Question {
  readonly source: string
  readonly question: string
  readonly passage: readonly string[]
}

const example = fileURLToPath(new URL('../examples/document.txt', import.meta.url))

const usual: readonly Question[] = [
  ['What is the name of the station dog?', 'female named Bosun'],
  ['What was the cause of the failure of the current meters?', 'rockfall under water', 'boulder', 'found it cut'],
  ['What did the replacement motor of the wind turbine cost?', '14,250 crowns'],
  ['Who broke a wrist, and when?', 'broke his left wrist'],
  ['Where did the copper in the harbour come from?', 'antifouling paint'],
  ['How many kittiwake nests were counted?', '1,240 nests'],
  ['How many litres of diesel did the station burn?', '23,400 litres'],
  ["What should the crew's next order of coffee be?", '48 kilograms of coffee'],
  ['Which class called the station by video?', 'School class 5b'],
  ['Who visited the station in December with a sack of oranges?', 'sack of oranges'],
  ['Who will be the next station leader?', 'next station leader will be'],
  ['What was the lowest temperature of the winter?', 'minus 19.6'],
  ['For how much is the deep current meter insured?', '86,000 crowns'],
  ['What did the walrus prevent?', 'A walrus, the first', 'was made on foot'],
].map(([question = '', ...passage]) => ({ source: example, question, passage }))

const open = async (model: LoadedModel, source: string, keep: string): Promise<Context> =>
  (await isContextFile(source))
    ? model.openContext(source)
    : model.compress({ document: await readDocument(source), keep: parseKeep(keep) })

const flat = (text: string): string => text.replace(/\s+/g, ' ')

export const run = async (args: string[]): Promise<void> => {
  const { values } = parseArgs({
    args,
    options: {
      model: { type: 'string', default: 'qwen2.5-coder-0.5b' },
      keep: { type: 'string', default: '0.25' },
      questions: { type: 'string' },
    },
  })
  const questions = values.questions
    ? readFileSync(values.questions, 'utf8')
        .split('\n')
        .filter((line) => line.trim() !== '')
        .map((line) => JSON.parse(line) as Question)
    : usual
  await using engine = await createEngine()
  const model = await engine.loadModel(values.model)
  const contexts = new Map<string, Promise<Context>>()
  const ranks: number[] = []
  const rows: string[][] = []
  for (const { source, question, passage } of questions) {
    const context = contexts.get(source) ?? open(model, source, values.keep)
    contexts.set(source, context)
    const answer = (await context).ask(question, { maxTokens: 80, sources: 50 })
    const { sources = [], timings } = await answer.done
    const rank = 1 + sources.findIndex(({ text }) => passage.some((words) => flat(text).includes(flat(words))))
    ranks.push(rank)
    const cells = [question, flat(await answer.text).slice(0, 60), sources[0]?.place ?? '-', rank ? `${rank}` : '> 50']
    rows.push([...cells, `${Math.round(timings.questionMs)}`, `${Math.round(timings.sourcesMs ?? 0)}`])
  }
  const within = (most: number): number => ranks.filter((rank) => rank >= 1 && rank <= most).length
  console.log(table(['question', 'answer', 'first source', 'rank', 'question, ms', 'sources, ms'], rows))
  console.log(`\nright passage first for ${within(1)}, among three for ${within(3)} of ${ranks.length}`)
}
