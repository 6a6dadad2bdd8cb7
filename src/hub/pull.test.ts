import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  type Behaviour,
  fakeGguf,
  type HubFixtureFile,
  type LoopbackHub,
  sha256Of,
  startLoopbackHub,
} from '../../test/fixtures/loopback-hub.ts'
import { everythingIn, temporaryFolder } from '../../test/fixtures/temporary-folder.ts'
import { CompactorError, type ErrorCode } from '../error.ts'
import { listModels } from './local-models.ts'
import { type PullOptions, pullModel } from './pull.ts'
import { listPartialModels } from './staging.ts'

const repo = 'someone/Tiny-GGUF'
const bytes = fakeGguf(3_000_001)
const q4: HubFixtureFile = { path: 'tiny-q4_k_m.gguf', bytes }

const setUp = async (
  t: TestContext,
  files: readonly HubFixtureFile[] = [q4],
  behaviour: Behaviour = 'well',
): Promise<{ hub: LoopbackHub; home: string; options: PullOptions; notes: string[] }> => {
  const hub = await startLoopbackHub(repo, files)
  t.after(() => hub[Symbol.asyncDispose]())
  hub.behaviour = behaviour
  const home = temporaryFolder(t)
  const env = { PATH: process.env.PATH, HF_ENDPOINT: hub.url, HF_HOME: join(home, 'hf') }
  const notes: string[] = []
  const options = { home, env, onNote: (note: string) => void notes.push(note), stallTimeoutMs: 5000, backoffMs: 1 }
  return { hub, home, options, notes }
}

const refused = (code: ErrorCode, words: RegExp) => (error: unknown) => {
  assert.ok(error instanceof CompactorError, String(error))
  assert.equal(error.code, code, error.message)
  assert.match(error.message, words)
  assert.doesNotMatch(error.message, /\n/)
  return true
}

const nothingLeft = (home: string): void => assert.deepEqual(everythingIn(home), ['models'])

test('pull: hf:user/repo:QUANT brings the one file of that quantisation, and a second pull downloads nothing', async (t) => {
  const { hub, home, options } = await setUp(t, [
    q4,
    { path: 'tiny-q4_k_s.gguf', bytes: fakeGguf(100, 2) },
    { path: 'mmproj-q4_k_m.gguf', bytes: fakeGguf(100, 3) },
  ])
  const progress: number[] = []
  const model = await pullModel(`hf:${repo}:Q4_K_M`, {
    ...options,
    onProgress: ({ stage, doneBytes, totalBytes }) => {
      if (stage === 'downloading') progress.push(doneBytes / totalBytes)
    },
  })
  assert.equal(model.source, 'hugging-face')
  assert.equal(model.sha256, sha256Of(bytes))
  assert.equal(model.path, join(home, 'models', 'someone--Tiny-GGUF--tiny-q4_k_m.gguf'))
  assert.ok(readFileSync(model.path).equals(bytes))
  assert.equal(progress.at(-1), 1)
  assert.deepEqual(
    progress,
    progress.toSorted((a, b) => a - b),
  )
  const asked = hub.requests.length
  assert.equal((await pullModel(`hf:${repo}:q4_k_m`, options)).source, 'present')
  assert.equal(hub.requests.length, asked, 'what is here needs no hub')
  const again = await pullModel(`hf:${repo}:q4_k_m`, { ...options, update: true })
  assert.equal(again.source, 'present')
  assert.deepEqual(
    hub.requests.slice(asked).map(({ url }) => url.split('?')[0]),
    [`/api/models/${repo}/tree/main`],
  )
  assert.deepEqual(everythingIn(join(home, 'models')), ['someone--Tiny-GGUF--tiny-q4_k_m.gguf'])
})

test('pull: hf:user/repo/folder/file.gguf names one file exactly', async (t) => {
  const { options } = await setUp(t, [q4, { path: 'big/tiny-q8_0.gguf', bytes: fakeGguf(5000, 4) }])
  const model = await pullModel(`hf:${repo}/big/tiny-q8_0.gguf`, options)
  assert.equal(model.name, 'someone--Tiny-GGUF--big--tiny-q8_0')
  assert.equal(model.bytes, 5000)
})

test('pull: no file, several models and a model with a file missing are refused with the list', async (t) => {
  const small = fakeGguf(64)
  const { home, options } = await setUp(t, [
    { path: 'a-q4_0.gguf', bytes: small },
    { path: 'b-q4_0.gguf', bytes: small },
    { path: 'c-q8_0-00001-of-00003.gguf', bytes: small },
    { path: 'c-q8_0-00002-of-00003.gguf', bytes: small },
  ])
  await assert.rejects(
    pullModel(`hf:${repo}:Q6_K`, options),
    refused('model-unknown', /Q6_K; it has a-q4_0\.gguf, b-q4_0/),
  )
  await assert.rejects(
    pullModel(`hf:${repo}:Q4_0`, options),
    refused('model-unknown', /several files.*a-q4_0\.gguf, b-q4_0\.gguf/),
  )
  await assert.rejects(
    pullModel(`hf:${repo}:Q8_0`, options),
    refused('model-unsupported', /one of 3 files .* does not hold c-q8_0-00003-of-00003\.gguf/),
  )
  await assert.rejects(pullModel(`hf:${repo}/d.gguf`, options), refused('model-unknown', /does not hold d\.gguf/))
  assert.deepEqual(everythingIn(home), [])
})

test('pull: bytes with another sha256 than the hub promised are thrown away', async (t) => {
  const { home, options } = await setUp(t, [{ ...q4, sha256: '0'.repeat(64) }])
  await assert.rejects(pullModel(`hf:${repo}:Q4_K_M`, options), refused('checksum-mismatch', /sha256/))
  nothingLeft(home)
})

test('pull: a file that the hub gives no checksum for is taken, and that is said', async (t) => {
  const { options, notes } = await setUp(t, [{ ...q4, sha256: null }])
  const model = await pullModel(`hf:${repo}:Q4_K_M`, options)
  assert.equal(model.sha256, sha256Of(bytes))
  assert.match(notes.join(), /no checksum/)
})

test('pull: a file that is no GGUF is thrown away', async (t) => {
  const { home, options } = await setUp(t, [
    { path: 'page-q4_0.gguf', bytes: Buffer.from('<html>please log in</html>') },
  ])
  await assert.rejects(pullModel(`hf:${repo}:Q4_0`, options), refused('model-corrupt', /not a GGUF/))
  nothingLeft(home)
})

for (const [behaviour, code, words] of [
  ['drop-midway', 'download-failed', /broke off/],
  ['hang-midway', 'download-failed', /nothing arrived for/],
  ['hang-at-once', 'download-failed', /nothing arrived for/],
  ['missing', 'download-failed', /404/],
  ['forbidden', 'download-failed', /HF_TOKEN/],
] as const)
  test(`pull: a hub that answers "${behaviour}" gives one sentence, and no file has the name of a model`, async (t) => {
    const { home, options } = await setUp(t, [q4], behaviour)
    const hasty = { ...options, stallTimeoutMs: 300, retries: 0 }
    await assert.rejects(pullModel(`hf:${repo}:Q4_K_M`, hasty), refused(code, words))
    assert.deepEqual(await listModels(home), [])
    const isHalf = behaviour.endsWith('midway')
    assert.equal((await listPartialModels(home)).length, isHalf ? 1 : 0)
  })

test('pull: an unreachable hub gives one sentence, and a copy that is here is used', async (t) => {
  const { hub, options, notes } = await setUp(t)
  const spec = `hf:${repo}:Q4_K_M`
  await pullModel(spec, options)
  await hub[Symbol.asyncDispose]()
  assert.equal((await pullModel(spec, { ...options, update: true })).source, 'present')
  assert.match(notes.join(), /could not be reached.*copy that is here/)
  const empty = temporaryFolder(t)
  await assert.rejects(pullModel(spec, { ...options, home: empty }), refused('download-failed', /could not be reached/))
})

test('pull: after an abort half way the half is kept, and the next pull asks for the other half only', async (t) => {
  const { hub, home, options, notes } = await setUp(t, [q4], 'hang-midway')
  const controller = new AbortController()
  const onProgress = ({ doneBytes }: { doneBytes: number }): void => {
    if (doneBytes > 1_000_000) controller.abort()
  }
  const pulling = pullModel(`hf:${repo}:Q4_K_M`, { ...options, onProgress, signal: controller.signal })
  await assert.rejects(pulling, refused('aborted', /interrupted; [12] MB of 3 MB are kept/))
  const [half, ...others] = await listPartialModels(home)
  assert.deepEqual([half?.name, half?.bytes, others.length], ['someone--Tiny-GGUF--tiny-q4_k_m', bytes.length, 0])
  assert.ok(half && half.doneBytes > 1_000_000 && half.doneBytes <= 1_500_000, `${half?.doneBytes}`)
  assert.deepEqual(await listModels(home), [])
  hub.behaviour = 'well'
  const asked = hub.requests.length
  assert.equal((await pullModel(`hf:${repo}:Q4_K_M`, options)).sha256, sha256Of(bytes))
  const ranges = hub.requests.slice(asked).flatMap(({ range }) => range ?? [])
  assert.deepEqual(ranges, ['bytes=0-0', `bytes=${half.doneBytes}-${bytes.length - 1}`])
  assert.match(notes.join('\n'), /going on with someone--Tiny-GGUF--tiny-q4_k_m at [12] MB of 3 MB/)
  assert.deepEqual(everythingIn(join(home, 'models')), ['someone--Tiny-GGUF--tiny-q4_k_m.gguf'])
})

test('pull: two pulls of one model at once both end with the right file', async (t) => {
  const { home, options } = await setUp(t)
  const models = await Promise.all([1, 2, 3].map(() => pullModel(`hf:${repo}:Q4_K_M`, options)))
  for (const { path } of models) assert.ok(readFileSync(path).equals(bytes))
  assert.deepEqual(everythingIn(join(home, 'models')), ['someone--Tiny-GGUF--tiny-q4_k_m.gguf'])
})

test('pull: the token is sent to the hub and a malformed one is refused without being shown', async (t) => {
  const { hub, options } = await setUp(t)
  await pullModel(`hf:${repo}:Q4_K_M`, { ...options, env: { ...options.env, HF_TOKEN: 'hf_secret' } })
  assert.ok(hub.requests.every(({ authorization }) => authorization === 'Bearer hf_secret'))
  const env = { ...options.env, HF_TOKEN: 'mistaken' }
  await assert.rejects(pullModel(`hf:${repo}:Q4_K_M`, { ...options, env, update: true }), (error: Error) => {
    assert.match(error.message, /HF_TOKEN/)
    assert.doesNotMatch(error.message, /mistaken/)
    return true
  })
})

test('pull: the token file in HF_HOME is used when HF_TOKEN is not set', async (t) => {
  const { hub, home, options } = await setUp(t)
  mkdirSync(join(home, 'hf'))
  writeFileSync(join(home, 'hf', 'token'), 'hf_from_file\n')
  await pullModel(`hf:${repo}:Q4_K_M`, options)
  assert.equal(hub.requests[0]?.authorization, 'Bearer hf_from_file')
})

test('pull: HF_HUB_OFFLINE keeps the hub from being asked', async (t) => {
  const { hub, options } = await setUp(t)
  const env = { ...options.env, HF_HUB_OFFLINE: '1' }
  await assert.rejects(
    pullModel(`hf:${repo}:Q4_K_M`, { ...options, env }),
    refused('download-failed', /HF_HUB_OFFLINE/),
  )
  assert.equal(hub.requests.length, 0)
})

test('pull: an endpoint that is no http URL is refused in one sentence', async (t) => {
  const { options } = await setUp(t)
  for (const url of ['huggingface.co', 'file:///etc', 'ftp://mirror'])
    await assert.rejects(
      pullModel(`hf:${repo}:Q4_K_M`, { ...options, env: { ...options.env, HF_ENDPOINT: url } }),
      refused('usage', /HF_ENDPOINT must be an http or https URL/),
    )
})

test('pull: a source that is known to hold other bytes than wanted is not downloaded', async (t) => {
  const { hub, home, options } = await setUp(t)
  const wanted = { ...options, sha256: '1'.repeat(64) }
  await assert.rejects(pullModel(`hf:${repo}:Q4_K_M`, wanted), refused('checksum-mismatch', /not downloaded/))
  await assert.rejects(pullModel('smollm2-135m', wanted), refused('checksum-mismatch', /not downloaded/))
  assert.ok(hub.requests.every(({ url }) => url.startsWith('/api/')))
  assert.deepEqual(everythingIn(home), [])
  assert.equal((await pullModel(`hf:${repo}:Q4_K_M`, { ...options, sha256: sha256Of(bytes) })).bytes, bytes.length)
})

test('pull: leftovers of dead processes are removed, those of living ones and other machines stay', async (t) => {
  const { home, options } = await setUp(t)
  const models = join(home, 'models')
  const host = hostname().replace(/[^A-Za-z0-9.]/g, '_')
  const dead = `.part-${host}-999999999-ab`
  const living = `.part-${host}-${process.pid}-cd`
  const elsewhere = '.part-some.other.machine-999999999-ef'
  for (const name of [dead, living, elsewhere]) mkdirSync(join(models, name), { recursive: true })
  await pullModel(`hf:${repo}:Q4_K_M`, options)
  const left = everythingIn(models)
  assert.ok(!left.includes(dead))
  assert.ok(left.includes(living) && left.includes(elsewhere))
})

test('pull: a model larger than the disk is refused before it is downloaded', async (t) => {
  const name = 'huge'
  const { hub, home, options } = await setUp(t)
  const entry = { name, about: '', bytes: 1e17, sha256: '0'.repeat(64), mirror: [] }
  await assert.rejects(pullModel(name, { ...options, catalog: [entry] }), refused('write-failed', /needs .*are free/))
  assert.equal(hub.requests.length, 0)
  nothingLeft(home)
})

test('pull: a path is used in place; a missing file, a directory and another format are refused', async (t) => {
  const { home, options } = await setUp(t)
  const path = join(home, 'mine.gguf')
  writeFileSync(path, bytes)
  const model = await pullModel(path, options)
  assert.deepEqual([model.path, model.sha256, model.source], [path, sha256Of(bytes), 'file'])
  writeFileSync(join(home, 'text.gguf'), 'hello')
  await assert.rejects(pullModel(join(home, 'text.gguf'), options), refused('model-corrupt', /begins with "hell"/))
  await assert.rejects(pullModel(join(home, 'none.gguf'), options), refused('file-unreadable', /does not exist/))
  await assert.rejects(pullModel(`${home}/`, options), refused('file-unreadable', /directory/))
  execFileSync('mkfifo', [join(home, 'pipe.gguf')])
  await assert.rejects(pullModel(join(home, 'pipe.gguf'), options), refused('file-unreadable', /not a regular file/))
})

test('pull: an unknown name lists what is known and proposes the nearest', async (t) => {
  const { options } = await setUp(t)
  await assert.rejects(
    pullModel('smolm2-135m', options),
    refused('model-unknown', /qwen2\.5-coder-0\.5b.*did you mean smollm2-135m\?/),
  )
})

test('pull: an unknown option is refused by name', async (t) => {
  const { options } = await setUp(t)
  await assert.rejects(
    pullModel('smollm2-135m', { ...options, patience: 3 } as PullOptions),
    /does not know the option patience/,
  )
})
