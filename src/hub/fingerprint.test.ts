import assert from 'node:assert/strict'
import { appendFileSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fakeGguf, sha256Of } from '../../test/fixtures/loopback-hub.ts'
import { temporaryFolder } from '../../test/fixtures/temporary-folder.ts'
import { findByFingerprint, fingerprint } from './fingerprint.ts'

test('fingerprint: a file is read once, and again after its bytes or times change', async (t) => {
  const home = temporaryFolder(t)
  const path = join(home, 'model.gguf')
  const bytes = fakeGguf(2_500_000)
  writeFileSync(path, bytes)
  let reads = 0
  const onProgress = ({ doneBytes }: { doneBytes: number }): void => {
    if (doneBytes === 2_500_000) reads++
  }
  const take = (): Promise<string> => fingerprint(path, { home, onProgress })
  assert.equal(await take(), sha256Of(bytes))
  assert.equal(await take(), sha256Of(bytes))
  assert.equal(reads, 1)
  utimesSync(path, 1, 1)
  assert.equal(await take(), sha256Of(bytes))
  assert.equal(reads, 2)
  appendFileSync(path, 'x')
  assert.equal(await take(), sha256Of(readFileSync(path)))
})

test('fingerprint: a damaged memory is computed anew and mended', async (t) => {
  const home = temporaryFolder(t)
  const path = join(home, 'model.gguf')
  const bytes = fakeGguf(1000)
  writeFileSync(path, bytes)
  for (const damage of ['', '{"a":', '[1]', 'null', '{"1:2:3:4:5":"short"}', '{"1:2:3:4:5":{"sha256":7}}', '\0\0']) {
    writeFileSync(join(home, 'fingerprints.json'), damage)
    assert.equal(await fingerprint(path, { home }), sha256Of(bytes), JSON.stringify(damage))
    assert.ok(readFileSync(join(home, 'fingerprints.json'), 'utf8').includes(sha256Of(bytes)))
  }
})

test('fingerprint: what cannot be remembered is said, and the answer is right all the same', async (t) => {
  const home = temporaryFolder(t)
  const path = join(home, 'model.gguf')
  writeFileSync(path, fakeGguf(1000))
  mkdirSync(join(home, 'fingerprints.json')) // a folder where the memory should be
  const notes: string[] = []
  assert.equal(await fingerprint(path, { home, onNote: (note) => notes.push(note) }), sha256Of(fakeGguf(1000)))
  assert.match(notes.join(), /could not be remembered/)
})

test('fingerprint: a home that is a file costs the memory, not the answer', async (t) => {
  const folder = temporaryFolder(t)
  const [path, home] = [join(folder, 'model.gguf'), join(folder, 'home')]
  writeFileSync(path, fakeGguf(1000))
  writeFileSync(home, '')
  const notes: string[] = []
  assert.equal(await fingerprint(path, { home, onNote: (note) => notes.push(note) }), sha256Of(fakeGguf(1000)))
  assert.match(notes.join(), /could not be remembered in .*home \(/)
})

test('fingerprint: a missing file and an abort are errors with a code', async (t) => {
  const home = temporaryFolder(t)
  await assert.rejects(fingerprint(join(home, 'none'), { home }), { code: 'file-unreadable' })
  writeFileSync(join(home, 'some'), 'x')
  await assert.rejects(fingerprint(join(home, 'some'), { home, signal: AbortSignal.abort() }), { code: 'aborted' })
})

test('fingerprint: a file is found by its sha256 while it stays where it was, unchanged', async (t) => {
  const home = temporaryFolder(t)
  const path = join(home, 'model.gguf')
  writeFileSync(path, fakeGguf(1000))
  const sha256 = await fingerprint(path, { home })
  assert.equal(await findByFingerprint(sha256, home), path)
  assert.equal(await findByFingerprint('0'.repeat(64), home), undefined)
  utimesSync(path, 1, 1)
  assert.equal(await findByFingerprint(sha256, home), undefined)
})
