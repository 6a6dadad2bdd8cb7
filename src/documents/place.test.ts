import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Places } from './document.ts'
import { readMarkdown } from './markdown.ts'
import { placeAt } from './place.ts'
import { restorePlaces, storePlaces } from './stored-places.ts'
import { readText } from './text.ts'

const decoded = (text: string): { text: string; encoding: string; guessed: boolean } => ({
  text,
  encoding: 'utf-8',
  guessed: false,
})

test('place: every byte of a text has the number of its line, with line ends of 3 kinds and letters of 1 to 4 bytes', () => {
  const text = 'ab\r\nü\n\n世界\rend 😀'
  const document = readText(decoded(text), { name: 'a' })
  const names = [...Buffer.from(text).keys()].map((at) => Number(placeAt(document, at).replace('line ', '')))
  let line = 1
  const expected = [...text].flatMap((character, i, all) => {
    const own = Array.from({ length: Buffer.byteLength(character) }, () => line)
    if (character === '\n' || (character === '\r' && all[i + 1] !== '\n')) line++
    return own
  })
  assert.deepEqual(names, expected)
})

test('place: Markdown headings of both forms, but none inside fences', () => {
  const text = [
    'before',
    '# One *two* `three` #',
    'a',
    'Under [a link](x)',
    '---',
    'b',
    '```sh',
    '# no heading',
    '```',
    'c',
    '## Last',
    'd',
  ].join('\n')
  const document = readMarkdown(decoded(text), { name: 'a' })
  const at = (passage: string): string => placeAt(document, Buffer.byteLength(text.slice(0, text.lastIndexOf(passage))))
  assert.equal(at('before'), 'line 1')
  assert.equal(at('\nUnder'), '§ One two three, line 3')
  assert.equal(at('# no heading'), '§ Under a link, line 8')
  assert.equal(at('d'), '§ Last, line 12')
})

test('place: a file ends what the file before it began, a chapter its headings; an offset that is none is a RangeError', () => {
  const places: Places = {
    marks: [
      { offset: 2, kind: 'file', label: 'a.pdf' },
      { offset: 4, kind: 'page', label: '7' },
      { offset: 5, kind: 'heading', label: 'Terms', level: 1 },
      { offset: 8, kind: 'file', label: 'b.epub' },
      { offset: 9, kind: 'chapter', label: 'One' },
      { offset: 10, kind: 'heading', label: 'In one', level: 1 },
      { offset: 12, kind: 'chapter', label: 'Two' },
    ],
    lineStarts: [],
    lineStep: 1,
  }
  const names = [0, 2, 4, 6, 8, 9, 11, 12, 1e9].map((offset) => placeAt(places, offset))
  assert.deepEqual(names, [
    ...['the beginning', 'a.pdf', 'a.pdf, page 7', 'a.pdf, page 7, § Terms', 'b.epub', 'b.epub, One'],
    ...['b.epub, One, § In one', 'b.epub, Two', 'b.epub, Two'],
  ])
  assert.equal(placeAt({ marks: [], lineStarts: [], lineStep: 1 }, 5), 'the document')
  for (const offset of [-1, 0.5, Number.NaN]) assert.throws(() => placeAt(places, offset), RangeError)
})

test('place: a passage of 3 lines is named by them, one that begins with the name of its file by the lines behind it', () => {
  const text = '# a.ts\n\none\ntwo\n}\n\n# b.ts\n\nthree'
  const places: Places = {
    marks: [
      { offset: 0, kind: 'file', label: 'a.ts' },
      { offset: 8, kind: 'line', label: '1' },
      { offset: 19, kind: 'file', label: 'b.ts' },
      { offset: 27, kind: 'line', label: '1' },
    ],
    lineStarts: [0, 7, 8, 12, 16, 18, 19, 26, 27],
    lineStep: 1,
  }
  assert.equal(text.indexOf('three'), 27)
  assert.equal(placeAt(places, 8, 17), 'a.ts, lines 1 to 3')
  assert.equal(placeAt(places, 8, 16), 'a.ts, lines 1 to 2')
  assert.equal(placeAt(places, 12, 15), 'a.ts, line 2')
  assert.equal(placeAt(places, 0, 15), 'a.ts, lines 1 to 2')
  assert.equal(placeAt(places, 0, 6), 'a.ts')
  assert.equal(placeAt(places, 8, 30), 'a.ts, lines 1 to 4') // no line of b.ts
  assert.equal(placeAt({ ...places, lineStep: 2 }, 8, 17), 'a.ts, near line 1')
  assert.throws(() => placeAt(places, 8, 7), RangeError)
})

test('stored places: a document of 3,000 lines and 2 headings names every line as before, in under 10 kB', () => {
  const text = Array.from({ length: 3000 }, (_, i) => (i % 1500 === 0 ? `# Part ${i}` : 'x'.repeat(i % 40))).join('\n')
  const document = readMarkdown(decoded(text), { name: 'a' })
  const stored = storePlaces(document, 20_000)
  assert.ok(JSON.stringify(stored).length < 10_000)
  const again = restorePlaces(JSON.parse(JSON.stringify(stored)))
  for (let at = 0; at < text.length; at += 7) assert.equal(placeAt(again, at), placeAt(document, at))
})

test('stored places: what does not fit becomes coarser but not wrong: lines are near, pages named together', () => {
  const lines = readText(decoded('a\n'.repeat(60_000)), { name: 'a' })
  const few = restorePlaces(storePlaces(lines, 100))
  assert.equal(placeAt(few, 0), 'near line 1')
  const [, near = ''] = /^near line (\d+)$/.exec(placeAt(few, 2 * 40_000)) ?? []
  assert.ok(Math.abs(Number(near) - 40_001) <= few.lineStep, `${near} within ${few.lineStep}`)
  const marks = Array.from({ length: 4000 }, (_, i) => ({
    offset: 10 * i,
    kind: 'page' as const,
    label: String(i + 1),
  }))
  const pages = restorePlaces(storePlaces({ marks, lineStarts: [], lineStep: 1 }, 100))
  const [, from, to] = /^page (\d+) to (\d+)$/.exec(placeAt(pages, 10 * 1999)) ?? []
  assert.ok(Number(from) <= 2000 && 2000 <= Number(to), `page 2000 in ${from} to ${to}`)
})

test('stored places: kinds that alternate and do not fit lose the finest one', () => {
  const marks = Array.from({ length: 2000 }, (_, i) => ({
    offset: i,
    kind: i % 2 === 0 ? ('page' as const) : ('file' as const),
    label: `${i}`.padStart(60, 'x'),
  }))
  const stored = storePlaces({ marks, lineStarts: [], lineStep: 1 }, 0)
  assert.ok(stored.marks.length > 0 && stored.marks.every(({ kind }) => kind === 'file'))
})

test('stored places: any marks fit the room of a document’s tokens, in order, and open again (200 runs)', () => {
  const kind = fc.constantFrom('file', 'chapter', 'page', 'heading', 'line')
  const mark = fc.record({
    offset: fc.nat(1e6),
    kind,
    label: fc.string({ maxLength: 300 }),
    level: fc.integer({ min: 1, max: 12 }),
  })
  const lists = fc.tuple(fc.array(mark, { maxLength: 400 }), fc.array(fc.nat(1e6), { maxLength: 2000 }), fc.nat(3000))
  fc.assert(
    fc.property(lists, ([marks, starts, tokens]) => {
      const places = {
        marks: marks.toSorted((a, b) => a.offset - b.offset) as Places['marks'],
        lineStarts: starts.toSorted((a, b) => a - b),
        lineStep: 1,
      }
      const stored = storePlaces(places, tokens)
      assert.ok(Buffer.byteLength(JSON.stringify(stored)) <= 16_384 + 4 * tokens + 100)
      const again = restorePlaces(stored)
      assert.ok(again.marks.every(({ offset }, i) => offset >= (again.marks[i - 1]?.offset ?? 0)))
      assert.equal(typeof placeAt(again, 500_000), 'string')
    }),
    { numRuns: 200 },
  )
})
