import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import fs, { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { temporaryFolder } from '../../test/fixtures/temporary-folder.ts'
import { toyBlock, toyContents, toyRequest } from '../../test/fixtures/toy-context.ts'
import { createReferenceOps } from '../backends/reference.ts'
import { pageBytes } from './cctx-layout.ts'
import { openContext } from './cctx-open.ts'
import { chunkBytes } from './cctx-prologue.ts'
import { writeContext } from './cctx-write.ts'
import { TemporaryFiles } from './temporary-files.ts'

const ops = createReferenceOps()
const request = toyRequest({ documentTokens: 1500, pairs: 1600 })
const contents = toyContents(toyBlock(ops, request))

test('writing: an existing file is left alone without force and replaced with it', async (t) => {
  const folder = temporaryFolder(t)
  const path = join(folder, 'toy.cctx')
  await writeFile(path, 'mine')
  await assert.rejects(writeContext(ops, path, contents), {
    code: 'output-exists',
    message: /toy\.cctx exists already/,
  })
  assert.equal(await readFile(path, 'utf8'), 'mine')
  const { bytes } = await writeContext(ops, path, contents, { force: true })
  assert.equal((await stat(path)).size, bytes)
  assert.deepEqual(await readdir(folder), ['toy.cctx'])
})

test('writing: of 4 writers at once without force exactly 1 gets the name', async (t) => {
  const folder = temporaryFolder(t)
  const path = join(folder, 'toy.cctx')
  const results = await Promise.allSettled([1, 2, 3, 4].map(() => writeContext(ops, path, contents)))
  assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1)
  for (const result of results) if (result.status === 'rejected') assert.equal(result.reason.code, 'output-exists')
  assert.deepEqual(await readdir(folder), ['toy.cctx'])
})

test('writing: where there are no hard links the name is still never taken twice', async (t) => {
  const folder = temporaryFolder(t)
  const path = join(folder, 'toy.cctx')
  const link = t.mock.method(fs, 'link', async () => {
    throw Object.assign(new Error('EPERM: operation not permitted, link'), { code: 'EPERM', syscall: 'link' })
  })
  syncBuiltinESMExports()
  t.after(() => {
    link.mock.restore()
    syncBuiltinESMExports()
  })
  const results = await Promise.allSettled([1, 2, 3].map(() => writeContext(ops, path, contents)))
  assert.ok(link.mock.callCount() > 0)
  assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1)
  for (const result of results) if (result.status === 'rejected') assert.equal(result.reason.code, 'output-exists')
  assert.deepEqual(await readdir(folder), ['toy.cctx'])
  assert.ok((await stat(path)).size > 100_000)
})

test('writing: stopped at each of its steps it leaves no file, and an older one as it was', async (t) => {
  const folder = temporaryFolder(t)
  const path = join(folder, 'toy.cctx')
  await writeFile(path, 'older')
  let stops = 0
  for (let step = 0; ; step++) {
    let asked = 0
    const signal = {
      get aborted() {
        return asked++ === step
      },
    }
    const outcome = await writeContext(ops, path, contents, { force: true, signal }).catch((error: unknown) => error)
    if (!(outcome instanceof Error)) break
    stops++
    assert.equal((outcome as { code?: string }).code, 'aborted')
    assert.deepEqual(await readdir(folder), ['toy.cctx'])
    assert.equal(await readFile(path, 'utf8'), 'older')
  }
  const chunkCount = Math.ceil(((await stat(path)).size - pageBytes) / chunkBytes)
  assert.equal(stops, chunkCount + 1)
})

test('writing: a folder that is missing, a file, or in the way, and a pipe in the way, is one sentence each', async (t) => {
  const folder = temporaryFolder(t)
  await writeFile(join(folder, 'file'), '')
  await mkdir(join(folder, 'taken.cctx'))
  execFileSync('mkfifo', [join(folder, 'pipe.cctx')])
  const failures: [string, RegExp][] = [
    ['none/toy.cctx', /could not be written: its folder does not exist/],
    ['file/toy.cctx', /could not be written: its folder is a file/],
    ['taken.cctx', /not a regular file/],
    ['pipe.cctx', /not a regular file/],
  ]
  for (const [name, message] of failures)
    await assert.rejects(writeContext(ops, join(folder, name), contents, { force: true }), {
      code: 'write-failed',
      message,
    })
  assert.deepEqual((await readdir(folder)).sort(), ['file', 'pipe.cctx', 'taken.cctx'])
})

const program = (body: string): string => `
  import { createReferenceOps } from '${new URL('../backends/reference.ts', import.meta.url)}'
  import { writeContext } from '${new URL('./cctx-write.ts', import.meta.url)}'
  import { TemporaryFiles } from '${new URL('./temporary-files.ts', import.meta.url)}'
  import { toyBlock, toyContents, toyRequest } from '${new URL('../../test/fixtures/toy-context.ts', import.meta.url)}'
  const ops = createReferenceOps()
  const contents = toyContents(toyBlock(ops, toyRequest({ documentTokens: 1500, pairs: 1600 })))
  const path = process.env.TOY_PATH
  ${body}
`

/** Runs a program in a process of its own, `shell` before it. */
const start = (
  body: string,
  path: string,
  shell = '',
): { child: ReturnType<typeof spawn>; ended: Promise<{ code: number | null; output: string }> } => {
  const command = `${shell} exec "$0" --import tsx --input-type=module -e "$1"`
  const child = spawn('sh', ['-c', command, process.execPath, program(body)], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    env: { ...process.env, TOY_PATH: path, TSX_DISABLE_CACHE: '1' },
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (text) => (output += text))
  const ended = new Promise<{ code: number | null; output: string }>((resolve) => {
    child.on('close', (code) => resolve({ code, output }))
  })
  return { child, ended }
}

test('writing: a disk that takes no more than 100 kB of the file gives write-failed and leaves nothing', async (t) => {
  const folder = temporaryFolder(t)
  const body = 'await writeContext(ops, path, contents).catch((error) => console.log(error.code, error.message))'
  const { code, output } = await start(body, join(folder, 'toy.cctx'), 'ulimit -f 200;').ended
  assert.equal(code, 0, output)
  assert.match(output, /^write-failed .*toy\.cctx could not be written: it would be larger than files may be here/)
  assert.deepEqual(await readdir(folder), [])
})

test('writing: a process that ends on a signal removes its temporary file on the way out', async (t) => {
  const folder = temporaryFolder(t)
  const body = `
    const files = new TemporaryFiles()
    process.on('SIGTERM', () => {
      files.removeAll()
      process.exit(130)
    })
    const slow = { ...ops, read: () => new Promise(() => setTimeout(() => undefined, 60000)) }
    await writeContext(slow, path, contents, { temporaryPath: files.claim(path) })
  `
  const { child, ended } = start(body, join(folder, 'toy.cctx'))
  while ((await readdir(folder)).length === 0 && child.exitCode === null)
    await new Promise((done) => setTimeout(done, 20))
  const during = await readdir(folder)
  child.kill('SIGTERM')
  const { code, output } = await ended
  assert.match(during.join(), /^\.cctx-\d+-[0-9a-f]{12}\.tmp$/, output)
  assert.equal(code, 130, output)
  assert.deepEqual(await readdir(folder), [])
})

test('writing: names of 255 bytes are written, whatever their letters', async (t) => {
  const folder = temporaryFolder(t)
  for (const name of [`${'a'.repeat(250)}.cctx`, `${'漢'.repeat(83)}a.cctx`]) {
    assert.equal(Buffer.byteLength(name), 255)
    await writeContext(ops, join(folder, name), contents)
  }
  assert.equal((await readdir(folder)).length, 2)
})

test('temporary files: what was released stays, what is gone already is no error', async (t) => {
  const folder = temporaryFolder(t)
  const files = new TemporaryFiles()
  const [kept, removed] = [files.claim(join(folder, 'a')), files.claim(join(folder, 'a'))]
  assert.notEqual(kept, removed)
  files.claim(join(folder, 'never made'))
  await writeFile(kept, '')
  await writeFile(removed, '')
  files.release(kept)
  files.removeAll()
  files.removeAll()
  assert.deepEqual(await readdir(folder), [kept.slice(folder.length + 1)])
})

test('writing: a mapped older file keeps its bytes when the name is given to a new one', async (t) => {
  const path = join(temporaryFolder(t), 'toy.cctx')
  await writeContext(ops, path, contents)
  const before = await fs.open(path, 'r')
  const size = (await before.stat()).size
  await writeContext(ops, path, toyContents(toyBlock(ops, toyRequest())), { force: true })
  assert.equal((await before.stat()).size, size)
  await before.close()
  const { readFileSync } = await import('node:fs')
  const map = (name: string) => ({ bytes: Uint8Array.from(readFileSync(name)), release: () => undefined })
  assert.equal((await openContext(path, ops, map)).block.documentTokens, 100)
})
