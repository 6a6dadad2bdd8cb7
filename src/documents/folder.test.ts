import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { temporaryFolder } from '../../test/fixtures/temporary-folder.ts'
import { placeAt } from './place.ts'
import { readDocument } from './read-document.ts'

const fixture = (name: string): string =>
  fileURLToPath(new URL(`../../test/fixtures/documents/${name}`, import.meta.url))

/** A folder with these files. */
const folderOf = (t: TestContext, files: Readonly<Record<string, string | Buffer>>): string => {
  const folder = temporaryFolder(t)
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), content)
  }
  return folder
}

test('folder: one given as a URL with a blank and a letter beyond ASCII in its name is read', async (t) => {
  const folder = join(folderOf(t, { 'my notes ü/a.txt': 'one' }), 'my notes ü')
  assert.equal((await readDocument(pathToFileURL(folder))).text, '# a.txt\n\none')
})

const filesOf = ({ marks }: { marks: readonly { kind: string; label: string }[] }): string[] =>
  marks.filter(({ kind }) => kind === 'file').map(({ label }) => label)

test('folder: README first, then files, then folders, by code units; each under its name', async (t) => {
  const folder = folderOf(t, {
    'b.txt': 'bee\n\n',
    'Z.txt': 'zed',
    'readme.md': '# Hello\n\nhi',
    'a/z.ts': 'one\ntwo',
    'a/README': 'inner',
    'a/b/c.txt': 'deep',
  })
  const document = await readDocument(folder, { name: 'project' })
  assert.equal(
    document.text,
    '# readme.md\n\n# Hello\n\nhi\n\n# Z.txt\n\nzed\n\n# b.txt\n\nbee\n\n# a/README\n\ninner\n\n# a/z.ts\n\none\ntwo\n\n# a/b/c.txt\n\ndeep',
  )
  const at = (passage: string): string => placeAt(document, document.text.indexOf(passage))
  assert.equal(at('two'), 'a/z.ts, line 2')
  assert.equal(at('hi\n'), 'readme.md, § Hello, line 3')
  assert.equal(at('deep'), 'a/b/c.txt, line 1')
  assert.deepEqual([document.format, document.name, document.skipped], ['folder', 'project', []])
})

test('folder: ignore files are honoured: nested, negated, of the repository above; .ignore wins over .gitignore', async (t) => {
  const folder = folderOf(t, {
    '.git/info/exclude': 'private.txt\n',
    '.gitignore': '*.log\nbuild/\n/top.txt\n!.ignore\n',
    'top.txt': 'x',
    'sub/.gitignore': '!keep.log\nsecret.txt\n',
    'sub/.ignore': '!secret.txt\ngenerated.ts\n',
    'sub/keep.log': 'kept',
    'sub/drop.log': 'x',
    'sub/secret.txt': 'shown',
    'sub/generated.ts': 'x',
    'sub/private.txt': 'x',
    'sub/top.txt': 'not at the top',
    'sub/build/out.js': 'x',
    'sub/node_modules/x/index.js': 'x',
  })
  const expected = ['keep.log', 'secret.txt', 'top.txt']
  const whole = await readDocument(folder)
  assert.deepEqual(
    filesOf(whole),
    expected.map((name) => `sub/${name}`),
  )
  assert.deepEqual(whole.skipped, [])
  assert.deepEqual(filesOf(await readDocument(join(folder, 'sub'))), expected)
})

test('folder: what is left out is named with its reason: binary, damaged, hidden, linked, too large, lock files', async (t) => {
  const outside = folderOf(t, { 'secret.txt': 'outside', 'deep/secret.txt': 'outside' })
  const folder = folderOf(t, {
    'a.txt': 'text',
    'b.bin': Buffer.from([65, 0, 66]),
    'c.png': Buffer.from('89504e470d0a1a0a00', 'hex'),
    'd.txt': '',
    'e.txt': 'x',
    'package-lock.json': '{}',
    '.env': 'KEY=1',
  })
  truncateSync(join(folder, 'e.txt'), 33 * 2 ** 20)
  copyFileSync(fixture('protected.pdf'), join(folder, 'f.pdf'))
  symlinkSync(join(outside, 'secret.txt'), join(folder, 'g.txt'))
  symlinkSync(join(outside, 'deep'), join(folder, 'h'))
  symlinkSync('.', join(folder, 'circle'))
  const document = await readDocument(folder)
  assert.equal(document.text, '# a.txt\n\ntext')
  assert.deepEqual(document.skipped, [
    { path: '.env', reason: 'hidden' },
    { path: 'b.bin', reason: 'a binary file (byte 1 is 0)' },
    { path: 'c.png', reason: 'an image' },
    { path: 'circle', reason: 'a link, and links are not followed' },
    { path: 'd.txt', reason: 'empty' },
    { path: 'e.txt', reason: 'larger than 33.6 MB' },
    { path: 'f.pdf', reason: 'protected by a password' },
    { path: 'g.txt', reason: 'a link, and links are not followed' },
    { path: 'h', reason: 'a link, and links are not followed' },
    { path: 'package-lock.json', reason: 'a lock file of a package manager' },
  ])
})

test('folder: files of every format are read by their readers, and places name page, chapter, heading and line', async (t) => {
  const folder = temporaryFolder(t)
  for (const name of ['boats.epub', 'charter.docx', 'lighthouse.pdf', 'tides.html', 'latin1.txt'])
    copyFileSync(fixture(name), join(folder, name))
  const document = await readDocument(folder)
  assert.equal(filesOf(document).length, 5)
  const at = (passage: string): string =>
    placeAt(document, Buffer.byteLength(document.text.slice(0, document.text.indexOf(passage))))
  assert.equal(at('Salt and rope'), 'boats.epub, The Green Boat, § Cargo')
  assert.equal(at('10 | 5 crowns'), 'charter.docx, § 2. Fees')
  assert.equal(at('Dort gibt'), 'latin1.txt, line 2')
  assert.equal(at('240'), 'lighthouse.pdf, page 2, § 2. The Ledger')
  assert.equal(at('Norr holm'), 'tides.html, § Spring tides')
  assert.match(document.notes.join('\n'), /lighthouse\.pdf: page 3 is without text[\s\S]*|latin1\.txt is not UTF-8/)
})

test('folder: an encoding that is said is for the files that are not UTF-8, and for no binary one', async (t) => {
  const folder = folderOf(t, {
    'a.txt': 'Grüße',
    'b.txt': Buffer.from([0xcf, 0xf0, 0xe8, 0xe2, 0xe5, 0xf2]),
    'c.bin': Buffer.from([0xcf, 0, 1]),
  })
  const { text, notes, skipped } = await readDocument(folder, { encoding: 'windows-1251' })
  assert.equal(text, '# a.txt\n\nGrüße\n\n# b.txt\n\nПривет')
  assert.deepEqual([notes, skipped.map(({ path }) => path)], [[], ['c.bin']])
})

test('folder: one without a readable file is refused with an example, an abort stops it', async (t) => {
  await assert.rejects(readDocument(temporaryFolder(t), { name: 'nothing' }), {
    code: 'document-invalid',
    message: 'nothing holds no file that can be read',
  })
  const folder = folderOf(t, { 'a.bin': Buffer.from([0, 1]), 'b.bin': Buffer.from([0, 1]) })
  await assert.rejects(readDocument(folder, { name: 'f' }), {
    code: 'document-invalid',
    message: 'f holds no file that can be read: a.bin is a binary file (byte 0 is 0), and 1 more',
  })
  const controller = new AbortController()
  const reading = readDocument(folderOf(t, { 'a.txt': 'a' }), { signal: controller.signal })
  controller.abort()
  await assert.rejects(reading, { code: 'aborted' })
})

const project = {
  'README.md': 'read me',
  '.gitignore': 'built/',
  'src/a.ts': 'a',
  'src/a.test.ts': 'a test',
  'src/deep/b.ts': 'b',
  'docs/src/c.md': 'c',
  'built/out.ts': 'x',
  '.hidden.ts': 'x',
}

test('folder: include and exclude choose files as a .gitignore names them, in 9 ways, and exclude wins', async (t) => {
  const folder = folderOf(t, project)
  const ways: [Parameters<typeof readDocument>[1], string][] = [
    [{ include: ['*.ts'] }, 'src/a.test.ts src/a.ts src/deep/b.ts'],
    [{ exclude: ['*.test.ts'] }, 'README.md docs/src/c.md src/a.ts src/deep/b.ts'],
    [{ include: ['src'] }, 'docs/src/c.md src/a.test.ts src/a.ts src/deep/b.ts'],
    [{ include: ['/src'], exclude: ['*.test.ts'] }, 'src/a.ts src/deep/b.ts'],
    [{ include: ['./src/'] }, 'src/a.test.ts src/a.ts src/deep/b.ts'],
    [{ include: ['src/*.ts', '!*.test.ts'] }, 'src/a.ts'],
    [{ include: ['**/deep/**', 'README.md'] }, 'README.md src/deep/b.ts'],
    [{ include: ['built', 'docs'] }, 'docs/src/c.md'], // what an ignore file names does not come back
    [{ include: ['*'], exclude: ['src'] }, 'README.md'],
  ]
  for (const [options, files] of ways)
    assert.equal(filesOf(await readDocument(folder, options)).join(' '), files, JSON.stringify(options))
})

test('folder: what include and exclude leave out is named with its reason, and an include that names nothing is said', async (t) => {
  const folder = folderOf(t, project)
  const { skipped, notes } = await readDocument(folder, {
    name: 'project',
    include: ['*.ts', 'scr'],
    exclude: ['deep', '*.test.ts'],
  })
  assert.deepEqual(
    skipped.map(({ path, reason }) => `${path} ${reason}`),
    [
      '.hidden.ts hidden',
      'README.md not included',
      'docs/src/c.md not included',
      'src/a.test.ts excluded',
      'src/deep excluded',
    ],
  )
  assert.deepEqual(notes, ['the pattern "scr" names no file to include of those that would be read of project'])
})

test('folder: an include that names no file at all is refused with the 5 that were there', async (t) => {
  const folder = folderOf(t, project)
  await assert.rejects(readDocument(folder, { name: 'project', include: ['*.py', 'built'] }), {
    code: 'usage',
    message:
      'the patterns "*.py", "built" name no file to include of those that would be read of project; patterns begin at the folder, and there it has 3 *.ts, 2 *.md (the first is README.md), beside what ignore files name, hidden files and lock files',
  })
})

test('folder: include and exclude are refused where there is no folder, without patterns and for no list', async (t) => {
  const folder = folderOf(t, project)
  const stream = async function* (): AsyncGenerator<Uint8Array> {
    yield Buffer.from('text')
  }
  for (const source of [join(folder, 'README.md'), stream(), 'http://127.0.0.1:1/x'])
    for (const name of ['include', 'exclude'])
      await assert.rejects(readDocument(source, { [name]: ['*.md'] }), { code: 'usage', message: /is no folder/ })
  await assert.rejects(readDocument(folder, { include: [' '] }), { code: 'usage', message: /include takes patterns/ })
  for (const pattern of ['#drafts', './', '!/', '/'])
    await assert.rejects(readDocument(folder, { exclude: [pattern] }), {
      code: 'usage',
      message: /which names nothing/,
    })
  await assert.rejects(readDocument(folder, { exclude: '*.md' as unknown as string[] }), TypeError)
  assert.equal((await readDocument(join(folder, 'README.md'), { include: [], exclude: [] })).text, 'read me')
})
