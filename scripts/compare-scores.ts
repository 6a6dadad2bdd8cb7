/**
 * Our scores beside kvpress's on the same questions: means and paired differences over contexts with 95 % bootstrap
 * intervals, and, on request, every question.
 *
 *   node --import tsx scripts/compare-scores.ts RUN_FOLDER KVPRESS.json OURS=THEIRS… [--questions]
 *
 * KVPRESS.json is what scripts/compare-kvpress.py writes ({ rows: [{ file, id, qid, method, score }] }) or a list of
 * published scores ({ contexts: [{ file, id, scores: { METHOD: { QID: score } } }] }). OURS=THEIRS names a variant of the
 * run and a method of the file: 'compactor@0.25=compactor@0.25' (options of OURS may hold "=": the last one counts).
 */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { markdownTable } from '../src/eval/markdown-table.ts'
import { readRun } from '../src/eval/run-folder.ts'
import { mean, pairedDifference } from '../src/eval/statistics.ts'

type Scores = ReadonlyMap<string, number> // by file, context, question and method

interface Rows {
  readonly rows: readonly { file: string; id: string; qid: string; method: string; score: number }[]
}

interface Published {
  readonly contexts: readonly { file: string; id: string; scores: Record<string, Record<string, number>> }[]
}

const keyOf = (...parts: readonly string[]): string => JSON.stringify(parts)

const theirScores = (path: string): Scores => {
  const read = JSON.parse(readFileSync(path, 'utf8')) as Rows | Published
  if ('rows' in read)
    return new Map(read.rows.map(({ file, id, qid, method, score }) => [keyOf(file, id, qid, method), score]))
  return new Map(
    read.contexts.flatMap(({ file, id, scores }) =>
      Object.entries(scores).flatMap(([method, byQuestion]) =>
        Object.entries(byQuestion).map(([qid, score]) => [keyOf(file, id, qid, method), score] as const),
      ),
    ),
  )
}

interface Pair {
  readonly file: string
  readonly id: string
  readonly qid: string
  readonly ours: number
  readonly theirs: number
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { questions: { type: 'boolean', default: false } },
})
const [folder, path, ...comparisons] = positionals
if (folder === undefined || path === undefined || comparisons.length === 0)
  throw new RangeError('expected RUN_FOLDER KVPRESS.json OURS=THEIRS…')
const { contexts } = await readRun(folder)
const theirs = theirScores(path)

const pairsOf = (variant: string, method: string): Pair[] =>
  contexts.flatMap(({ data: file, id, questions }) =>
    questions.flatMap(({ qid, results }) => {
      const [one, other] = [results[variant]?.score, theirs.get(keyOf(file, id, qid, method))]
      return one === undefined || other === undefined ? [] : [{ file, id, qid, ours: one, theirs: other }]
    }),
  )

/** Means over contexts, each the mean of its questions. */
const row = (name: string, pairs: readonly Pair[]): string[] => {
  const contextOf = ({ file, id }: Pair): string => keyOf(file, id)
  const byContext = [...new Set(pairs.map(contextOf))].map((context) =>
    pairs.filter((pair) => contextOf(pair) === context),
  )
  const ours = byContext.map((own) => mean(own.map((pair) => pair.ours)))
  const others = byContext.map((own) => mean(own.map((pair) => pair.theirs)))
  const { mean: difference, low, high } = pairedDifference(ours, others)
  const digits = (value: number): string => value.toFixed(3)
  const interval = `${digits(difference)} (${digits(low)} … ${digits(high)})`
  return [name, `${byContext.length} / ${pairs.length}`, digits(mean(ours)), digits(mean(others)), interval]
}

for (const comparison of comparisons) {
  const at = comparison.lastIndexOf('=')
  const [variant, method] = [comparison.slice(0, at), comparison.slice(at + 1)]
  const pairs = pairsOf(variant, method)
  if (pairs.length === 0) throw new RangeError(`no question has both ${variant} (ours) and ${method} (theirs)`)
  const files = [...new Set(pairs.map(({ file }) => file))]
  const rows = files.map((file) =>
    row(
      file,
      pairs.filter((pair) => pair.file === file),
    ),
  )
  console.log(`\nours ${variant}, kvpress ${method}\n`)
  const heads = ['file', 'contexts / questions', 'ours', 'kvpress', 'ours less kvpress, paired']
  console.log(markdownTable(heads, [...rows, row('pooled', pairs)]))
  if (values.questions)
    for (const { file, id, qid, ours, theirs: other } of pairs)
      console.log(`${file}\t${id}\t${qid}\t${ours.toFixed(3)}\t${other.toFixed(3)}`)
}
