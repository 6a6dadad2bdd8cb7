/** What real DOCX files hold besides styled paragraphs, each in a file made for its test. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { temporaryFolder } from '../../test/fixtures/temporary-folder.ts'
import { writeZip } from '../../test/fixtures/zip-writer.ts'
import type { Document } from './document.ts'
import { placeAt } from './place.ts'
import { readDocument } from './read-document.ts'

/** @param entries more files of the zip; `main` is where the body stands */
const read = (t: TestContext, body: string, entries: Record<string, string> = {}, main = 'word/document.xml') => {
  const path = join(temporaryFolder(t), 'a.docx')
  const files = { [main]: `<w:document xmlns:w="w"><w:body>${body}</w:body></w:document>`, ...entries }
  writeFileSync(path, writeZip(Object.entries(files).map(([name, text]) => ({ name, content: Buffer.from(text) }))))
  return readDocument(path, { name: 'a.docx' })
}

const run = (text: string, bold = false): string =>
  `<w:r>${bold ? '<w:rPr><w:b/></w:rPr>' : ''}<w:t xml:space="preserve">${text}</w:t></w:r>`
const paragraph = (text: string, bold = false): string => `<w:p>${run(text, bold)}</w:p>`
const row = (...cells: string[]): string =>
  `<w:tr>${cells.map((cell) => `<w:tc>${cell.startsWith('<') ? cell : paragraph(cell)}</w:tc>`).join('')}</w:tr>`
const table = (...rows: string[]): string => `<w:tbl>${rows.join('')}</w:tbl>`

const headings = ({ marks }: Document): string[] => marks.map(({ label }) => label)

test('docx: a short table in a cell is what that cell says, so its row keeps 3 columns, and 2 cells where it stands alone none', async (t) => {
  const inner = table(row('Step', 'Hazard'), row('1', 'Crushed hand'))
  const rows = [
    row('Task', 'Rig', 'Then'),
    row('Before', `${paragraph('See')}${inner}<w:p/>`, 'After'),
    row('a', '', 'b'),
  ]
  const { text } = await read(t, table(...rows))
  assert.equal(text, 'Task | Rig | Then\nBefore | See [Step | Hazard; 1 | Crushed hand] | After\na |  | b')
  const alone = await read(t, table(row(inner, '')))
  assert.equal(alone.text, 'Step | Hazard\n1 | Crushed hand')
})

test('docx: a table of more than 200 characters in a cell, or beside cells of 2 paragraphs, is read by itself; rows of the outer table stay rows', async (t) => {
  const inner = table(row('Step', 'Hazard'), row('1', 'Crushed hand'))
  const pair = paragraph('Before') + paragraph('all')
  const { text } = await read(t, table(row('Task', 'Rig'), row(pair, `${inner}<w:p/>`, 'After'), row('a', 'b')))
  assert.equal(text, 'Task | Rig\n\nBefore\n\nall\n\nStep | Hazard\n1 | Crushed hand\n\nAfter\n\na | b')
  const long = table(row('x'.repeat(100), 'y'.repeat(100)))
  const { text: apart } = await read(t, table(row('Before', long, 'After')))
  assert.equal(apart, `Before\n\n${'x'.repeat(100)} | ${'y'.repeat(100)}\n\nAfter`)
})

const decimals = `<w:numbering><w:abstractNum w:abstractNumId="1"><w:lvl w:ilvl="0"><w:numFmt w:val="decimal"/><w:lvlText w:val="%1."/></w:lvl></w:abstractNum><w:num w:numId="1"><w:abstractNumId w:val="1"/></w:num></w:numbering>`
const numbered = (text: string, mark = ''): string =>
  `<w:p><w:pPr><w:numPr><w:ilvl w:val="0"/><w:numId w:val="1"/></w:numPr>${mark}</w:pPr>${text === '' ? '' : run(text)}</w:p>`

test('docx: 7 numbers of a list run on through layout tables two deep, rows and the text behind them, in the order of the text', async (t) => {
  const innermost = table(row(numbered('Third') + numbered('Fourth')))
  const middle = table(row(`${numbered('Second')}${innermost}<w:p/>`))
  const outer = table(row(`${numbered('First')}${middle}${numbered('Fifth')}`))
  const { text } = await read(t, outer + table(row('Step', numbered('Sixth'))) + numbered('Seventh'), {
    'word/numbering.xml': decimals,
  })
  assert.equal(text, '1. First\n2. Second\n\n3. Third 4. Fourth\n\n5. Fifth\n\nStep | 6. Sixth\n\n7. Seventh')
})

test('docx: a column of numbers without text is read, a deleted or hidden paragraph takes none, an empty one takes its own', async (t) => {
  const rows = ['Rig', 'Sail'].map((text) => row(numbered(''), text)).join('')
  const gone = ['<w:del/>', '<w:vanish/>'].map((mark) => numbered('', `<w:rPr>${mark}</w:rPr>`)).join('')
  const body = `<w:tbl>${rows}</w:tbl>${gone}${numbered('')}${numbered('Anchor')}`
  const { text } = await read(t, body, { 'word/numbering.xml': decimals })
  assert.equal(text, '1. | Rig\n2. | Sail\n\n4. Anchor')
})

test('docx: tables two deep with merged cells and empty rows keep their order, and 2 headings in them their places', async (t) => {
  const heading = (text: string): string => `<w:p><w:pPr><w:outlineLvl w:val="0"/></w:pPr>${run(text)}</w:p>`
  const spanned = `<w:tr><w:tc><w:tcPr><w:gridSpan w:val="2"/></w:tcPr>${paragraph('Both')}</w:tc></w:tr>`
  const merged = ['<w:vMerge w:val="restart"/>', '<w:vMerge/>'].map(
    (merge, at) =>
      `<w:tr><w:tc><w:tcPr>${merge}</w:tcPr>${at === 0 ? paragraph('Crew') : '<w:p/>'}</w:tc><w:tc>${paragraph(['Ada', 'Bo'][at] ?? '')}</w:tc></w:tr>`,
  )
  const innermost = table(spanned, row('', ''), ...merged)
  const middle = table(row('', ''), row(heading('Ship') + paragraph('Before'), `${innermost}<w:p/>`), row('x', ''))
  const outer = table(
    row(`${heading('Harbour')}${middle}<w:p/>`),
    row(''),
    row('Pier', `${table(row('a', 'b'))}${paragraph('after')}`),
  )
  const document = await read(t, outer + paragraph('End.'))
  const rows = 'Both\nCrew | Ada\n | Bo'
  assert.equal(document.text, `# Harbour\n\n# Ship\n\nBefore\n\n${rows}\nx | \nPier | [a | b] after\n\nEnd.`)
  const placeOf = (words: string): string => {
    const at = Buffer.byteLength(document.text.slice(0, document.text.indexOf(words)))
    return placeAt(document, at, at + words.length)
  }
  assert.deepEqual(['Harbour', 'Before', 'Bo', 'after'].map(placeOf), ['§ Harbour', '§ Ship', '§ Ship', '§ Ship'])
})

test('docx: what a footnote says in a table keeps its number', async (t) => {
  const note = `<w:footnotes><w:footnote w:id="2">${table(row('Tide', 'high'))}</w:footnote><w:footnote w:id="3">${paragraph('Ebb.')}</w:footnote></w:footnotes>`
  const { text } = await read(t, paragraph('The harbour.'), { 'word/footnotes.xml': note })
  assert.equal(text, 'The harbour.\n\n[2] Tide | high\n[3] Ebb.')
})

test('docx: a caption in a text box, which the file holds in a new and an old form, is read once', async (t) => {
  const box = `<w:txbxContent>${paragraph('Figure 1: The mole')}</w:txbxContent>`
  const forms = `<mc:AlternateContent><mc:Choice Requires="wps"><w:drawing>${box}</w:drawing></mc:Choice><mc:Fallback><w:pict>${box}</w:pict></mc:Fallback></mc:AlternateContent>`
  const { text } = await read(t, `<w:p><w:r>${forms}</w:r>${run('The harbour.')}</w:p>`)
  assert.equal(text, 'Figure 1: The mole\n\nThe harbour.')
})

test('docx: without styles, short bold paragraphs are headings with their numbers; bold sentences and bold words are not', async (t) => {
  const numbering = `<w:numbering><w:abstractNum w:abstractNumId="1"><w:lvl w:ilvl="0"><w:numFmt w:val="upperLetter"/><w:lvlText w:val="%1."/></w:lvl></w:abstractNum><w:num w:numId="1"><w:abstractNumId w:val="1"/></w:num></w:numbering>`
  const numbered = `<w:p><w:pPr><w:numPr><w:ilvl w:val="0"/><w:numId w:val="1"/></w:numPr></w:pPr>${run('Scope of Work', true)}${run(': ')}</w:p>`
  const rest = ['The coach trains leaders.', 'For a year.', 'On site.'].map((text) => paragraph(text)).join('')
  const half = `<w:p>${run('Note', true)}${run(' this well')}</w:p>`
  const body = `${numbered}${rest}${paragraph('* * *')}${paragraph('Who fails to pay must leave.', true)}${half}`
  const document = await read(t, body, { 'word/numbering.xml': numbering })
  assert.deepEqual(headings(document), ['A. Scope of Work:'])
  assert.match(
    document.text,
    /^# A\. Scope of Work:\n\nThe coach[\s\S]*\n\n\* \* \*\n\nWho fails to pay must leave\.\n\nNote this well$/,
  )
})

test('docx: bold lines are no headings where there are styled ones, nor where most of the text is bold', async (t) => {
  const styled = `<w:p><w:pPr><w:outlineLvl w:val="0"/></w:pPr>${run('Terms')}</w:p>`
  const plain = paragraph('One.') + paragraph('Two.') + paragraph('Three.')
  assert.deepEqual(headings(await read(t, styled + paragraph('Total', true) + plain)), ['Terms'])
  assert.deepEqual(headings(await read(t, paragraph('Ada', true) + paragraph('Bo', true) + paragraph('and I.'))), [])
})

test('docx: 3 boxes of a form say whether they are ticked, a list says which entry is chosen', async (t) => {
  const box = (state: string): string =>
    `<w:r><w:fldChar w:fldCharType="begin"><w:ffData><w:checkBox>${state}</w:checkBox></w:ffData></w:fldChar></w:r>`
  const list = `<w:r><w:fldChar><w:ffData><w:ddList><w:result w:val="1"/><w:listEntry w:val="Alone"/><w:listEntry w:val="With family"/></w:ddList></w:ffData></w:fldChar></w:r>`
  const boxes = [
    box('<w:default w:val="0"/><w:checked/>') + run('Urgent '),
    box('<w:default w:val="0"/>') + run('Routine '),
    box('<w:default w:val="1"/><w:checked w:val="0"/>') + run('None'),
  ].join('')
  const { text } = await read(t, `<w:p>${boxes}</w:p><w:p>${run('Lives ')}${list}</w:p>`)
  assert.equal(text, '☒ Urgent ☐ Routine ☐ None\n\nLives With family')
})

test('docx: the main part is the one that the package names, whatever it is called', async (t) => {
  const rels = `<Relationships><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="/word/body.xml"/></Relationships>`
  const document = await read(t, paragraph('Here it is.'), { '_rels/.rels': rels }, 'word/body.xml')
  assert.deepEqual([document.format, document.text], ['docx', 'Here it is.'])
})

test('docx: without its main part it is refused as damaged, and not called some zip', async (t) => {
  await assert.rejects(read(t, paragraph('Gone.'), {}, 'word/styles.xml'), {
    code: 'document-invalid',
    message: /a\.docx is a DOCX, and damaged: its main part is missing; get it again/,
  })
})
