/** What readers do with bytes that somebody damaged or made to harm: a document or one sentence, never anything else. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { deflateSync } from 'node:zlib'
import fc from 'fast-check'
import { writePdf } from '../../test/fixtures/pdf-writer.ts'
import { writeZip } from '../../test/fixtures/zip-writer.ts'
import { CompactorError } from '../error.ts'
import type { Reading } from './document.ts'
import { readPdf } from './pdf.ts'
import { readPdfText } from './pdf-text.ts'
import { readBytes } from './read-bytes.ts'

const fixture = (name: string): Uint8Array =>
  readFileSync(new URL(`../../test/fixtures/documents/${name}`, import.meta.url))

/** Reads, or asserts that it is refused as it should be. */
const readOrRefuse = async (bytes: Uint8Array, name: string): Promise<Reading | undefined> => {
  try {
    // A PDF without its thread, for speed: what that adds has a test of its own.
    const isPdf = Buffer.from(bytes.subarray(0, 5)).toString('latin1') === '%PDF-'
    const reading = await (isPdf ? readPdfText : readBytes)({ bytes, name })
    assert.ok(reading.text.trim() !== '')
    const size = Buffer.byteLength(reading.text)
    assert.ok(reading.marks.every(({ offset }, i) => offset <= size && offset >= (reading.marks[i - 1]?.offset ?? 0)))
    return reading
  } catch (error) {
    if (!(error instanceof CompactorError)) throw error
    assert.equal(error.code, 'document-invalid')
    assert.match(error.message, new RegExp(`^.*${name}[^\\n]{5,400}$`))
    return undefined
  }
}

interface Change {
  readonly at: number
  readonly bytes: Uint8Array
  readonly kind: 'replace' | 'insert' | 'remove' | 'cut'
}

const change: fc.Arbitrary<Change> = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  bytes: fc.uint8Array({ minLength: 1, maxLength: 12 }),
  kind: fc.constantFrom('replace', 'replace', 'replace', 'insert', 'remove', 'cut'),
})

const apply = (bytes: Uint8Array, changes: readonly Change[]): Uint8Array => {
  let now = Buffer.from(bytes)
  for (const { at, bytes: piece, kind } of changes) {
    const place = Math.floor(at * now.length)
    const skip = kind === 'insert' ? 0 : kind === 'cut' ? now.length : piece.length
    const put = kind === 'remove' || kind === 'cut' ? Buffer.alloc(0) : Buffer.from(piece)
    now = Buffer.concat([now.subarray(0, place), put, now.subarray(place + skip)])
  }
  return now
}

const runs = Number(process.env.COMPACTOR_TEST_MUTATIONS ?? 60)

for (const name of ['lighthouse.pdf', 'charter.docx', 'boats.epub', 'tides.html', 'utf16.txt'])
  test(`${name} with up to 6 mutations is read or refused in a sentence (${runs} runs)`, async () => {
    const whole = fixture(name)
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 6 }), async (changes) => {
        await readOrRefuse(apply(whole, changes), name)
      }),
      { numRuns: runs },
    )
  })

test(`the parts of a DOCX and an EPUB, mutated before they are packed, are read or refused in a sentence (${runs} runs)`, async () => {
  const word = Buffer.from(
    '<w:document><w:body><w:p><w:pPr><w:pStyle w:val="A"/><w:numPr><w:numId w:val="1"/></w:numPr></w:pPr><w:r><w:t>One</w:t></w:r></w:p><w:tbl><w:tr><w:tc><w:p><w:r><w:t>cell</w:t></w:r></w:p></w:tc></w:tr></w:tbl></w:body></w:document>',
  )
  const book = Buffer.from(
    '<package><manifest><item id="a" href="a.xhtml" media-type="application/xhtml+xml"/></manifest><spine toc="n"><itemref idref="a"/></spine></package>',
  )
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
      await readOrRefuse(writeZip([{ name: 'word/document.xml', content: apply(word, changes) }]), 'a.docx')
      const parts = [
        { name: 'META-INF/container.xml', content: '<rootfile full-path="p.opf"/>' },
        { name: 'p.opf', content: apply(book, changes) },
        { name: 'a.xhtml', content: apply(Buffer.from('<h1>A</h1><p>b'), changes) },
      ]
      await readOrRefuse(writeZip(parts), 'a.epub')
    }),
    { numRuns: runs },
  )
})

test('random bytes and random tags are read or refused in a sentence (200 runs each)', async () => {
  const tag = fc.constantFrom(
    'table',
    'tr',
    'td',
    'li',
    'ol',
    'p',
    'pre',
    'h2',
    'main',
    'nav',
    'title',
    'svg',
    'script',
    'br',
  )
  const piece = fc.oneof(
    tag.map((name) => `<${name}>`),
    tag.map((name) => `</${name}>`),
    fc.constantFrom('word ', '&amp;', '<!--', '-->', '&#0;', '<![CDATA[', '\u00ad', '\ud800'),
  )
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.array(piece, { maxLength: 80 }), async (bytes, pieces) => {
      await readOrRefuse(bytes, 'a.bin')
      await readOrRefuse(Buffer.from(`<html>${pieces.join('')}`), 'a.html')
    }),
    { numRuns: 200 },
  )
})

test('tags nested 5,000 deep are refused, and 1 MB of opening brackets, comments and unclosed tags takes no stack', async () => {
  assert.equal(await readOrRefuse(Buffer.from(`<html>${'<div>'.repeat(5000)}x`), 'a.html'), undefined)
  const deep = writeZip([{ name: 'word/document.xml', content: `<w:t>${'<w:p>'.repeat(5000)}` }])
  assert.equal(await readOrRefuse(deep, 'a.docx'), undefined)
  for (const piece of ['<', '<!--', '<a href="', '<li>x', '&'])
    await readOrRefuse(Buffer.from(`<html><p>x${piece.repeat(1_000_000 / piece.length)}`), 'a.html')
})

test('a zip with an entry whose name a terminal obeys is refused in one sentence, the name escaped', async () => {
  const bytes = writeZip([{ name: '/a\u001b[2J', content: 'x' }])
  await assert.rejects(readBytes({ bytes, name: 'a.docx' }), {
    code: 'document-invalid',
    message: 'a.docx is a damaged zip: absolute path: /a\\u001b[2J; get it again',
  })
})

test('a zip that says another size or checksum than it has, or points outside, is refused or harmless', async () => {
  const whole = writeZip([
    { name: 'word/document.xml', content: `<w:p><w:r><w:t>${'text '.repeat(50)}</w:t></w:r></w:p>` },
  ])
  const directory = whole.lastIndexOf('PK\x01\x02')
  for (const [field, value] of Object.entries({ 16: 1, 24: 7, 42: 0x7fffffff })) {
    const changed = Buffer.from(whole)
    changed.writeUInt32LE(value, directory + Number(field))
    assert.equal(await readOrRefuse(changed, 'a.docx'), undefined, `field ${field}`)
  }
  const outside = writeZip([
    { name: 'META-INF/container.xml', content: '<rootfile full-path="../../etc/passwd"/>' },
    { name: 'a', content: 'x' },
  ])
  assert.equal(await readOrRefuse(outside, 'a.epub'), undefined)
})

test('a PDF whose pages and outline lead in circles, or with a page that is none, ends', async () => {
  const text = writePdf([{ content: 'BT /F1 12 Tf 72 700 Td (Hello there) Tj ET' }], {
    outline: [
      { title: 'A', page: 0 },
      { title: 'B', page: 0 },
    ],
  }).toString('latin1')
  for (const [from, to] of [
    ['/Kids [4 0 R]', '/Kids [2 0 R]'],
    ['/Next 8 0 R', '/Next 7 0 R'],
    ['/First 7 0 R', '/First 6 0 R'],
    ['/Count 1 ', '/Count 99999999 '],
    ['/Contents 5 0 R', '/Contents 4 0 R'],
  ] as const) {
    assert.ok(text.includes(from), from)
    await readOrRefuse(Buffer.from(text.replace(from, to), 'latin1'), 'a.pdf')
  }
})

/** A page whose drawing commands are this many bytes of white space, packed. */
const packedPage = (bytes: number): Buffer => {
  const packed = deflateSync(Buffer.alloc(bytes, ' ')).toString('latin1')
  const text = writePdf([{ content: packed }]).toString('latin1')
  return Buffer.from(
    text.replace(`/Length ${packed.length} `, `/Length ${packed.length} /Filter /FlateDecode `),
    'latin1',
  )
}

test('a PDF that takes more memory or time than it may is refused, one that is not wanted any more is stopped', async () => {
  const bytes = packedPage(400_000_000)
  const input = { bytes, name: 'a.pdf' }
  await assert.rejects(readPdf(input, { pageMs: 60_000, memoryBytes: 2 ** 27 }), {
    code: 'document-invalid',
    message: /^a\.pdf takes more than 134217728 bytes of memory at page 1; split it or print it anew$/,
  })
  await assert.rejects(readPdf(input, { pageMs: 1, memoryBytes: 2 ** 32 }), {
    code: 'document-invalid',
    message: /^page 1 of a\.pdf takes longer than 0\.001 s/,
  })
  const controller = new AbortController()
  const reading = readPdf({ ...input, signal: controller.signal })
  controller.abort(new Error('enough'))
  await assert.rejects(reading, { message: 'enough' })
})
