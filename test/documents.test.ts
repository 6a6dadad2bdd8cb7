/** The documents say what the code does: links lead somewhere, methods.md is the table of methods, sizes are kept. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { methods } from '../src/methods/index.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`),
]

/** Cells of the rows of a Markdown table whose first cell is `code`. */
const rowsOf = (text: string): string[][] =>
  text
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )

test('every relative link of every document leads to a file', () => {
  const broken = pages.flatMap((page) =>
    [...read(page).matchAll(/\]\((?!https?:|#)([^)#]+)/g)]
      .map(([, target = '']) => target)
      .filter((target) => !existsSync(join(root, dirname(page), target)))
      .map((target) => `${page} → ${target}`),
  )
  assert.deepEqual(broken, [])
})

test('docs/methods.md has one row for every method of the table, in its order', () => {
  const overview = read('docs/methods.md').split('\n## ')[0] ?? ''
  assert.deepEqual(
    rowsOf(overview).map(([name]) => name),
    methods.map(({ name }) => `\`${name}\``),
  )
})

for (const { name, options, create } of methods)
  test(`docs/methods.md: ${name} with its ${Object.keys(options).length} options, defaults and protected tokens`, () => {
    const [overview = '', ...sections] = read('docs/methods.md').split('\n## ')
    const section = sections.find((text) => text.startsWith(`${name}\n`))
    assert.ok(section, `a section "## ${name}"`)
    const firstTable = section.slice(
      section.indexOf('\n| option'),
      section.indexOf('\n\n', section.indexOf('\n| option')),
    )
    assert.deepEqual(
      rowsOf(firstTable).map(([option, value]) => [option, value]),
      Object.entries(options).map(([option, { default: value }]) => [`\`${option}\``, String(value)]),
    )
    const row = rowsOf(overview).find(([cell]) => cell === `\`${name}\``)
    const { protectFirst, protectLast, heads } = create().selection
    const first = name === 'streaming' ? 'sinks' : protectFirst
    assert.equal(row?.[3], `${first} / ${protectLast}, ${heads}`)
    const { needs } = create()
    const words = { queries: 'queries', rawQueries: 'queries before RoPE', repeat: 'the document again' } as const
    const names = (Object.keys(words) as (keyof typeof words)[]).filter((need) => needs[need])
    assert.equal(row?.[4], names.map((need) => words[need]).join(', ') || '–')
  })

test('docs/api.md names every error code, and no other', () => {
  const codes = [...read('src/error.ts').matchAll(/^ {2}\| '([a-z-]+)'/gm)].map(([, code]) => code)
  const section = read('docs/api.md').split('\n## Errors')[1] ?? ''
  const named = rowsOf(section).flatMap(([cell = '']) => [...cell.matchAll(/`([a-z-]+)`/g)].map(([, code]) => code))
  assert.deepEqual(named.sort(), codes.sort())
})

test('docs/api.md names every value that the package exports', () => {
  const text = read('docs/api.md')
  const values = [...read('src/index.ts').matchAll(/export \{([^}]*)\}/g)]
    .flatMap(([, list = '']) => list.split(','))
    .map((name) => name.trim())
    .filter((name) => name !== '' && !name.startsWith('type '))
  assert.ok(values.length > 0)
  assert.deepEqual(
    values.filter((name) => !new RegExp(`\\b${name}\\b`).test(text)),
    [],
  )
})

test('README has at most 200 lines, CONTRIBUTING at most 120', () => {
  for (const [page, most] of [
    ['README.md', 200],
    ['CONTRIBUTING.md', 120],
  ] as const) {
    const { length } = read(page).trimEnd().split('\n')
    assert.ok(length <= most, `${page} has ${length} lines, at most ${most}`)
  }
})

test('every command of the form `npm run NAME` in a document is a script of package.json', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
  const unknown = pages.flatMap((page) =>
    [...read(page).matchAll(/npm run ([a-z:-]+)/g)]
      .map(([, name = '']) => name)
      .filter((name) => !(name in scripts))
      .map((name) => `${page}: npm run ${name}`),
  )
  assert.deepEqual(unknown, [])
})
