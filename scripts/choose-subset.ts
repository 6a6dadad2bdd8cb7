/**
 * Ids of a subset for bench/subsets/: which contexts of which files a stage of the evaluation is about, without their text.
 *
 *   node --import tsx scripts/choose-subset.ts FILE.jsonl … [--seed 1] [--limit 16] > bench/subsets/NAME.json
 *
 * A file may have settings of its own, as in `ruler.jsonl?match=_4096_&perDataset=4`: limit, perDataset, maxCharacters (of
 * the context), match (a regular expression that ids must match). A smaller choice is the beginning of a larger one.
 */
import { parseArgs } from 'node:util'
import type { Example } from '../src/eval/example.ts'
import { readExamples } from '../src/eval/read-examples.ts'
import { chooseContexts } from '../src/eval/subset.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seed: { type: 'string', default: '1' }, limit: { type: 'string', default: '16' } },
})
if (positionals.length === 0) throw new RangeError('give at least one JSONL file')

const seed = Number(values.seed)
const known = ['limit', 'perDataset', 'maxCharacters', 'match'] as const

const choose = (examples: readonly Example[], settings: URLSearchParams): Example[] => {
  for (const name of settings.keys())
    if (!known.includes(name as (typeof known)[number]))
      throw new RangeError(`unknown setting "${name}"; there are ${known.join(', ')}`)
  const [limit, perDataset, max] = known.slice(0, 3).map((name) => settings.get(name) ?? undefined)
  const match = new RegExp(settings.get('match') ?? '')
  const fitting = examples.filter(({ id, context }) => match.test(id) && context.length <= Number(max ?? Infinity))
  const each = perDataset === undefined ? {} : { perDataset: Number(perDataset) }
  const all = perDataset === undefined ? Number(limit ?? values.limit) : fitting.length
  return chooseContexts(fitting, { seed, limit: limit === undefined ? all : Number(limit), ...each })
}

const data = []
for (const word of positionals) {
  const [path = '', query = ''] = word.split(/\?(.*)/s)
  const { name, sha256, examples } = await readExamples(path)
  data.push({ name, sha256, contexts: choose(examples, new URLSearchParams(query)).map(({ id }) => id) })
}
process.stdout.write(`${JSON.stringify({ seed, data }, undefined, 2)}\n`)
