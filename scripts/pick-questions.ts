/**
 * The contexts and questions of a list of published scores, taken out of data files, so that an evaluation asks exactly
 * those: one JSONL file for each data file, with the limits and the metric of the list.
 *
 *   node --import tsx scripts/pick-questions.ts SCORES.json DATA_FOLDER OUT_FOLDER
 *
 * SCORES.json: { contexts: [{ file, id, scores: { full: { QID: score } } }] }.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

interface Scores {
  readonly contexts: readonly {
    readonly file: string
    readonly id: string
    readonly scores: { readonly full: Readonly<Record<string, number>> }
  }[]
}

interface Line {
  readonly id: string
  readonly questions: readonly { readonly qid: string }[]
}

/** What the list was scored with. */
const settings: Readonly<Record<string, { readonly max_new_tokens: number; readonly metric: string }>> = {
  squad_multi: { max_new_tokens: 18, metric: 'word-f1' },
  ruler_style: { max_new_tokens: 32, metric: 'ruler-all' },
}

const [scoresPath, dataFolder, outFolder] = process.argv.slice(2)
if (scoresPath === undefined || dataFolder === undefined || outFolder === undefined)
  throw new RangeError('expected SCORES.json DATA_FOLDER OUT_FOLDER')
const { contexts } = JSON.parse(readFileSync(scoresPath, 'utf8')) as Scores
mkdirSync(outFolder, { recursive: true })
for (const [file, own] of Object.entries(settings)) {
  const lines = readFileSync(join(dataFolder, `${file}.jsonl`), 'utf8')
    .trim()
    .split('\n')
  const byId = new Map(lines.map((line) => JSON.parse(line) as Line).map((line) => [line.id, line]))
  const picked = contexts
    .filter((context) => context.file === file)
    .map(({ id, scores }) => {
      const line = byId.get(id)
      if (!line) throw new RangeError(`${file}.jsonl has no context ${id}`)
      return { ...line, ...own, questions: line.questions.filter(({ qid }) => qid in scores.full) }
    })
  writeFileSync(join(outFolder, `${file}.jsonl`), picked.map((line) => `${JSON.stringify(line)}\n`).join(''))
}
