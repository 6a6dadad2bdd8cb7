import assert from 'node:assert/strict'
import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { temporaryFolder } from '../../test/fixtures/temporary-folder.ts'
import { writeZip } from '../../test/fixtures/zip-writer.ts'
import type { Document } from './document.ts'
import { placeAt } from './place.ts'
import { readDocument } from './read-document.ts'

const fixture = (name: string): string =>
  fileURLToPath(new URL(`../../test/fixtures/documents/${name}`, import.meta.url))

const read = (name: string): Promise<Document> => readDocument(fixture(name), { name })

/** The name of the place where `passage` stands. */
const placeOf = (document: Document, passage: string): string => {
  const at = document.text.indexOf(passage)
  assert.ok(at >= 0, `${passage} in ${document.text}`)
  return placeAt(document, Buffer.byteLength(document.text.slice(0, at)))
}

test('pdf: lines, paragraphs, columns, a divided word, a ligature, and 3 pages of which one is empty', async () => {
  const document = await read('lighthouse.pdf')
  assert.equal(
    document.text.trimEnd(),
    `The Lighthouse at Norrholm

The lamp was lit in 1874 by Ada Lindqvist, who kept it for forty years and harbours wrote to her of every self-lit lamp.

1. Terms of the Lease

The island is leased for ninety years at eleven crowns a year.
The first payment fell due in May.

2. The Ledger

Year | Ships | Wrecks
1874 | 212 | 3
1875 | 240 | 0`,
  )
  assert.equal(document.format, 'pdf')
  assert.deepEqual(document.notes, ['lighthouse.pdf: page 3 is without text (empty or images only)'])
  assert.equal(placeOf(document, 'Ada'), 'page 1, § The Lighthouse at Norrholm')
  assert.equal(placeOf(document, 'eleven crowns'), 'page 1, § 1. Terms of the Lease')
  assert.equal(placeOf(document, '240'), 'page 2, § 2. The Ledger')
})

test('docx: numbered headings, lists of 2 kinds, a table, a footnote; deleted and hidden text is left out', async () => {
  const document = await read('charter.docx')
  assert.equal(
    document.text,
    `# Charter of the Harbour Library

Members borrow up to seven books & two maps.[2]

# 1. Terms

## 1.1 Loans

A loan lasts four weeks.

## 1.2 Returns

a) by hand
b) by boat
  - only at high tide

# 2. Fees

Days late | Fee
1 | 2 crowns
10 | 5 crowns

Signed	Ada
Bo

[2] Maps only in summer.`,
  )
  assert.equal(placeOf(document, 'four weeks'), '§ 1.1 Loans')
  assert.equal(placeOf(document, '5 crowns'), '§ 2. Fees')
})

test('docx: entities of its own are not expanded and no file is read through them', async () => {
  const { text } = await read('entities.docx')
  assert.match(text, /^Before &b; &x; after/)
})

test('epub: chapters in reading order under the titles of its contents, whatever order the files have', async () => {
  const document = await read('boats.epub')
  assert.equal(
    document.text,
    `# Two Boats

# The Green Boat

It sails on Mondays only.

## Cargo

Salt and rope.

# The Red Boat

It never sails.`,
  )
  assert.equal(placeOf(document, 'Mondays'), 'The Green Boat')
  assert.equal(placeOf(document, 'rope'), 'The Green Boat, § Cargo')
  assert.equal(placeOf(document, 'never'), 'The Red Boat')
})

test('html: the main part as headings, lists, rows and preformatted text; no navigation, script, style or hidden text', async () => {
  const document = await read('tides.html')
  assert.equal(
    document.text,
    `# Tide tables

High water comes twice a day, about 12 hours and 25 minutes apart.

## Spring tides

- new moon
- full moon
  - both days after
3. third
4. fourth

Port | Metres
Norr holm | 2.4

a  b
  c

Tideless days & nights.
Next line.`,
  )
  assert.equal(placeOf(document, 'twice'), '§ Tide tables')
  assert.equal(placeOf(document, '2.4'), '§ Spring tides')
})

test('html: the sign behind a heading that links to it is no part of its title; a link in a heading is', async (t) => {
  const path = join(temporaryFolder(t), 'a.html')
  const sign = (name: string, text: string): string => `<a class="${name}" href="#x" title="Permalink">${text}</a>`
  writeFileSync(
    path,
    `<!doctype html><h1>Exit Status${sign('headerlink', '¶')}</h1><h2>${sign('x header-anchor', '#')}C# <a class="ref" href="y">types</a></h2>`,
  )
  assert.equal((await readDocument(path)).text, '# Exit Status\n\n## C# types')
})

test('html: of 3 images one is described in the words of its caption, which are read once', async (t) => {
  const path = join(temporaryFolder(t), 'a.html')
  const figure = (alt: string, caption: string): string =>
    `<figure><p><img src="a.png" alt="${alt}"></p><figcaption>${caption}</figcaption></figure>`
  const figures = [
    figure('The mole in  1902.', '<b>Figure 1:</b> The mole in 1902, from the east.'),
    figure('A gull', 'Birds'),
  ]
  writeFileSync(
    path,
    `<main><h1>Harbour</h1>${figures.join('')}<p>Press <img src="b.png" alt="OK"> or leave, OK?</p></main>`,
  )
  const { text } = await readDocument(path, { name: 'a.html' })
  const captions = 'Figure 1: The mole in 1902, from the east.\n\n[image: A gull]\n\nBirds'
  assert.equal(text, `# Harbour\n\n${captions}\n\nPress [image: OK] or leave, OK?`)
})

test('html: 2 images that stand side by side and are described alike are both read', async (t) => {
  const path = join(temporaryFolder(t), 'a.html')
  writeFileSync(path, `<main>${'<p><img src="a.png" alt="A gull"></p>'.repeat(2)}<p>Birds</p></main>`)
  const { text } = await readDocument(path, { name: 'a.html' })
  assert.equal(text, '[image: A gull]\n\n[image: A gull]\n\nBirds')
})

test('html: of 6 images 3 are described in whole words beside them: art is not said by party, nor 1 by 1902', async (t) => {
  const path = join(temporaryFolder(t), 'a.html')
  const described = [
    ['art', 'The party art-house, partly.', ''],
    ['art', 'The party of artists.', '[image: art]'],
    ['1', 'In 1902, café.', '[image: 1]'],
    ['caf', 'In 1902, café.', '[image: caf]'],
    ['c++', 'Written in c++, mostly.', ''],
    ['図', '港図一.', ''],
  ] as const
  for (const [alt, caption, image] of described) {
    writeFileSync(path, `<main><p><img src="a.png" alt="${alt}"></p><p>${caption}</p></main>`)
    const { text } = await readDocument(path, { name: 'a.html' })
    assert.equal(text, [image, caption].filter((part) => part !== '').join('\n\n'), alt)
  }
})

test('text: Windows-1252 is guessed and said, or read as what the caller says; UTF-16 with its mark needs no guess', async () => {
  const guessed = await read('latin1.txt')
  assert.match(guessed.text, /^Die Straße führt über die Brücke zum schönen Café/)
  assert.match(guessed.notes.join(), /latin1\.txt is not UTF-8 and does not say what it is: read as windows-1252/)
  assert.equal(placeOf(guessed, 'Brötchen'), 'line 2')
  const said = await readDocument(fixture('latin1.txt'), { encoding: 'latin1' })
  assert.deepEqual([said.text, said.notes], [guessed.text, []])
  const wide = await read('utf16.txt')
  assert.deepEqual([wide.text, wide.notes], ['The bell rings twice.\nThen it is still.\n', []])
})

const refusals: Record<string, RegExp> = {
  'protected.pdf': /^protected\.pdf is protected by a password; save a copy without one$/,
  'scan.pdf': /^scan\.pdf holds no text, only images, as scans do; recognise its text first/,
  'cut-short.pdf': /^cut-short\.pdf is damaged: it begins as a PDF but cannot be read as one \(.+\); get it again$/,
  'damaged.docx': /^damaged\.docx is a damaged zip: .+; get it again$/,
  'drm.epub': /^drm\.epub is protected by its seller \(DRM\)/,
  'workbook.xlsx': /^workbook\.xlsx is an Excel workbook, which is not read; save it as CSV$/,
}

for (const [name, message] of Object.entries(refusals))
  test(`refused in one sentence: ${name}`, () =>
    assert.rejects(read(name), { name: 'CompactorError', code: 'document-invalid', message }))

test('what a file is, its bytes say: a page called .pdf is read as a page and that is said, a PDF called .txt is a PDF', async (t) => {
  const folder = temporaryFolder(t)
  const [page, pdf] = [join(folder, 'a.pdf'), join(folder, 'a.txt')]
  writeFileSync(page, '<!DOCTYPE html><p>Sign in first.')
  const document = await readDocument(page, { name: 'a.pdf' })
  assert.deepEqual([document.format, document.text], ['html', 'Sign in first.'])
  assert.deepEqual(document.notes, ['a.pdf is called .pdf but is HTML, and was read as that'])
  writeFileSync(pdf, Buffer.concat([Buffer.from('sent by mail\r\n'), readFileSync(fixture('lighthouse.pdf'))]))
  assert.equal((await readDocument(pdf)).format, 'pdf')
  writeFileSync(pdf, 'A file of this kind begins with\n%PDF-1.4\nand then goes on.')
  assert.equal((await readDocument(pdf)).format, 'text')
})

test('a zip bomb of 80 MiB in 80 kB is refused before it is unpacked whole', async (t) => {
  const path = join(temporaryFolder(t), 'bomb.docx')
  writeFileSync(path, writeZip([{ name: 'word/document.xml', content: Buffer.alloc(80 * 2 ** 20, 'a') }]))
  await assert.rejects(readDocument(path), { code: 'document-invalid', message: /more than 67108864 bytes/ })
})

test('14 kinds of files that are no documents are refused by what they are', async (t) => {
  const kinds: Record<string, [string, RegExp]> = {
    png: ['89504e470d0a1a0a00', /an image/],
    jpeg: ['ffd8ffe00010', /an image/],
    webp: ['524946460000000057454250', /an image/],
    gzip: ['1f8b0800', /an archive/],
    rar: ['526172211a0700', /an archive/],
    tar: [`612e747874${'00'.repeat(252)}7573746172`, /an archive/],
    elf: ['7f454c46020100', /a program/],
    wasm: ['0061736d01000000', /a program/],
    mp4: ['000000206674797069736f6d', /sound or video/],
    doc: ['d0cf11e0a1b11ae100', /an old Office file or one with a password/],
    rtf: ['7b5c727466315c616e7369', /RTF/],
    sqlite: ['53514c69746520666f726d6174203300', /a database/],
    gguf: ['4747554603000000', /a GGUF model/],
    cctx: ['89434354580d0a1a02000000', /a context already/],
  }
  const path = join(temporaryFolder(t), 'a.bin')
  for (const [kind, [hex, message]] of Object.entries(kinds)) {
    writeFileSync(path, Buffer.from(hex, 'hex'))
    await assert.rejects(readDocument(path), { code: 'document-invalid', message }, kind)
  }
  writeFileSync(path, 'GGUF\x03\0\0\0')
  truncateSync(path, 2 ** 28 + 1) // what it is comes before its 268 MB
  await assert.rejects(readDocument(path), { code: 'document-invalid', message: /a GGUF model/ })
  writeFileSync(path, 'text')
  truncateSync(path, 2 ** 28 + 1)
  await assert.rejects(readDocument(path), {
    code: 'document-invalid',
    message: / has 268 MB, .* up to 268 MB; give a part of it$/,
  })
})
