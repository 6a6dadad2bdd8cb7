import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../../test/fixtures/temporary-folder.ts'
import { CompactorError } from '../error.ts'
import { characterTables } from './pdf-tables.ts'
import { readPdfText } from './pdf-text.ts'

/** One page of text in a font that is not in the file, its characters by number in a table that is not either. */
const chinesePdf = (table: string, codes: string): Buffer => {
  const content = `BT /F1 20 Tf 50 700 Td <${codes}> Tj ET`
  const system = '<< /Registry (Adobe) /Ordering (GB1) /Supplement 2 >>'
  const objects = [
    '<< /Type /Catalog /Pages 2 0 R >>',
    '<< /Type /Pages /Count 1 /Kids [4 0 R] >>',
    `<< /Type /Font /Subtype /Type0 /BaseFont /SimSun /Encoding /${table} /DescendantFonts [6 0 R] >>`,
    '<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >> /Contents 5 0 R >>',
    `<< /Length ${content.length} >>\nstream\n${content}\nendstream`,
    `<< /Type /Font /Subtype /CIDFontType2 /BaseFont /SimSun /CIDSystemInfo ${system} /DW 1000 /FontDescriptor 7 0 R >>`,
    '<< /Type /FontDescriptor /FontName /SimSun /Flags 4 /FontBBox [0 -200 1000 900] /ItalicAngle 0 /Ascent 800 /Descent -200 /CapHeight 700 /StemV 80 >>',
  ]
  const body = objects.map((object, i) => `${i + 1} 0 obj\n${object}\nendobj\n`).join('')
  return Buffer.from(`%PDF-1.4\n${body}trailer\n<< /Size 8 /Root 1 0 R >>\n%%EOF\n`, 'latin1')
}

for (const [table, codes] of [
  ['UniGB-UCS2-H', '4F60597D'],
  ['GBK-EUC-H', 'C4E3BAC3'],
] as const)
  test(`a PDF by ${table} without that table is no scan: the table is named and what to install`, async (t) => {
    const input = { bytes: chinesePdf(table, codes), name: 'a.pdf' }
    const tables = characterTables(temporaryFolder(t))
    await assert.rejects(readPdfText(input, undefined, tables), (error: unknown) => {
      assert.ok(error instanceof CompactorError)
      assert.match(error.message, /^a\.pdf has text that cannot be read without tables .*npm install pdfjs-dist/)
      assert.doesNotMatch(error.message, /scan/)
      return true
    })
    assert.ok(tables.missing.has(table), [...tables.missing].join(', '))
  })

test('tables: one that is there is given, one that is not is missed by name, and no path or other kind is opened', async (t) => {
  const folder = temporaryFolder(t)
  writeFileSync(join(folder, 'GBK-EUC-H.bcmap'), 'abc')
  writeFileSync(join(folder, 'secret'), 'abc')
  const { factory: Factory, missing } = characterTables(folder)
  const made = new Factory()
  assert.deepEqual([...(await made.fetch({ kind: 'cMapUrl', filename: 'GBK-EUC-H.bcmap' }))], [97, 98, 99])
  await assert.rejects(made.fetch({ kind: 'cMapUrl', filename: 'B5pc-H.bcmap' }), /not here/)
  await assert.rejects(made.fetch({ kind: 'cMapUrl', filename: '../a/GBK-EUC-H.bcmap' }), RangeError)
  await assert.rejects(made.fetch({ kind: 'cMapUrl', filename: 'secret' }), RangeError)
  await assert.rejects(made.fetch({ kind: 'standardFontDataUrl', filename: 'GBK-EUC-H.bcmap' }), RangeError)
  assert.deepEqual([...missing], ['B5pc-H'])
})
