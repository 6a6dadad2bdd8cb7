/** Downloads that are cut off, continued, answered badly and changed under way: the file is right or there is none. */
import assert from 'node:assert/strict'
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
import { addRange, type ByteRange, byteCount, missingRanges } from './byte-ranges.ts'
import { openHubFile } from './hugging-face.ts'
import { listModels, removeModel } from './local-models.ts'
import { PartialFile } from './partial-file.ts'
import { type PullOptions, pullModel } from './pull.ts'
import { downloadRanges } from './ranged-download.ts'
import { retryAfterMs } from './retry.ts'
import { listPartialModels } from './staging.ts'

const repo = 'someone/Tiny-GGUF'
const spec = `hf:${repo}:Q4_0`
const name = 'someone--Tiny-GGUF--tiny-q4_0'
const bytes = fakeGguf(3_000_001)
const tiny: HubFixtureFile = { path: 'tiny-q4_0.gguf', bytes }

interface Setting {
  readonly hub: LoopbackHub
  readonly home: string
  readonly options: PullOptions
  readonly notes: string[]
}

const setUp = async (t: TestContext, behaviour: Behaviour, file: HubFixtureFile = tiny): Promise<Setting> => {
  const hub = await startLoopbackHub(repo, [file])
  t.after(() => hub[Symbol.asyncDispose]())
  hub.behaviour = behaviour
  const home = temporaryFolder(t)
  const env = { PATH: process.env.PATH, HF_ENDPOINT: hub.url, HF_HOME: join(home, 'hf') }
  const notes: string[] = []
  return {
    hub,
    home,
    notes,
    options: { home, env, onNote: (note) => notes.push(note), backoffMs: 1, stallTimeoutMs: 2000 },
  }
}

/** Everything a pull asked of the file itself. */
const rangesOf = (hub: LoopbackHub): string[] =>
  hub.requests.flatMap(({ url, range }) => (url.includes('/resolve/') && range !== 'bytes=0-0' ? [range ?? 'all'] : []))

const half = async ({ hub, options }: Setting): Promise<void> => {
  const before = hub.behaviour
  hub.behaviour = 'drop-midway'
  await assert.rejects(pullModel(spec, { ...options, retries: 0 }), /MB of 3 MB are kept, and pulling it again goes on/)
  hub.behaviour = before
  hub.requests.length = 0
}

test('ranges: 200 ranges added in any order are what a list of bytes says', () => {
  const there = new Set<number>()
  let ranges: ByteRange[] = []
  for (let i = 0, state = 1; i < 200; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    const start = (state >>> 16) % 990
    const range = [start, start + 1 + ((state >>> 8) % 10)] as const
    for (let at = range[0]; at < range[1]; at++) there.add(at)
    ranges = addRange(ranges, range)
    assert.equal(byteCount(ranges), there.size)
    assert.equal(byteCount(missingRanges(ranges, 1000, 7)), 1000 - there.size)
    assert.ok(missingRanges(ranges, 1000, 7).every(([from, to]) => to - from <= 7 && !there.has(from)))
  }
})

test('Retry-After: seconds and dates are read, anything else is not', () => {
  assert.equal(retryAfterMs('3'), 3000)
  assert.equal(retryAfterMs(new Date(60_000).toUTCString(), 50_000), 10_000)
  assert.equal(retryAfterMs(new Date(0).toUTCString(), 50_000), 0)
  assert.equal(retryAfterMs('soon'), undefined)
  assert.equal(retryAfterMs(null), undefined)
})

test('resume: a connection that drops at random bytes is followed by others that go on behind its last byte', async (t) => {
  const { hub, options, notes } = await setUp(t, 'drop-anywhere')
  const model = await pullModel(spec, { ...options, retries: 100, backoffMs: 0 })
  assert.equal(model.sha256, sha256Of(bytes))
  const starts = rangesOf(hub).map((range) => Number(/=(\d+)-/.exec(range)?.[1]))
  assert.ok(starts.length > 2, `${starts}`)
  assert.deepEqual(
    starts,
    starts.toSorted((a, b) => a - b),
  )
  assert.match(notes.join('\n'), /broke off .*; trying again in 0\.0 s \(1 of 100\)/)
})

test('resume: what a pull has left can be removed by the name of its model, also when there is no model', async (t) => {
  const setting = await setUp(t, 'well')
  await half(setting)
  assert.ok((await removeModel(setting.home, name)).bytes > 0)
  assert.deepEqual(everythingIn(join(setting.home, 'models')), [])
  await assert.rejects(removeModel(setting.home, name), { code: 'model-unknown' })
})

test('resume: what a pull that gave up has left is used by the next, and by none other', async (t) => {
  const setting = await setUp(t, 'well')
  const { hub, home, options } = setting
  await half(setting)
  await pullModel(spec, options)
  assert.match(rangesOf(hub).join(), /^bytes=[1-9]\d*-3000000$/)
  assert.deepEqual(everythingIn(join(home, 'models')), [`${name}.gguf`])
})

for (const promised of [undefined, null])
  test(`resume: another file than before begins anew, ${promised === null ? 'known by its etag' : 'by its sha256'}`, async (t) => {
    const file = promised === null ? { ...tiny, sha256: null } : tiny
    const setting = await setUp(t, 'well', file)
    const { hub, home, options } = setting
    await half(setting)
    const changed = fakeGguf(bytes.length, 5)
    hub.files = [{ ...file, bytes: changed }]
    const model = await pullModel(spec, options)
    assert.ok(readFileSync(model.path).equals(changed))
    assert.deepEqual(rangesOf(hub), ['bytes=0-3000000'])
    assert.deepEqual(await listPartialModels(home), [])
  })

test('resume: a file that changes between two requests is not mixed', async (t) => {
  const { hub, options, notes } = await setUp(t, 'drop-midway', { ...tiny, sha256: null })
  const changed = fakeGguf(bytes.length, 5)
  void hub.halfWay.then(() => {
    hub.files = [{ ...tiny, sha256: null, bytes: changed }]
    hub.behaviour = 'well'
  })
  const model = await pullModel(spec, options)
  assert.ok(readFileSync(model.path).equals(changed))
  assert.match(notes.join('\n'), /another version than before; starting anew/)
})

test('resume: a server that ignores ranges is read from the start, and a half that is here is not mixed in', async (t) => {
  const setting = await setUp(t, 'no-ranges')
  const { hub, options, notes } = setting
  await half(setting)
  const model = await pullModel(spec, options)
  assert.equal(model.sha256, sha256Of(bytes))
  assert.equal(rangesOf(hub).length, 1)
  assert.match(notes.join('\n'), /gives no ranges of/)
})

test('resume: without ranges every try begins at the first byte, and after the last the pull fails', async (t) => {
  const { hub, options } = await setUp(t, 'drop-midway-without-ranges')
  hub.behaviour = 'drop-midway-without-ranges'
  let tries = 0
  const onNote = (note: string): void => {
    if (!/trying again/.test(note) || ++tries < 3) return
    hub.behaviour = 'no-ranges'
  }
  assert.equal((await pullModel(spec, { ...options, onNote })).sha256, sha256Of(bytes))
  assert.deepEqual(rangesOf(hub).slice(1), ['all', 'all', 'all'])
})

test('resume: bytes on the disk that are wrong are found by the checksum and fetched once more from the start', async (t) => {
  const setting = await setUp(t, 'well')
  const { home, options, notes } = setting
  await half(setting)
  const path = join(home, 'models', `.resume-${name}`, 'model.gguf')
  const damaged = readFileSync(path)
  damaged.writeUInt8(damaged.readUInt8(1000) ^ 1, 1000)
  writeFileSync(path, damaged)
  assert.equal((await pullModel(spec, options)).sha256, sha256Of(bytes))
  assert.match(notes.join('\n'), /from an earlier download, so it begins anew/)
})

test('resume: six records that make no sense are as good as none', async (t) => {
  const setting = await setUp(t, 'well')
  const { hub, home, options } = setting
  const folder = join(home, 'models', `.resume-${name}`)
  const identity = `sha256:${sha256Of(bytes)}`
  for (const record of [
    '',
    '{',
    '[]',
    JSON.stringify({ name, identity, bytes: bytes.length, done: [[5, 3]], parts: [] }),
    JSON.stringify({ name, identity, bytes: bytes.length, done: [[0, 99_999_999]], parts: [] }),
    JSON.stringify({ name, identity, bytes: bytes.length, done: [[0, 2000]], parts: [] }), // more than the file holds
  ]) {
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'model.gguf'), 'short')
    writeFileSync(join(folder, 'download.json'), record)
    hub.requests.length = 0
    const model = await pullModel(spec, { ...options, update: true })
    assert.ok(readFileSync(model.path).equals(bytes), record)
    assert.deepEqual(rangesOf(hub), ['bytes=0-3000000'], record)
    writeFileSync(model.path, 'GGUF') // so that the next one downloads again
  }
})

test('resume: the half of a process that was killed is gone on with', async (t) => {
  const setting = await setUp(t, 'well')
  const { hub, home, options } = setting
  const host = hostname().replace(/[^A-Za-z0-9.]/g, '_')
  const folder = join(home, 'models', `.part-${host}-999999999-ab`)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'model.gguf'), bytes.subarray(0, 1_000_000))
  const record = { name, identity: `sha256:${sha256Of(bytes)}`, bytes: bytes.length, done: [[0, 1_000_000]], parts: [] }
  writeFileSync(join(folder, 'download.json'), JSON.stringify(record))
  assert.equal((await pullModel(spec, options)).sha256, sha256Of(bytes))
  assert.deepEqual(rangesOf(hub), ['bytes=1000000-3000000'])
  assert.deepEqual(everythingIn(join(home, 'models')), [`${name}.gguf`])
})

test('download: more than was asked for is thrown away; a byte too few is asked for again', async (t) => {
  const much = await setUp(t, 'too-much')
  await assert.rejects(pullModel(spec, much.options), { code: 'checksum-mismatch', message: /more than was asked/ })
  assert.deepEqual(everythingIn(much.home), ['models'])
  const little = await setUp(t, 'too-little')
  assert.equal(
    (await pullModel(spec, { ...little.options, retries: 0, connections: 1 }).catch(String))
      .toString()
      .includes('broke off'),
    true,
  )
  little.hub.behaviour = 'well'
  little.hub.requests.length = 0
  assert.equal((await pullModel(spec, little.options)).sha256, sha256Of(bytes))
  assert.deepEqual(rangesOf(little.hub), ['bytes=3000000-3000000'])
})

test('download: a busy server is asked again after the time it names, and left alone when that is too long', async (t) => {
  const { hub, options, notes, home } = await setUp(t, 'busy')
  hub.retryAfter = 1
  assert.equal((await pullModel(spec, options)).sha256, sha256Of(bytes))
  assert.match(notes.join('\n'), /status 429 .*; trying again in 1\.0 s \(1 of 5\)/)
  writeFileSync(join(home, 'models', `${name}.gguf`), 'GGUF')
  hub.retryAfter = 3600
  hub.behaviour = 'well' // starts the count of 'busy' anew
  hub.behaviour = 'busy'
  await assert.rejects(pullModel(spec, { ...options, update: true }), /left alone for 3600 s/)
})

test('download: a connection that breaks at the first question to the hub is no end; with 0 retries it is', async (t) => {
  const { hub, options, notes } = await setUp(t, 'drop-first')
  await assert.rejects(pullModel(spec, { ...options, retries: 0 }), /could not be reached or broke off/)
  hub.behaviour = 'drop-first'
  assert.equal((await pullModel(spec, options)).sha256, sha256Of(bytes))
  assert.match(notes.join('\n'), /broke off .*; trying again in 0\.0 s \(1 of 5\)/)
})

/** Over four connections; → what lies on disk then. */
const downloadInPieces = async (
  { home, options }: Awaited<ReturnType<typeof setUp>>,
  { retries, pieceBytes }: { readonly retries: number; readonly pieceBytes: number },
): Promise<PartialFile> => {
  const file = { repo, path: tiny.path, bytes: bytes.length, sha256: sha256Of(bytes) }
  const patience = { retries, backoffMs: 0, signal: undefined, note: () => undefined }
  const source = await openHubFile(file, {
    ...patience,
    env: options.env ?? {},
    stallTimeoutMs: 5000,
    offline: undefined,
  })
  const partial = await PartialFile.open(home, { name, bytes: bytes.length, sha256: file.sha256 }, () => undefined)
  await downloadRanges(source, partial, { ...patience, connections: 4, pieceBytes })
  return partial
}

test('download: 4 connections bring 3 MB in 12 pieces, each asked for once, and the file is the same', async (t) => {
  const place = await setUp(t, 'well')
  const partial = await downloadInPieces(place, { retries: 0, pieceBytes: 250_001 })
  await partial.complete()
  await partial.close()
  assert.ok(readFileSync(partial.path).equals(bytes))
  assert.equal(new Set(rangesOf(place.hub)).size, 12)
  assert.equal(rangesOf(place.hub).length, 12)
})

test('download: 4 connections that drop at random bytes still make the same file', async (t) => {
  const place = await setUp(t, 'drop-anywhere')
  const partial = await downloadInPieces(place, { retries: 100, pieceBytes: 500_000 })
  await partial.close()
  assert.ok(readFileSync(partial.path).equals(bytes))
  assert.ok(rangesOf(place.hub).length > 6)
})

test('offline: asked for by option, nothing is asked of the hub and the sentence says what to do', async (t) => {
  const { hub, options, home } = await setUp(t, 'well')
  await assert.rejects(
    pullModel(spec, { ...options, offline: true }),
    /offline is asked for, so Hugging Face is not asked/,
  )
  assert.equal(hub.requests.length, 0)
  assert.deepEqual(await listModels(home), [])
  const env = { ...options.env, HF_HUB_OFFLINE: '1' }
  assert.equal((await pullModel(spec, { ...options, env, offline: false })).source, 'hugging-face')
})

test('options: counts out of range are refused with the range', async () => {
  for (const wrong of [{ connections: 0 }, { connections: 17 }, { retries: -1 }, { retries: 1.5 }, { backoffMs: 1e6 }])
    await assert.rejects(pullModel(spec, wrong), RangeError)
})
