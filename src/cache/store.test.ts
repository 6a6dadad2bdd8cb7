import assert from 'node:assert/strict'
import { mkdir, readdir, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../../test/fixtures/temporary-folder.ts'
import { toyBlock, toyContents, toyOrigin, toyRequest } from '../../test/fixtures/toy-context.ts'
import { createReferenceOps } from '../backends/reference.ts'
import { writeContext } from './cctx-write.ts'
import { type ContextKey, folderStore, keyOf } from './store.ts'

const ops = createReferenceOps()
const contents = toyContents(toyBlock(ops, toyRequest()))
const write = (path: string): Promise<unknown> => writeContext(ops, path, contents, { force: true })

const key: ContextKey = {
  documentSha256: 'd'.repeat(64),
  modelFingerprint: 'a'.repeat(64),
  system: null,
  method: 'compactor',
  options: { lambda: 0.3, chunkTokens: 256 },
  keep: '0.25',
  selection: { protectFirst: 4, protectLast: 4, heads: 'across' },
  precision: 'f16',
}

test('keys: the same things give the same id in any order of names, each of 9 differences another', () => {
  const same = { ...key, options: { chunkTokens: 256, lambda: 0.3 } }
  const others: ContextKey[] = [
    { ...key, documentSha256: 'e'.repeat(64) },
    { ...key, modelFingerprint: 'e'.repeat(64) },
    { ...key, system: '' },
    { ...key, method: 'random' },
    { ...key, options: { ...key.options, lambda: 0.5 } },
    { ...key, keep: '0.5' },
    { ...key, selection: { ...key.selection, heads: 'apart' } },
    { ...key, selection: { ...key.selection, protectFirst: 5 } },
    { ...key, precision: 'f32' },
  ]
  assert.match(keyOf(key), /^[0-9a-f]{64}$/)
  assert.equal(keyOf(same), keyOf(key))
  assert.equal(new Set([key, ...others].map(keyOf)).size, 10)
})

test('store: put, open, list and delete of 2 contexts, last used first', async (t) => {
  const folder = join(temporaryFolder(t), 'home', 'contexts')
  const store = folderStore(folder)
  const [first, second] = [keyOf(key), keyOf({ ...key, keep: '0.5' })]
  assert.deepEqual(await store.list(), [])
  assert.equal(await store.open(first), undefined)
  for (const id of [first, second]) assert.equal(await store.put(id, write), store.pathOf(id))
  await utimes(store.pathOf(second), new Date(1e12), new Date(1e12))
  assert.deepEqual(
    (await store.list()).map(({ id }) => id),
    [first, second],
  )
  await utimes(store.pathOf(first), new Date(1.1e12), new Date(1.1e12))
  assert.equal(await store.open(second), store.pathOf(second))
  const listed = await store.list()
  assert.deepEqual(
    listed.map(({ id }) => id),
    [second, first],
  )
  for (const context of listed) {
    assert.ok('header' in context)
    assert.equal(context.header.model.name, toyOrigin.model.name)
    assert.equal(context.bytes, (await stat(context.path)).size)
  }
  assert.equal(await store.delete(first.slice(0, 8)), first)
  assert.deepEqual(
    (await store.list()).map(({ id }) => id),
    [second],
  )
})

test('store: damaged contexts are listed with what is wrong, other files are not listed', async (t) => {
  const folder = temporaryFolder(t)
  const store = folderStore(folder)
  const [good, bad] = ['1'.repeat(64), '2'.repeat(64)]
  await store.put(good, write)
  await writeFile(store.pathOf(bad), 'rubbish')
  await writeFile(join(folder, 'notes.txt'), '')
  await writeFile(join(folder, '.cctx-1-0123456789ab.tmp'), '')
  const listed = await store.list()
  assert.deepEqual(listed.map(({ id }) => id).sort(), [good, bad])
  const damaged = listed.find(({ id }) => id === bad)
  assert.ok(damaged && 'problem' in damaged)
  assert.equal(damaged.problem.code, 'context-corrupt')
})

test('store: delete takes a unique beginning of 4 or more digits, nothing shorter, ambiguous or outside the folder', async (t) => {
  const folder = temporaryFolder(t)
  const store = folderStore(folder)
  const ids = [`abcd1${'0'.repeat(59)}`, `abcd2${'0'.repeat(59)}`]
  for (const id of ids) await store.put(id, write)
  for (const prefix of ['abc', 'abcd', 'ffff', '', '../x', '*', 'ABCD1', `${ids[0]}0`])
    await assert.rejects(store.delete(prefix), { code: 'context-unknown' }, prefix)
  await assert.rejects(store.delete('abcd'), /2 ids begin so/)
  assert.equal((await readdir(folder)).length, 2)
  assert.equal(await store.delete('abcd1'), ids[0])
})

test('store: ids that are no 64 hex digits never become a path', async (t) => {
  const store = folderStore(temporaryFolder(t))
  for (const id of ['../../etc/passwd', 'a'.repeat(63), 'A'.repeat(64), `${'a'.repeat(60)}/../`]) {
    assert.throws(() => store.pathOf(id), RangeError)
    await assert.rejects(store.put(id, write), RangeError)
    await assert.rejects(store.open(id), RangeError)
    await assert.rejects(store.touch(id), RangeError)
  }
  await assert.rejects(store.touch('a'.repeat(64)), { code: 'context-unknown' })
})

test('store: what fails to write is not there', async (t) => {
  const store = folderStore(temporaryFolder(t))
  const id = 'a'.repeat(64)
  await assert.rejects(
    store.put(id, (path) => writeContext(ops, path, contents, { signal: { aborted: true } })),
    {
      code: 'aborted',
    },
  )
  assert.equal(await store.open(id), undefined)
})

test('store: a folder that is a file and a context that is a folder are one sentence each', async (t) => {
  const folder = temporaryFolder(t)
  const id = 'a'.repeat(64)
  await writeFile(join(folder, 'file'), '')
  const store = folderStore(join(folder, 'file'))
  await assert.rejects(store.list(), { code: 'file-unreadable', message: /the folder .*file for contexts cannot be/ })
  await assert.rejects(store.find('aaaa'), { code: 'file-unreadable' })
  await assert.rejects(store.open(id), { code: 'file-unreadable', message: /part of its path is not a directory/ })
  await assert.rejects(store.put(id, write), { code: 'write-failed', message: /could not be made: something of/ })
  await mkdir(join(folder, 'contexts', `${id}.cctx`), { recursive: true })
  const other = folderStore(join(folder, 'contexts'))
  await assert.rejects(other.delete(id), { code: 'write-failed', message: /could not be removed: it is a directory/ })
  const [listed] = await other.list()
  assert.ok(listed && 'problem' in listed && /is a folder/.test(listed.problem.message))
})

test('store: half-written files of a day ago are removed by the next put, younger ones and others stay', async (t) => {
  const folder = temporaryFolder(t)
  const id = 'a'.repeat(64)
  const [old, young, other] = ['.cctx-1-0123456789ab.tmp', '.cctx-2-0123456789ab.tmp', '.notes.tmp']
  for (const name of [old, young, other]) await writeFile(join(folder, name), '')
  for (const name of [old, other]) await utimes(join(folder, name), new Date(1e12), new Date(1e12))
  await folderStore(folder).put(id, write)
  assert.deepEqual((await readdir(folder)).sort(), [young, other, `${id}.cctx`].sort())
})
