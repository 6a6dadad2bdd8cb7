/** Damaged documents: the fixtures of every format, mutated, and the parts of DOCX and EPUB mutated before they are packed. */
import { readFileSync } from 'node:fs'
import { pdfFailure } from '../../src/documents/pdf.ts'
import { readPdfText } from '../../src/documents/pdf-text.ts'
import { readBytes } from '../../src/documents/read-bytes.ts'
import { writeZip, type ZipEntry } from '../fixtures/zip-writer.ts'
import { byteMutators } from './byte-mutations.ts'
import { Chance } from './chance.ts'
import type { Damaged, Trial } from './trial.ts'

const names = ['lighthouse.pdf', 'charter.docx', 'boats.epub', 'tides.html', 'utf16.txt', 'latin1.txt']

/** What the formats are made of; put where it does not belong. */
const pieces = [
  '<w:p>',
  '</w:p>',
  '<w:tbl><w:tr><w:tc>',
  '<w:numPr><w:numId w:val="99999999999"/></w:numPr>',
  '<!DOCTYPE a [<!ENTITY b "cc"><!ENTITY d "&b;&b;">]>&d;',
  '<![CDATA[',
  ']]>',
  '&#x110000;&#0;&bogus;',
  '<item id="a" href="../../../etc/passwd"/>',
  '<itemref idref="a"/>',
  '<h1>'.repeat(40),
  '<table><td>',
  '\ufeff',
  '\0',
  '99999999999999999999',
  'obj <</Length 99999999/Filter/FlateDecode>>stream',
  '/Kids [2 0 R]',
  'PK\u0001\u0002',
]

const packed: Readonly<Record<string, readonly ZipEntry[]>> = {
  'parts.docx': [
    {
      name: 'word/styles.xml',
      content: '<w:styles><w:style w:styleId="A"><w:name w:val="heading 1"/></w:style></w:styles>',
    },
    {
      name: 'word/document.xml',
      content:
        '<w:document><w:body><w:p><w:pPr><w:pStyle w:val="A"/><w:numPr><w:numId w:val="1"/></w:numPr></w:pPr><w:r><w:t>One</w:t></w:r></w:p><w:tbl><w:tr><w:tc><w:p><w:r><w:t>cell</w:t></w:r></w:p></w:tc></w:tr></w:tbl></w:body></w:document>',
    },
  ],
  'parts.epub': [
    { name: 'META-INF/container.xml', content: '<rootfile full-path="p.opf"/>' },
    {
      name: 'p.opf',
      content:
        '<package><manifest><item id="a" href="a.xhtml" media-type="application/xhtml+xml"/></manifest><spine toc="n"><itemref idref="a"/></spine></package>',
    },
    { name: 'a.xhtml', content: '<h1>A chapter</h1><p>with words in it</p>' },
  ],
}

export const documentsTrial = async (seed: number): Promise<Trial> => {
  const whole = new Map(
    names.map((name) => [name, readFileSync(new URL(`../fixtures/documents/${name}`, import.meta.url))] as const),
  )
  const pdf = pdfReader()
  return {
    damage: (index) => damage(new Chance(seed, index), whole),
    read: async ({ bytes, base: name }) => {
      const isPdf = bytes.subarray(0, 5).toString('latin1') === '%PDF-'
      if (isPdf) await pdf.read(bytes, name)
      else await readBytes({ bytes, name })
    },
    dispose: async () => pdf.dispose(),
  }
}

type PdfHere = (bytes: Buffer, name: string) => Promise<void>

/** A PDF without its thread: what would end the thread ends the reading, and what comes after it is lost as it is there. */
const pdfReader = (): { readonly read: PdfHere; readonly dispose: () => void } => {
  let fail: (cause: unknown) => void = () => undefined
  const hear = (cause: unknown): void => fail(cause)
  process.on('unhandledRejection', hear)
  return {
    read: async (bytes, name) => {
      const failure = new Promise<never>((_, reject) => {
        fail = (cause) => reject(pdfFailure(name, cause))
      })
      await Promise.race([readPdfText({ bytes, name }), failure])
      fail = () => undefined
    },
    dispose: () => process.off('unhandledRejection', hear),
  }
}

const damage = (chance: Chance, whole: ReadonlyMap<string, Buffer>): Damaged => {
  const base = chance.of([...names, ...Object.keys(packed)])
  const entries = packed[base]
  const bytes = entries ? pack(entries, chance) : (whole.get(base) ?? Buffer.alloc(0))
  if (entries && !chance.oneIn(3)) return { base, bytes, what: ['parts'] }
  const torn = tear(bytes, chance)
  return { base, bytes: torn.bytes, what: [torn.what] }
}

const pack = (entries: readonly ZipEntry[], chance: Chance): Buffer => {
  const changed = entries.map(({ name, content }) => ({
    name: chance.oneIn(12) ? chance.text().subarray(0, 300).toString() : name,
    content: chance.oneIn(2) ? tear(Buffer.from(content), chance).bytes : content,
    stored: chance.oneIn(3),
  }))
  if (chance.oneIn(8)) changed.splice(chance.below(changed.length), 1)
  return writeZip(changed)
}

const tear = (bytes: Buffer, chance: Chance): { readonly bytes: Buffer; readonly what: string } => {
  if (!chance.oneIn(2)) return chance.of(byteMutators)({ bytes, boundaries: zipMarks(bytes) }, chance)
  const at = chance.below(bytes.length + 1)
  const piece = Buffer.from(chance.of(pieces))
  return {
    bytes: Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at + chance.of([0, piece.length]))]),
    what: `a piece at ${at}`,
  }
}

/** Where headers of a zip begin, and the fields in the first of its directory. */
const zipMarks = (bytes: Buffer): number[] => {
  const marks: number[] = []
  for (let at = bytes.indexOf('PK'); at >= 0; at = bytes.indexOf('PK', at + 1)) marks.push(at)
  const directory = bytes.lastIndexOf('PK\x01\x02')
  return directory < 0 ? marks : [...marks, ...[8, 10, 16, 20, 24, 28, 30, 42].map((field) => directory + field)]
}
