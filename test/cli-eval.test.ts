/** `compactor eval` as a user runs it: results, tables, pages, interruptions and refusals, each from a process of its own. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { newPlace, type Outcome, type Place } from './cli-process.ts'
import { writeData } from './fixtures/made-up-data.ts'
import { everythingIn } from './fixtures/temporary-folder.ts'

const succeed = async (place: Place, words: readonly string[]): Promise<Outcome> => {
  const outcome = await place.run(['eval', ...words])
  assert.equal(outcome.exitCode, 0, outcome.stderr)
  return outcome
}

const refused = ({ exitCode, stdout, stderr }: Outcome, code: 1 | 2, sentence: RegExp): void => {
  assert.equal(exitCode, code, stderr)
  assert.equal(stdout, '')
  assert.match(stderr, /^compactor: [^\n]+\n$/)
  assert.match(stderr, sentence)
}

const read = (...path: string[]): string => readFileSync(join(...path), 'utf8')

test('distances and scores of two methods at two shares: a table, a folder, and a page drawn again from the folder alone', async (t) => {
  const place = newPlace(t)
  writeData(place.folder, { contexts: 2 })
  const words = [
    'made_up.jsonl',
    '-m',
    place.llama,
    '-o',
    'results',
    '--methods',
    'compactor,random',
    '--keep',
    '0.5,1',
  ]
  const { stdout, stderr } = await succeed(place, [...words, '--measure', 'both', '--report', 'a.html'])
  assert.equal(stderr, '')
  assert.match(stdout, /^context-only, distance and score: llama, 2 contexts, at most 4 questions each, seed 1\n/)
  for (const name of ['full', 'closed-book', 'compactor@0.5', 'compactor@1', 'random@0.5', 'random@1'])
    assert.match(stdout, new RegExp(`^\\| ${name} +\\|`, 'm'))
  assert.deepEqual(everythingIn(join(place.folder, 'results')), ['contexts.jsonl', 'run.json'])

  await succeed(place, ['report', 'results', '-o', 'b.html'])
  assert.equal(read(place.folder, 'b.html'), read(place.folder, 'a.html'))
  assert.match(read(place.folder, 'a.html'), /compactor@0\.5[\s\S]*<svg/)
  refused(await place.run(['eval', 'report', 'results', '-o', 'b.html']), 1, /b\.html exists; give --force/)
  await succeed(place, ['report', 'results', 'results', '-o', 'b.html', '--force'])
  await succeed(place, ['report', 'results', '--baseline', 'compactor', '-o', 'c.html'])
  assert.match(read(place.folder, 'c.html'), /KL less compactor/)
  assert.ok(read(place.folder, 'b.html').length > read(place.folder, 'a.html').length)
})

test('joint-prefill is named in every line; without -o the same command finds its folder; --json is one value on stdout', async (t) => {
  const place = newPlace(t)
  writeData(place.folder, { contexts: 2 })
  const words = [
    'made_up.jsonl',
    '-m',
    place.llama,
    '--variants',
    'random@0.5',
    '--protocol',
    'joint-prefill',
    '--limit',
    '1',
  ]
  const first = await succeed(place, words)
  assert.match(first.stderr, /^compactor: results go to eval-results\/llama-made_up-[0-9a-f]{8}\n$/)
  assert.match(
    first.stdout,
    /^joint-prefill, [\s\S]*^\| full, joint-prefill +\|[\s\S]*^\| random@0\.5, joint-prefill +\|/m,
  )
  const second = await succeed(place, [...words, '--json', '--by', 'data', '--threads', '1', '--verbose'])
  assert.equal(second.stderr, first.stderr, 'nothing is computed again')
  const { folder, settings, summary } = JSON.parse(second.stdout)
  assert.deepEqual(readdirSync(join(place.folder, 'eval-results')), [folder.slice('eval-results/'.length)])
  assert.deepEqual([settings.protocol, summary.protocol], ['joint-prefill', 'joint-prefill'])
  assert.deepEqual(settings, JSON.parse(read(place.folder, folder, 'run.json')))
  assert.deepEqual([summary.groups[0].name, summary.groups[0].rows.at(-1).variant], ['made_up', 'random@0.5'])
  const other = await succeed(place, [...words, '--seed', '2', '--verbose'])
  assert.match(other.stderr, /\ncompactor: c\d: 1 of 1 contexts, (\d+) of \1 tokens, 0:00 left\n$/)
  assert.equal(readdirSync(join(place.folder, 'eval-results')).length, 2)
})

test('list names tasks, metrics and methods', async (t) => {
  const place = newPlace(t)
  const { stdout } = await succeed(place, ['list'])
  assert.match(
    stdout,
    /^TASK[\s\S]*^needle [\s\S]*^ruler\/vt |^METRIC[\s\S]*^word-f1 [\s\S]*^METHOD[\s\S]*^compactor /m,
  )
  const { tasks, metrics, methods } = JSON.parse((await succeed(place, ['list', '--json'])).stdout)
  for (const list of [tasks, metrics, methods])
    assert.ok(list.every(({ name }: { name: unknown }) => typeof name === 'string'))
})

test('SIGINT exits 130 with a sound folder; the same command goes on and ends with the bytes and page of a run that was not stopped', async (t) => {
  const place = newPlace(t)
  writeData(place.folder, { contexts: 30 })
  const words = ['made_up.jsonl', '-m', place.llama, '--variants', 'compactor@0.5,random@0.5', '--verbose', '-o']
  let isSent = false
  const stopped = await place.run(['eval', ...words, 'stopped'], {
    onOutput: (child, { stderr }) => {
      if (isSent || !stderr.includes(': 1 of 30 contexts')) return
      isSent = true
      child.kill('SIGINT')
    },
  })
  assert.equal(stopped.exitCode, 130, stopped.stderr)
  assert.match(stopped.stderr, /\ncompactor: interrupted\n$/)
  assert.equal(stopped.stdout, '')
  const done = read(place.folder, 'stopped/contexts.jsonl')
  assert.ok(done.split('\n').length - 1 < 30, 'it was stopped in time')

  const goneOn = await succeed(place, [...words, 'stopped', '--report', 'stopped.html'])
  assert.doesNotMatch(goneOn.stderr, /: 1 of 30 contexts/)
  const whole = await succeed(place, [...words, 'whole', '--report', 'whole.html'])
  assert.equal(goneOn.stdout, whole.stdout)
  assert.equal(read(place.folder, 'stopped/contexts.jsonl'), read(place.folder, 'whole/contexts.jsonl'))
  assert.ok(read(place.folder, 'whole/contexts.jsonl').startsWith(done.slice(0, done.lastIndexOf('\n') + 1)))
  const withoutCommit = (run: string, page: string): string =>
    page.replaceAll(JSON.parse(read(place.folder, run, 'run.json')).commit, 'COMMIT') // somebody may commit meanwhile
  const [a, b] = ['stopped', 'whole'].map((run) => withoutCommit(run, read(place.folder, `${run}.html`)))
  assert.equal(a, b)
})

test('what is used wrongly ends with 2, what fails with 1, one sentence each, and no folder is left', async (t) => {
  const place = newPlace(t)
  const { sha256 } = writeData(place.folder)
  writeFileSync(join(place.folder, 'bad.jsonl'), `${read(place.folder, 'made_up.jsonl')}{]\n`)
  const entry = { name: 'made_up', sha256: sha256.replace(/./g, '0'), contexts: ['c0'] }
  writeFileSync(join(place.folder, 'subset.json'), JSON.stringify({ data: [entry] }))
  const before = everythingIn(place.folder)
  const cases: readonly [words: readonly string[], code: 1 | 2, sentence: RegExp][] = [
    [['neddle'], 2, /unknown task "neddle".*did you mean needle\?/],
    [['nowhere.jsonl'], 1, /cannot read nowhere\.jsonl: it does not exist/],
    [['bad.jsonl'], 2, /bad\.jsonl, line 4: not JSON/],
    [['made_up.jsonl', '--subset', 'subset.json'], 2, /not the file that the subset/],
    [['needle', '--length', '2000'], 1, /trained on 512 tokens, too few for needle at 2000/],
    [['needle', '--task-option', 'depthStep'], 2, /--task-option takes name=value/],
    [['made_up.jsonl', '--variants', 'random@0.5', '--keep', '0.5'], 2, /leave out --keep/],
    [['made_up.jsonl', '--keep', '64MB'], 2, /METHOD@KEEP/],
    [['made_up.jsonl', '--baseline', 'snapkv'], 2, /the baseline is one of .*compactor, random; got "snapkv"/],
    [['made_up.jsonl', '-o', '.'], 2, /\. is not empty and not the folder of a run/],
    [['made_up.jsonl', '--force'], 2, /--force is for the page/],
    [['made_up.jsonl', '--json', '--report', '-'], 2, /only one of --json and --report -/],
    [[], 2, /missing required argument 'data'/],
    [['report', '.', '-o', 'page.html'], 2, /is not the folder of a run: expected run\.json/],
  ]
  for (const [words, code, sentence] of cases)
    refused(await place.run(['eval', ...words], { env: { COMPACTOR_MODEL: place.llama } }), code, sentence)
  assert.deepEqual(everythingIn(place.folder), before)
  assert.ok(!existsSync(join(place.folder, 'eval-results')))
})

test('help of eval, also behind data, and of its commands', async (t) => {
  const place = newPlace(t)
  for (const words of [['--help'], ['needle', '--help'], ['report', '--help'], ['list', '--help']])
    assert.match((await succeed(place, words)).stdout, /^Usage: compactor eval /)
})
