/**
 * Writes test/fixtures/documents: small documents of every format that is read, whole, damaged and hostile, byte for byte
 * by hand, so that no other program's habits are in them. The text is made up for this.
 *
 *   node --import tsx scripts/make-document-fixtures.ts
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type PdfPage, writePdf } from '../test/fixtures/pdf-writer.ts'
import { writeZip, type ZipEntry } from '../test/fixtures/zip-writer.ts'

const folder = fileURLToPath(new URL('../test/fixtures/documents', import.meta.url))
mkdirSync(folder, { recursive: true })
const save = (name: string, content: string | Uint8Array): void => writeFileSync(join(folder, name), content)

// -- PDF ----------------------------------------------------------------------------------------------------------

const line = (text: string, y: number, x = 72, size = 12): string => `BT /F1 ${size} Tf ${x} ${y} Td (${text}) Tj ET`

const lighthouse: readonly PdfPage[] = [
  {
    content: [
      line('The Lighthouse at Norrholm', 740, 72, 20),
      line('The lamp was lit in 1874 by Ada Lindqvist, who kept it for forty years and har-', 700),
      line('bours wrote to her of every self-lit lamp.', 685),
      line('1. Terms of the Lease', 640, 72, 16),
      line('The island is leased for ninety years at eleven crowns a year.', 610),
      // Code 1 is the ligature fi in this font.
      line('The \\001rst payment fell due in May.', 595),
    ].join('\n'),
  },
  {
    content: [
      line('2. The Ledger', 740, 72, 16),
      ...[
        ['Year', 'Ships', 'Wrecks'],
        ['1874', '212', '3'],
        ['1875', '240', '0'],
      ].map((cells, row) => cells.map((cell, column) => line(cell, 700 - 15 * row, 72 + 90 * column)).join('\n')),
    ].join('\n'),
  },
  { content: '0.5 g 100 100 200 200 re f' }, // a drawing without text
]
const outline = [
  { title: 'The Lighthouse at Norrholm', page: 0 },
  { title: '1. Terms of the Lease', page: 0 },
  { title: '2. The Ledger', page: 1 },
]
const pdf = writePdf(lighthouse, { outline })
save('lighthouse.pdf', pdf)
save('scan.pdf', writePdf([{ content: '0 g 0 0 300 300 re f' }, { content: '1 g 0 0 300 300 re f' }]))
save('protected.pdf', writePdf(lighthouse.slice(0, 1), { encrypted: true }))
save('cut-short.pdf', pdf.subarray(0, 300))

// -- DOCX ---------------------------------------------------------------------------------------------------------

const wordSpace = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
const word = (tag: string, inner: string): string =>
  `<?xml version="1.0" encoding="UTF-8"?>\n<w:${tag} ${wordSpace}>${inner}</w:${tag}>`
const run = (text: string): string => `<w:r><w:t xml:space="preserve">${text}</w:t></w:r>`
const paragraph = (content: string, properties = ''): string =>
  `<w:p><w:pPr>${properties}</w:pPr>${content.startsWith('<') ? content : run(content)}</w:p>`
const styled = (style: string): string => `<w:pStyle w:val="${style}"/>`
const item = (list: number, level = 0): string =>
  `<w:numPr><w:ilvl w:val="${level}"/><w:numId w:val="${list}"/></w:numPr>`
const row = (...cells: string[]): string =>
  `<w:tr>${cells.map((cell) => `<w:tc>${paragraph(cell)}</w:tc>`).join('')}</w:tr>`
const level = (depth: number, format: string, text: string): string =>
  `<w:lvl w:ilvl="${depth}"><w:start w:val="1"/><w:numFmt w:val="${format}"/><w:lvlText w:val="${text}"/></w:lvl>`

const body = [
  paragraph('Charter of the Harbour Library', styled('Title')),
  paragraph(
    `${run('Members borrow up to ')}${run('seven')}${run(' books &amp; two maps.')}<w:r><w:footnoteReference w:id="2"/></w:r>`,
  ),
  paragraph('Terms', styled('Heading1')),
  paragraph('Loans', styled('Heading2')),
  paragraph(
    `${run('A loan lasts ')}<w:del><w:r><w:delText>three</w:delText></w:r></w:del><w:ins>${run('four')}</w:ins>${run(' weeks')}` +
      `<w:r><w:rPr><w:vanish/></w:rPr><w:t> and a secret</w:t></w:r>${run('.')}`,
  ),
  paragraph('Returns', styled('Heading2')),
  paragraph('by hand', item(2)),
  paragraph('by boat', item(2)),
  paragraph('only at high tide', item(3, 1)),
  paragraph('Fees', styled('Heading1')),
  `<w:tbl>${row('Days late', 'Fee')}${row('1', '2 crowns')}${row('10', '5 crowns')}</w:tbl>`,
  paragraph('<w:r><w:t>Signed</w:t><w:tab/><w:t>Ada</w:t><w:br/><w:t>Bo</w:t></w:r>'),
].join('')
const styles = word(
  'styles',
  [
    '<w:style w:styleId="Title"><w:name w:val="Title"/></w:style>',
    '<w:style w:styleId="Heading1"><w:name w:val="heading 1"/><w:pPr><w:numPr><w:numId w:val="1"/></w:numPr></w:pPr></w:style>',
    '<w:style w:styleId="Heading2"><w:name w:val="heading 2"/><w:basedOn w:val="Heading1"/><w:pPr><w:numPr><w:ilvl w:val="1"/></w:numPr></w:pPr></w:style>',
  ].join(''),
)
const numbering = word(
  'numbering',
  [
    `<w:abstractNum w:abstractNumId="0">${level(0, 'decimal', '%1.')}${level(1, 'decimal', '%1.%2')}</w:abstractNum>`,
    `<w:abstractNum w:abstractNumId="1">${level(0, 'lowerLetter', '%1)')}</w:abstractNum>`,
    `<w:abstractNum w:abstractNumId="2">${level(0, 'bullet', '\u00b7')}${level(1, 'bullet', 'o')}</w:abstractNum>`,
    ...[1, 2, 3].map((id) => `<w:num w:numId="${id}"><w:abstractNumId w:val="${id - 1}"/></w:num>`),
  ].join(''),
)
const footnotes = word(
  'footnotes',
  `<w:footnote w:type="separator" w:id="0">${paragraph('')}</w:footnote><w:footnote w:id="2">${paragraph('Maps only in summer.')}</w:footnote>`,
)
const docxParts = (document: string): ZipEntry[] => [
  { name: '[Content_Types].xml', content: '<?xml version="1.0"?><Types/>' },
  { name: 'word/document.xml', content: document },
  { name: 'word/styles.xml', content: styles },
  { name: 'word/numbering.xml', content: numbering },
  { name: 'word/footnotes.xml', content: footnotes },
]
const docx = writeZip(docxParts(word('document', `<w:body>${body}</w:body>`)))
save('charter.docx', docx)
const laughs =
  '<!DOCTYPE d [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY x SYSTEM "file:///etc/passwd">]>'
save(
  'entities.docx',
  writeZip(
    docxParts(word('document', `<w:body>${paragraph('Before &b; &x; after')}</w:body>`).replace('\n', `\n${laughs}`)),
  ),
)
const broken = Buffer.from(docx)
const middle = broken.indexOf('word/document.xml') + 200
broken[middle] = (broken[middle] ?? 0) ^ 255
save('damaged.docx', broken)

// -- EPUB ---------------------------------------------------------------------------------------------------------

const xhtml = (title: string, inner: string): string =>
  `<?xml version="1.0" encoding="utf-8"?>\n<html xmlns="http://www.w3.org/1999/xhtml"><head><title>${title}</title></head><body>${inner}</body></html>`
const epubParts = (encryption = ''): ZipEntry[] => [
  { name: 'mimetype', content: 'application/epub+zip', stored: true },
  {
    name: 'META-INF/container.xml',
    content:
      '<?xml version="1.0"?><container><rootfiles><rootfile full-path="book/package.opf"/></rootfiles></container>',
  },
  ...(encryption === '' ? [] : [{ name: 'META-INF/encryption.xml', content: encryption }]),
  {
    name: 'book/package.opf',
    content: `<?xml version="1.0"?><package xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata><dc:title>Two Boats</dc:title></metadata>
<manifest><item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
<item id="one" href="text/first%20chapter.xhtml" media-type="application/xhtml+xml"/>
<item id="two" href="text/two.xhtml" media-type="application/xhtml+xml"/>
<item id="cover" href="cover.xhtml" media-type="application/xhtml+xml"/></manifest>
<spine><itemref idref="cover"/><itemref idref="two"/><itemref idref="one"/></spine></package>`,
  },
  {
    name: 'book/nav.xhtml',
    content: xhtml(
      'Contents',
      '<nav><ol><li><a href="text/two.xhtml">The Green Boat</a></li><li><a href="text/first%20chapter.xhtml#top">The Red Boat</a></li></ol></nav>',
    ),
  },
  { name: 'book/cover.xhtml', content: xhtml('Cover', '<img src="cover.png"/>') },
  {
    name: 'book/text/two.xhtml',
    content: xhtml(
      '',
      '<h1>The Green Boat</h1><p>It sails on Mondays&nbsp;only.</p><script>alert(1)</script><p/><h2>Cargo</h2><p>Salt and rope.</p>',
    ),
  },
  { name: 'book/text/first chapter.xhtml', content: xhtml('', '<p>It never sails.</p>') },
]
save('boats.epub', writeZip(epubParts()))
save(
  'drm.epub',
  writeZip(epubParts('<encryption><CipherData><CipherReference URI="book/text/two.xhtml"/></CipherData></encryption>')),
)

// -- other zips ---------------------------------------------------------------------------------------------------

save('workbook.xlsx', writeZip([{ name: 'xl/workbook.xml', content: '<workbook/>' }]))

// -- HTML and text ------------------------------------------------------------------------------------------------

save(
  'tides.html',
  `<!doctype html>
<html><head><meta charset="utf-8"><title>Tide tables</title><style>p { color: red }</style></head>
<body>
<header><nav><a href="/">Home</a> <a href="/about">About</a></nav></header>
<main>
<h1>Tide tables</h1>
<p>High water comes <b>twice</b> a day,
   about 12&nbsp;hours and 25&#32;minutes apart.<script>document.write('<p>no')</script></p>
<h2 id="springs">Spring tides</h2>
<ul><li>new moon<li>full moon<ul><li>both <em>days</em> after</ul></ul>
<ol start="3"><li>third</li><li>fourth</li></ol>
<table><tr><th>Port<th>Metres</tr><tr><td><p>Norr</p><p>holm</p></td><td>2.4</td></tr></table>
<pre>
a  b
  c
</pre>
<p hidden>not shown</p><p style="display: none">nor this</p>
<p>Tide&shy;less days &amp; nights.<br>Next line.</p>
</main>
<footer>Copyright, cookies</footer>
</body></html>
`,
)
save(
  'latin1.txt',
  Buffer.from(
    'Die Stra\u00dfe f\u00fchrt \u00fcber die Br\u00fccke zum sch\u00f6nen Caf\u00e9 am Fluss.\r\nDort gibt es Kaffee f\u00fcr drei Kronen und s\u00fc\u00dfe Br\u00f6tchen.\r\n',
    'latin1',
  ),
)
save('utf16.txt', Buffer.from('\ufeffThe bell rings twice.\nThen it is still.\n', 'utf16le'))
