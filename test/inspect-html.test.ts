/** `compactor inspect context --html`: a context as a page, from a process of its own. */
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readKeptDocument } from '../src/index.ts'
import { newPlace, type Place } from './cli-process.ts'
import { type Element, readMarkup } from './fixtures/markup.ts'

const text =
  'The bridge was opened on the third of May — “quite late” — by the mayor, 東京 & <b>rain</b> on her speech.\n'.repeat(
    3,
  )

/** A context of `text` at keep 0.5 by a tiny model that lies in the home. */
const makeContext = async (place: Place): Promise<void> => {
  symlinkSync(place.llama, join(place.home, 'models', 'toy.gguf'))
  writeFileSync(join(place.folder, 'a.txt'), text)
  const protection = ['--protect-first', '2', '--protect-last', '3', '--reserve', '50']
  const { exitCode, stderr } = await place.run(['compress', 'a.txt', '-m', 'toy', '--keep', '0.5', ...protection])
  assert.equal(exitCode, 0, stderr)
}

const shaded = (page: string): string | undefined =>
  readMarkup(page).find(({ attributes }) => attributes.class === 'text')?.text

const named = (elements: readonly Element[], name: string): string =>
  elements
    .filter((element) => element.name === name)
    .map((element) => element.text)
    .join('\n')

test('the page shows the document as it was, the template’s head before it, and what was kept', async (t) => {
  const place = newPlace(t)
  await makeContext(place)
  const { exitCode, stdout, stderr } = await place.run(['inspect', 'context', 'a.cctx', '--html', 'a.html'])
  assert.deepEqual([exitCode, stderr], [0, ''])
  assert.match(stdout, /^written {2}a\.html \([\d.]+ kB\)\n$/)
  const page = readFileSync(join(place.folder, 'a.html'), 'utf8')
  assert.equal(shaded(page), text)
  const elements = readMarkup(page)
  assert.match(named(elements, 'dd'), /a\.txt[\s\S]*compactor [\s\S]*keep 0\.5[\s\S]*kB of [\d.]+ kB \(50\.\d %\)/)
  const head = elements.find(({ attributes }) => attributes.class === 'head-part')?.text
  const { header, kept, tokens } = await readKeptDocument(join(place.folder, 'a.cctx'), {
    modelPath: place.llama,
    home: place.home,
  })
  assert.ok(head !== undefined && head.length > 0)
  const marked = elements.filter(
    ({ attributes }) => /^token /.test(attributes.title ?? '') && / p/.test(attributes.class ?? ''),
  )
  assert.equal(marked.length, 5)
  const pairs = header.block.tiers.flatMap(({ counts }) => counts.flat()).reduce((sum, count) => sum + count, 0)
  assert.equal(
    kept.reduce((sum, layer) => sum + layer.reduce((total, count) => total + count, 0), 0),
    pairs,
  )
  assert.equal(tokens.join(''), text)
})

test('- is standard output; what exists is kept without --force and replaced with it, and nothing else is left behind', async (t) => {
  const place = newPlace(t)
  await makeContext(place)
  const piped = await place.run(['inspect', 'context', 'a.cctx', '--html', '-'])
  assert.deepEqual([piped.exitCode, shaded(piped.stdout)], [0, text])
  writeFileSync(join(place.folder, 'b.html'), 'mine')
  const refused = await place.run(['inspect', 'context', 'a.cctx', '--html', 'b.html'])
  assert.equal(refused.exitCode, 1)
  assert.match(refused.stderr, /^compactor: b\.html exists; give --force to replace it or another name with --html\n$/)
  assert.equal(readFileSync(join(place.folder, 'b.html'), 'utf8'), 'mine')
  const forced = await place.run(['inspect', 'ctx', 'a.cctx', '--html', 'b.html', '--force'])
  assert.equal(forced.exitCode, 0)
  assert.equal(readFileSync(join(place.folder, 'b.html'), 'utf8'), piped.stdout)
  assert.deepEqual(readdirSync(place.folder).sort(), ['a.cctx', 'a.txt', 'b.html'])
})

test('without the model the page shows ids and says so; -m names it, and another model is refused', async (t) => {
  const place = newPlace(t)
  await makeContext(place)
  const env = { COMPACTOR_HOME: join(place.home, 'other') }
  mkdirSync(join(env.COMPACTOR_HOME, 'models'), { recursive: true })
  const without = await place.run(['inspect', 'context', 'a.cctx', '--html', '-'], { env })
  assert.equal(without.exitCode, 0)
  assert.match(without.stderr, /not on this machine .*; the page shows the tokens’ ids instead of their text/)
  assert.match(shaded(without.stdout) ?? '', /^( \d+)+$/)
  const given = await place.run(['inspect', 'context', 'a.cctx', '--html', '-', '-m', place.llama], { env })
  assert.deepEqual([given.exitCode, shaded(given.stdout)], [0, text])
  const wrong = await place.run(['inspect', 'context', 'a.cctx', '--html', 'c.html', '-m', place.qwen2], { env })
  assert.deepEqual([wrong.exitCode, wrong.stderr.split('\n').length], [1, 2])
  assert.match(wrong.stderr, /was made with the model toy .*, but qwen2 has sha256 .*; leave out -m/)
  assert.ok(!readdirSync(place.folder).includes('c.html'))
})

test('used wrongly: one sentence each', async (t) => {
  const place = newPlace(t)
  await makeContext(place)
  mkdirSync(join(place.folder, 'folder'))
  const cases: readonly (readonly [words: readonly string[], exitCode: number, sentence: RegExp])[] = [
    [['a.cctx', '--force'], 2, /--force is for the page that --html writes/],
    [['a.cctx', '-m', 'toy'], 2, /--model is for the page that --html writes/],
    [['a.cctx', '--html', '-', '--json'], 2, /only one of --json and --html/],
    [['a.cctx', '--html', ''], 2, /--html takes the path of the file to write/],
    [['a.cctx', '--html', 'folder', '--force'], 1, /folder is a directory; give a file name with --html/],
    [
      ['a.cctx', '--html', 'nowhere/a.html'],
      1,
      /nothing can be written to the folder nowhere: .*give another place with --html/,
    ],
    [['a.txt', '--html', '-'], 1, /a\.txt/],
  ]
  for (const [words, exitCode, sentence] of cases) {
    const outcome = await place.run(['inspect', 'context', ...words])
    assert.deepEqual([outcome.exitCode, outcome.stdout], [exitCode, ''], words.join(' '))
    assert.match(outcome.stderr, sentence)
    assert.equal(outcome.stderr.trimEnd().split('\n').length, 1, outcome.stderr)
  }
})
