import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fakeGguf, type HubFixtureFile, type LoopbackHub, startLoopbackHub } from '../../test/fixtures/loopback-hub.ts'
import { everythingIn, temporaryFolder } from '../../test/fixtures/temporary-folder.ts'
import { fingerprint, joinedFingerprint } from './fingerprint.ts'
import { findModel, listModels, removeModel, resolveModel } from './local-models.ts'
import { type PullOptions, pullModel } from './pull.ts'

const repo = 'someone/Tiny-GGUF'
const sizes = [100_000, 200_000, 50_000] as const
const fileName = (number: number): string => `tiny-q8_0-0000${number}-of-00003.gguf`
const parts: HubFixtureFile[] = sizes.map((size, i) => ({ path: fileName(i + 1), bytes: fakeGguf(size, i + 1) }))
const localNames = [1, 2, 3].map((number) => `someone--Tiny-GGUF--${fileName(number)}`)

const setUp = async (
  t: TestContext,
  files: readonly HubFixtureFile[] = parts,
): Promise<{ hub: LoopbackHub; home: string; models: string; options: PullOptions; notes: string[] }> => {
  const hub = await startLoopbackHub(repo, [{ path: 'tiny-q4_0.gguf', bytes: fakeGguf(64) }, ...files])
  t.after(() => hub[Symbol.asyncDispose]())
  const home = temporaryFolder(t)
  const env = { PATH: process.env.PATH, HF_ENDPOINT: hub.url, HF_HOME: join(home, 'hf') }
  const notes: string[] = []
  const options = { home, env, onNote: (note: string) => void notes.push(note), backoffMs: 1, retries: 0 }
  return { hub, home, models: join(home, 'models'), options, notes }
}

const downloads = ({ requests }: LoopbackHub): number => requests.filter(({ url }) => url.includes('/resolve/')).length

for (const spec of [`hf:${repo}:Q8_0`, `hf:${repo}/${fileName(1)}`, `hf:${repo}/${fileName(3)}`])
  test(`pull: ${spec} brings the 3 files of the model, says so, and a second pull downloads nothing`, async (t) => {
    const { hub, models, home, options, notes } = await setUp(t)
    let [done, total] = [0, 0]
    const onProgress = ({ doneBytes, totalBytes }: { doneBytes: number; totalBytes: number }): void => {
      assert.ok(doneBytes >= done)
      ;[done, total] = [doneBytes, totalBytes]
    }
    const model = await pullModel(spec, { ...options, onProgress })
    assert.deepEqual([done, total], [350_000, 350_000])
    assert.deepEqual(
      [model.name, model.bytes, model.fileCount, model.source, model.path],
      ['someone--Tiny-GGUF--tiny-q8_0', 350_000, 3, 'hugging-face', join(models, localNames[0] ?? '')],
    )
    assert.equal(model.sha256, await fingerprint(model.path, { home: temporaryFolder(t) }))
    assert.deepEqual(everythingIn(models), localNames)
    assert.match(notes.join('\n'), /comes in 3 files.*\n.*3 of the 3 files of .* were downloaded/)
    const before = downloads(hub)
    const again = await pullModel(spec, { ...options, update: true })
    assert.deepEqual([again.source, again.sha256, downloads(hub)], ['present', model.sha256, before])
    assert.equal((await pullModel(spec, options)).path, model.path)
    assert.deepEqual(
      (await listModels(home)).map(({ name, bytes }) => [name, bytes]),
      [['someone--Tiny-GGUF--tiny-q8_0', 350_000]],
    )
  })

test('pull: a file of 3 with other bytes than promised is thrown away, those before it stay and are not fetched again', async (t) => {
  const wrong = { ...(parts[1] as HubFixtureFile), sha256: '0'.repeat(64) }
  const { hub, home, models, options } = await setUp(t, [parts[0] as HubFixtureFile, wrong, parts[2] as HubFixtureFile])
  await assert.rejects(pullModel(`hf:${repo}:Q8_0`, options), { code: 'checksum-mismatch' })
  assert.deepEqual(everythingIn(models), localNames.slice(0, 1))
  assert.deepEqual(await listModels(home), [], 'a model of which files are missing is none')
  hub.files = parts
  const before = hub.requests.length
  assert.equal((await pullModel(`hf:${repo}:Q8_0`, options)).source, 'hugging-face')
  assert.ok(hub.requests.slice(before).every(({ url }) => !url.includes(fileName(1))))
})

test('pull: 3 files with another joined sha256 than wanted are not downloaded', async (t) => {
  const { hub, options } = await setUp(t)
  const wanted = { ...options, sha256: joinedFingerprint(['0'.repeat(64)]) }
  await assert.rejects(pullModel(`hf:${repo}:Q8_0`, wanted), { code: 'checksum-mismatch' })
  assert.equal(downloads(hub), 0)
})

test('a model in 3 files is found by its fingerprint wherever it lies, until one of them is gone', async (t) => {
  const [home, folder] = [temporaryFolder(t), temporaryFolder(t)]
  for (const { path, bytes } of parts) writeFileSync(join(folder, path), bytes)
  const path = join(folder, fileName(1))
  const { sha256, fileCount, bytes, name } = await pullModel(path, { home })
  assert.deepEqual([fileCount, bytes, name], [3, 350_000, 'tiny-q8_0'])
  assert.equal(await findModel(sha256, { home }), path)
  rmSync(join(folder, fileName(2)))
  assert.equal(await findModel(sha256, { home }), undefined)
})

test('a model in 3 files in the home is found by fingerprint and name, and removed as a whole', async (t) => {
  const { home, models, options } = await setUp(t)
  const { sha256, path } = await pullModel(`hf:${repo}:Q8_0`, options)
  rmSync(join(home, 'fingerprints.json'))
  assert.equal(await findModel(sha256, { home }), path)
  assert.equal((await resolveModel('someone--Tiny-GGUF--tiny-q8_0', { home })).path, path)
  assert.equal((await resolveModel(`hf:${repo}/${fileName(2)}`, { home })).path, path)
  assert.equal((await removeModel(home, 'someone--Tiny-GGUF--tiny-q8_0')).bytes, 350_000)
  assert.deepEqual(everythingIn(models), [])
})

test('files of a model whose pull was broken off are removed by its name', async (t) => {
  const { home, models, options } = await setUp(t)
  const { path } = await pullModel(`hf:${repo}:Q8_0`, options)
  rmSync(path)
  assert.equal((await removeModel(home, `hf:${repo}/${fileName(1)}`)).bytes, 250_000)
  assert.deepEqual(everythingIn(models), [])
})
