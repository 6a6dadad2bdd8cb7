/**
 * Ids of a subset for bench/subsets/: which contexts of which files a stage of the evaluation is about, without their text.
 *
 *   node --import tsx scripts/choose-subset.ts FILE.jsonl … [--seed 1] [--limit 16] > bench/subsets/NAME.json
 */
import { parseArgs } from 'node:util'
import { readExamples } from '../src/eval/read-examples.ts'
import { chooseContexts } from '../src/eval/subset.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seed: { type: 'string', default: '1' }, limit: { type: 'string', default: '16' } },
})
if (positionals.length === 0) throw new RangeError('give at least one JSONL file')

const [seed, limit] = [Number(values.seed), Number(values.limit)]
const data = []
for (const path of positionals) {
  const { name, sha256, examples } = await readExamples(path)
  data.push({ name, sha256, contexts: chooseContexts(examples, { seed, limit }).map(({ id }) => id) })
}
process.stdout.write(`${JSON.stringify({ seed, limit, data }, undefined, 2)}\n`)
