/** Files of other programs are found, checked and used where they lie, and nothing is ever done to them. */
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fakeGguf, type LoopbackHub, sha256Of, startLoopbackHub } from '../../test/fixtures/loopback-hub.ts'
import { everythingIn, temporaryFolder } from '../../test/fixtures/temporary-folder.ts'
import type { CatalogEntry } from './catalog.ts'
import { joinedFingerprint } from './fingerprint.ts'
import { listForeignModels } from './foreign-models.ts'
import { findModel, removeModel, resolveModel } from './local-models.ts'
import { type PullOptions, pullModel } from './pull.ts'

const repo = 'someone/Tiny-GGUF'
const bytes = fakeGguf(50_000)
const sha256 = sha256Of(bytes)
const toy: CatalogEntry = { name: 'toy', about: '', bytes: bytes.length, sha256, hub: { repo, file: 'tiny-q4_0.gguf' } }

const put = (path: string, content: Buffer | string): void => {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, content)
}

const manifest = (digest: string): string =>
  JSON.stringify({
    layers: [
      { mediaType: 'application/vnd.ollama.image.template', digest: `sha256:${'1'.repeat(64)}` },
      { mediaType: 'application/vnd.ollama.image.model', digest: `sha256:${digest}` },
    ],
  })

interface Machine {
  readonly user: string // their home
  readonly home: string // ours
  readonly env: Record<string, string>
  readonly options: PullOptions & { catalog: readonly CatalogEntry[] }
  readonly notes: string[]
}

const machine = (t: TestContext): Machine => {
  const user = temporaryFolder(t)
  const home = join(user, 'ours')
  const env = { HOME: user, PATH: '/nowhere', HF_HUB_OFFLINE: '1' }
  const notes: string[] = []
  return { user, home, env, notes, options: { home, env, catalog: [toy], onNote: (note) => notes.push(note) } }
}

const putOllama = (user: string, content: Buffer = bytes): string => {
  const models = join(user, '.ollama', 'models')
  put(join(models, 'manifests', 'registry.ollama.ai', 'library', 'tiny', '1b'), manifest(sha256))
  const blob = join(models, 'blobs', `sha256-${sha256}`)
  put(blob, content)
  return blob
}

const putCache = (user: string, file = 'tiny-q4_0.gguf'): string => {
  const folder = join(user, '.cache', 'huggingface', 'hub', 'models--someone--Tiny-GGUF')
  const path = join(folder, 'snapshots', 'c0ffee', file)
  put(join(folder, 'blobs', sha256), bytes)
  mkdirSync(dirname(path), { recursive: true })
  symlinkSync(join('..', '..', 'blobs', sha256), path)
  return path
}

/** Every path with size and times: what would show that something was touched. */
const traces = (folder: string): string =>
  (readdirSync(folder, { recursive: true, encoding: 'utf8' }) as string[])
    .sort()
    .map((path) => {
      const { size, mtimeMs, ctimeMs } = statSync(join(folder, path))
      return `${path} ${size} ${mtimeMs} ${ctimeMs}`
    })
    .join('\n')

test('other programs: files of all three are listed by name and owner, and seven things that are no models are not', async (t) => {
  const { user, env } = machine(t)
  const blob = putOllama(user)
  const cached = putCache(user)
  const flat = join(user, '.cache', 'llama.cpp', 'someone_tiny_q4.gguf')
  put(flat, bytes)
  put(join(user, '.cache', 'llama.cpp', 'page.gguf'), '<html>')
  put(join(user, '.cache', 'llama.cpp', 'tiny.gguf.json'), '{}')
  const manifests = join(user, '.ollama', 'models', 'manifests', 'registry.ollama.ai')
  put(join(manifests, 'library', 'gone', '1b'), manifest('2'.repeat(64)))
  put(join(manifests, 'library', 'damaged', '1b'), '{')
  put(join(manifests, 'library', 'sly', '1b'), manifest('../../../../etc/passwd'))
  put(join(manifests, 'library', 'empty', '1b'), 'null')
  put(join(user, '.cache', 'huggingface', 'hub', 'models--a--b', 'snapshots', '1', 'readme.md'), '')
  const found = await listForeignModels(env)
  assert.deepEqual(
    found.map(({ name, owner, path, claimedSha256 }) => [name, owner, path, claimedSha256]),
    [
      ['ollama:tiny:1b', 'Ollama', blob, sha256],
      ['llama.cpp:someone_tiny_q4', 'llama.cpp', flat, undefined],
      ['hf:someone/Tiny-GGUF/tiny-q4_0.gguf', 'Hugging Face', cached, sha256],
    ],
  )
})

test('other programs: their folders are those that their own variables name', async (t) => {
  const { user, env } = machine(t)
  putOllama(user)
  putCache(user)
  const elsewhere = { OLLAMA_MODELS: join(user, 'x'), LLAMA_CACHE: join(user, 'y'), HF_HUB_CACHE: join(user, 'z') }
  assert.deepEqual(await listForeignModels({ ...env, ...elsewhere }), [])
  put(join(user, 'y', 'a.gguf'), bytes)
  const names = (await listForeignModels({ ...env, ...elsewhere })).map(({ name }) => name)
  assert.deepEqual(names, ['llama.cpp:a'])
})

for (const [owner, place] of [
  ['Ollama', putOllama],
  ['Hugging Face', putCache],
] as const)
  test(`other programs: a built-in model that ${owner} has is used where it lies, untouched, and nothing is copied`, async (t) => {
    const { user, home, options, notes } = machine(t)
    const path = place(user)
    const before = traces(join(user, owner === 'Ollama' ? '.ollama' : '.cache'))
    const model = await pullModel('toy', options)
    assert.deepEqual([model.path, model.sha256, model.source, model.name], [path, sha256, 'elsewhere', 'toy'])
    assert.match(notes.join(), new RegExp(`toy is used where ${owner} keeps it`))
    assert.equal(traces(join(user, owner === 'Ollama' ? '.ollama' : '.cache')), before)
    assert.deepEqual(everythingIn(home), ['fingerprints.json'])
    assert.equal((await resolveModel('toy', options)).path, path)
  })

test('other programs: a file whose bytes are not what its name says is passed over, and that is said', async (t) => {
  const { user, options, notes } = machine(t)
  putOllama(user, fakeGguf(bytes.length, 9))
  await assert.rejects(pullModel('toy', options), { code: 'download-failed' })
  assert.match(notes.join(), /does not hold the bytes that Ollama says it holds/)
})

test('other programs: their own names work offline, unknown ones are refused, and none can be removed from here', async (t) => {
  const { user, home, options, env } = machine(t)
  const blob = putOllama(user)
  const cached = putCache(user)
  assert.equal((await pullModel('ollama:tiny:1b', options)).path, blob)
  assert.equal((await pullModel(`hf:${repo}:Q4_0`, options)).path, cached)
  assert.equal((await pullModel(`hf:${repo}/tiny-q4_0.gguf`, options)).path, cached)
  await assert.rejects(pullModel(`hf:${repo}:Q8_0`, options), /HF_HUB_OFFLINE/)
  await assert.rejects(pullModel('ollama:other:1b', options), { code: 'model-unknown', message: /model list/ })
  await assert.rejects(removeModel(home, 'ollama:tiny:1b'), /belongs to another program/)
  assert.equal((await resolveModel('ollama:tiny:1b', { home, env })).path, blob)
  assert.ok(readFileSync(blob).equals(bytes))
})

test('other programs: what the hub promises is not downloaded when Ollama has it already', async (t) => {
  const { user, home, options } = machine(t)
  const blob = putOllama(user)
  const hub: LoopbackHub = await startLoopbackHub(repo, [{ path: 'tiny-q4_0.gguf', bytes }])
  t.after(() => hub[Symbol.asyncDispose]())
  const env = { ...options.env, HF_ENDPOINT: hub.url, HF_HUB_OFFLINE: '0' }
  assert.equal((await pullModel(`hf:${repo}:Q4_0`, { ...options, env })).path, blob)
  assert.ok(hub.requests.every(({ url }) => url.startsWith('/api/')))
  assert.deepEqual(everythingIn(home), ['fingerprints.json'])
})

/** An Ollama manifest of these bytes under another name. */
const putTag = (user: string, name: string): void => {
  putOllama(user)
  put(join(user, '.ollama', 'models', 'manifests', ...name.split('/')), manifest(sha256))
}

test('other programs: ollama:NAME is NAME:latest, and NAME:TAG needs no ollama: before it, in 5 spellings', async (t) => {
  const { user, home, env, options } = machine(t)
  putTag(user, 'registry.ollama.ai/library/tiny/latest')
  putTag(user, 'registry.ollama.ai/someone/tiny/q4')
  putTag(user, 'hf.co/someone/Tiny-GGUF/Q8_0')
  const names = (await listForeignModels(env)).map((model) => model.name)
  const [far, own, users] = ['ollama:hf.co/someone/Tiny-GGUF:Q8_0', 'ollama:tiny:latest', 'ollama:someone/tiny:q4']
  assert.deepEqual(names, [far, 'ollama:tiny:1b', own, users])
  for (const [spec, name] of [
    ['ollama:tiny', own],
    ['tiny:latest', own],
    ['tiny:1b', 'ollama:tiny:1b'],
    ['someone/tiny:q4', users],
    ['hf.co/someone/Tiny-GGUF:Q8_0', far],
  ] as const) {
    assert.equal((await pullModel(spec, options)).name, name)
    assert.equal((await resolveModel(spec, { home, env })).name, name)
  }
})

test('other programs: a name without its tag, or with a wrong one, is refused with the tags that are there', async (t) => {
  const { user, home, env, options } = machine(t)
  putOllama(user)
  const refusals: [string, RegExp][] = [
    ['ollama:tiny', /there is no ollama:tiny on .*; Ollama has tiny here with one tag: did you mean ollama:tiny:1b\?$/],
    ['tiny:7b', /unknown model "tiny:7b".*; Ollama has tiny here with one tag: did you mean ollama:tiny:1b\?$/],
    ['tiny', /unknown model "tiny".*; Ollama has tiny here with one tag: did you mean ollama:tiny:1b\?$/],
    ['ollama:tny:1b', /; did you mean ollama:tiny:1b\?$/],
  ]
  const withoutToy = { ...options, catalog: [] }
  for (const [spec, message] of refusals) {
    await assert.rejects(pullModel(spec, withoutToy), { code: 'model-unknown', message })
    await assert.rejects(resolveModel(spec, { home, env, catalog: [] }), { code: 'model-unknown', message })
  }
  putTag(user, 'registry.ollama.ai/library/tiny/3b')
  const message = /; Ollama has tiny here with 2 tags: ollama:tiny:1b, ollama:tiny:3b$/
  await assert.rejects(pullModel('ollama:tiny', withoutToy), { code: 'model-unknown', message })
})

test('other programs: llama.cpp:FILE.gguf is what is listed as llama.cpp:FILE', async (t) => {
  const { user, home, env, options } = machine(t)
  const path = join(user, '.cache', 'llama.cpp', 'tiny.gguf')
  put(path, bytes)
  assert.equal((await pullModel('llama.cpp:tiny.gguf', options)).path, path)
  assert.equal((await resolveModel('llama.cpp:tiny.gguf', { home, env })).name, 'llama.cpp:tiny')
})

const putParts = (folder: string, count: number, numbers: readonly number[]): string[] =>
  numbers.map((number) => {
    const path = join(folder, `tiny-0000${number}-of-0000${count}.gguf`)
    put(path, fakeGguf(1000 * number, number))
    return path
  })

test('other programs: files of a model in several are one model once all are there, by any of 3 names', async (t) => {
  const { user, home, env, options } = machine(t)
  const [first = ''] = putParts(join(user, '.cache', 'llama.cpp'), 3, [1, 2, 3])
  const hub = join(user, '.cache', 'huggingface', 'hub', 'models--someone--Tiny-GGUF', 'snapshots', '1')
  const [cached] = putParts(hub, 2, [1, 2])
  putParts(join(user, '.cache', 'llama.cpp', 'unfinished'), 4, [1, 2, 4])
  assert.deepEqual(
    (await listForeignModels(env)).map((model) => [model.name, model.path, model.bytes]),
    [
      ['llama.cpp:tiny', first, 6000],
      ['hf:someone/Tiny-GGUF/tiny-00001-of-00002.gguf', cached, 3000],
    ],
  )
  const sha256 = joinedFingerprint([1, 2, 3].map((number) => sha256Of(fakeGguf(1000 * number, number))))
  for (const spec of ['llama.cpp:tiny', 'llama.cpp:tiny.gguf', 'llama.cpp:tiny-00002-of-00003.gguf']) {
    const { path, bytes, fileCount, ...pulled } = await pullModel(spec, options)
    assert.deepEqual([path, bytes, fileCount, pulled.sha256], [first, 6000, 3, sha256])
    assert.equal((await resolveModel(spec, { home, env })).path, first)
  }
})

test('other programs: a model in several files that the Hugging Face cache has whole is not downloaded', async (t) => {
  const { user, home, options } = machine(t)
  const numbers = [1, 2]
  const parts = numbers.map((number) => fakeGguf(1000 * number, number))
  const files = parts.map((bytes, index) => ({ path: `tiny-q8_0-0000${index + 1}-of-00002.gguf`, bytes }))
  const hub = await startLoopbackHub(repo, files)
  t.after(() => hub[Symbol.asyncDispose]())
  const folder = join(user, '.cache', 'huggingface', 'hub', 'models--someone--Tiny-GGUF')
  mkdirSync(join(folder, 'snapshots', '1'), { recursive: true })
  for (const { path, bytes } of files) {
    put(join(folder, 'blobs', sha256Of(bytes)), bytes)
    symlinkSync(join('..', '..', 'blobs', sha256Of(bytes)), join(folder, 'snapshots', '1', path))
  }
  const env = { ...options.env, HF_ENDPOINT: hub.url, HF_HUB_OFFLINE: '0' }
  const { path, fileCount, source } = await pullModel(`hf:${repo}:Q8_0`, { ...options, env })
  assert.deepEqual([path, fileCount, source], [join(folder, 'snapshots', '1', files[0]?.path ?? ''), 2, 'elsewhere'])
  assert.ok(hub.requests.every(({ url }) => url.startsWith('/api/')))
  assert.equal((await pullModel(`hf:${repo}:Q8_0`, options)).path, path) // and offline
  assert.deepEqual(everythingIn(home), ['fingerprints.json'])
})

test('other programs: a model is found by the checksum that Ollama claims of it, if that is true', async (t) => {
  const { user, home, env } = machine(t)
  const blob = putOllama(user)
  assert.equal(await findModel(sha256, { home, env }), blob)
  const other = machine(t)
  putOllama(other.user, fakeGguf(bytes.length, 9))
  assert.equal(await findModel(sha256, { home: other.home, env: other.env }), undefined)
})
