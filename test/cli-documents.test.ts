/** Documents of every kind on the command line: read, said on stderr, compressed, and named by the places in their context. */
import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { createReferenceOps } from '../src/backends/reference.ts'
import { openContext } from '../src/cache/cctx-open.ts'
import { mapFile } from '../src/formats/map-file.ts'
import { placeAt, readContextHeader, restorePlaces } from '../src/index.ts'
import { newPlace, type Place } from './cli-process.ts'
import { everythingIn } from './fixtures/temporary-folder.ts'

const fixture = (name: string): string => fileURLToPath(new URL(`./fixtures/documents/${name}`, import.meta.url))

const compress = ({ llama }: Place, document: string, ...more: string[]): string[] => [
  ...['compress', document, '-m', llama, '--reserve', '10', '--protect-first', '2', '--protect-last', '2'],
  ...more,
]

test('compress: a PDF is read page by page, and every token of its context has a place', async (t) => {
  const place = newPlace(t)
  copyFileSync(fixture('lighthouse.pdf'), join(place.folder, 'lighthouse.pdf'))
  const { exitCode, stderr } = await place.run(compress(place, 'lighthouse.pdf'))
  assert.equal(exitCode, 0, stderr)
  assert.equal(
    stderr,
    'compactor: read lighthouse.pdf (PDF, 3 pages, 3 headings)\ncompactor: lighthouse.pdf: page 3 is without text (empty or images only)\n',
  )
  const opened = await openContext(join(place.folder, 'lighthouse.cctx'), createReferenceOps(), mapFile)
  try {
    const { places } = opened.header.document
    assert.ok(places)
    const named = new Set(Array.from(opened.sourceOffsets, (offset) => placeAt(restorePlaces(places), offset)))
    assert.deepEqual(
      [...named],
      ['page 1, § The Lighthouse at Norrholm', 'page 1, § 1. Terms of the Lease', 'page 2, § 2. The Ledger'],
    )
  } finally {
    opened.release()
  }
})

test('compress: a folder becomes one document beside it, --verbose names what was left out, --json tells it to programs', async (t) => {
  const place = newPlace(t)
  const folder = join(place.folder, 'notes-1.2')
  mkdirSync(folder)
  for (const [name, content] of [
    ['a.md', '# One\n\ntext'],
    ['b.bin', '\0'],
    ['.hidden', 'x'],
  ] as const)
    writeFileSync(join(folder, name), content)
  const { exitCode, stdout, stderr } = await place.run(compress(place, 'notes-1.2', '--json'))
  assert.equal(exitCode, 0, stderr)
  assert.equal(stderr, 'compactor: read notes-1.2 (folder, 1 file, 1 heading, 2 left out: --verbose names them)\n')
  const skipped = [
    { path: '.hidden', reason: 'hidden' },
    { path: 'b.bin', reason: 'a binary file (byte 0 is 0)' },
  ]
  const { output, document } = JSON.parse(stdout)
  assert.deepEqual([output, document], ['notes-1.2.cctx', { name: 'notes-1.2', format: 'folder', notes: [], skipped }])
  const again = await place.run(compress(place, 'notes-1.2/', '--force', '--verbose'))
  assert.match(
    again.stderr,
    /2 left out\)\n.*left out \.hidden: hidden\n.*left out b\.bin: a binary file \(byte 0 is 0\)\n$/,
  )
  const { header } = await readContextHeader(join(place.folder, 'notes-1.2.cctx'))
  assert.deepEqual(
    header.document.places?.marks.map(({ kind, label }) => `${kind} ${label}`),
    ['file a.md', 'line 1', 'heading One'],
  )
  const here = await place.run(compress(place, '.', '-o', 'all.cctx'))
  assert.match(here.stderr, /read \. \(folder, 1 file/) // the context beside is no document
  assert.deepEqual(
    everythingIn(place.folder).filter((name) => name.endsWith('.cctx')),
    ['all.cctx', 'notes-1.2.cctx'],
  )
})

test('compress: of a folder that is too long its 5 parts are said, the largest first, and where to name what to leave out', async (t) => {
  const place = newPlace(t)
  for (const [name, bytes] of [
    ['a', 900],
    ['b', 3000],
    ['c', 100],
    ['d', 200],
    ['e', 300],
  ] as const) {
    mkdirSync(join(place.folder, 'project', 'src', name), { recursive: true })
    writeFileSync(join(place.folder, 'project', 'src', name, 'text.txt'), 'word '.repeat(bytes / 5))
  }
  for (const command of ['compress', 'estimate']) {
    const { exitCode, stdout, stderr } = await place.run([command, 'project', '-m', place.llama, '--reserve', '10'])
    assert.deepEqual([exitCode, stdout], [1, ''])
    assert.match(
      stderr,
      /more than the 512 that .*\. It takes some 2 kB of text, and project has src\/b 3\.0\d kB, src\/a 9\d\d B, src\/e 3\d\d B, src\/d 2\d\d B, 1 more: choose with --include src\/a or --exclude src\/b, give a part of it, or name what to leave out in project\/\.ignore\n$/,
    )
  }
})

test('compress and ask: an address is fetched, named without its query, and remembered by its content', async (t) => {
  const place = newPlace(t)
  const server = createServer((_, response) =>
    response.writeHead(200, { 'content-type': 'text/html' }).end(readFileSync(fixture('tides.html'))),
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const site = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const compressed = await place.run(compress(place, `${site}/guide/tides.html?key=secret`))
  assert.equal(compressed.exitCode, 0, compressed.stderr)
  assert.equal(compressed.stderr, `compactor: read ${site}/guide/tides.html (HTML, 2 headings)\n`)
  const bytes = readFileSync(join(place.folder, 'tides.cctx'))
  assert.deepEqual([bytes.includes(`${site}/guide/tides.html`), bytes.includes('secret')], [true, false])
})

test('ask: a document is compressed first and remembered; one in another encoding says what was guessed', async (t) => {
  const place = newPlace(t, { models: ['smollm2-135m'] })
  const words = ['Where does the street lead?', '-m', 'smollm2-135m', '--max-tokens', '4']
  const first = await place.run(['ask', fixture('latin1.txt'), ...words])
  assert.equal(first.exitCode, 0, first.stderr)
  assert.match(
    first.stderr,
    /read as windows-1252; if letters are wrong, say which encoding it is \(--encoding\)\n.*reading .*latin1\.txt/,
  )
  const second = await place.run(['ask', fixture('latin1.txt'), ...words, '--encoding', 'windows-1252'])
  assert.deepEqual([second.exitCode, second.stdout, second.stderr], [0, first.stdout, ''])
})

test('--include and --exclude choose files of a folder in all 5 commands that take one, and the report counts what they left out', async (t) => {
  const place = newPlace(t)
  for (const [name, text] of [
    ['a.txt', 'one'],
    ['b.txt', 'two'],
    ['c.md', 'three'],
    ['vendor/d.txt', 'four'],
    ['.hidden', 'x'],
  ] as const) {
    mkdirSync(join(place.folder, 'project', 'vendor'), { recursive: true })
    writeFileSync(join(place.folder, 'project', name), text)
  }
  writeFileSync(join(place.folder, 'fields.json'), '{"properties":{"date":{}}}')
  const choice = ['--include', '*.txt', '--exclude', 'vendor', '--exclude', 'b*', '-m', '../cut.gguf']
  writeFileSync(join(place.folder, '..', 'cut.gguf'), readFileSync(place.llama).subarray(0, 1000)) // found, not loaded
  const report =
    'compactor: read project (folder, 1 file, 1 left out, 1 not included, 2 excluded: --verbose names them)\n'
  const commands = [
    ['compress', 'project'],
    ['estimate', 'project'],
    ['ask', 'project', 'Why?'],
    ['chat', 'project'],
    ['extract', 'project', '--schema', 'fields.json'],
  ]
  for (const words of commands) {
    const { stderr } = await place.run([...words, ...choice])
    assert.ok(stderr.startsWith(`${report}compactor: `) && /cut/.test(stderr), stderr)
  }
})

test('--include and --exclude are refused in one sentence for a file, standard input, an address and a context; from the environment they wait for a folder', async (t) => {
  const place = newPlace(t)
  writeFileSync(join(place.folder, 'a.txt'), 'one')
  assert.equal((await place.run(compress(place, 'a.txt'), { env: { COMPACTOR_INCLUDE: '*.md' } })).exitCode, 0)
  for (const words of [
    ['compress', 'a.txt'],
    ['estimate', 'a.txt'],
    ['ask', 'a.txt', 'Why?'],
    ['chat', 'a.txt'],
    ['ask', '-', 'Why?'],
    ['compress', 'https://example.org/a.txt', '-o', 'b.cctx'],
    ['ask', 'a.cctx', 'Why?'],
  ]) {
    const { exitCode, stdout, stderr } = await place.run([...words, '--exclude', '*.md'])
    assert.deepEqual([exitCode, stdout], [2, ''])
    assert.match(stderr, /^compactor: --exclude chooses files of a folder, and .* is none; leave it out\n$/)
  }
  const missing = await place.run(['ask', 'nothing', 'Why?', '--include', '*.md'])
  assert.match(missing.stderr, /nothing .*does not exist/)
})
