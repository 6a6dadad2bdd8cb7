import assert from 'node:assert/strict'
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fakeGguf, sha256Of } from '../../test/fixtures/loopback-hub.ts'
import { temporaryFolder } from '../../test/fixtures/temporary-folder.ts'
import { findModel, listModels, removeModel, resolveModel } from './local-models.ts'
import { hasQuant, parseModelSpec } from './model-spec.ts'

const names = ['mine', 'smollm2-135m', 'a--b--x-q4_k_m', 'a--b--x-q8_0']

const homeWithModels = (t: TestContext): string => {
  const home = temporaryFolder(t)
  mkdirSync(join(home, 'models', '.part-x-1-ab'), { recursive: true })
  for (const name of names) writeFileSync(join(home, 'models', `${name}.gguf`), fakeGguf(100))
  writeFileSync(join(home, 'models', 'notes.txt'), '')
  symlinkSync('/nowhere', join(home, 'models', 'gone.gguf'))
  return home
}

test('models: the list holds the complete files only', async (t) => {
  const models = await listModels(homeWithModels(t))
  assert.deepEqual(
    models.map(({ name }) => name),
    names.toSorted(),
  )
  assert.deepEqual(
    models.filter(({ builtIn }) => builtIn).map(({ name }) => name),
    ['smollm2-135m'],
  )
  assert.deepEqual(await listModels(join(temporaryFolder(t), 'new')), [])
})

test('models: names, hf: sources and paths are resolved without the network', async (t) => {
  const home = homeWithModels(t)
  assert.equal((await resolveModel('mine', { home })).path, join(home, 'models', 'mine.gguf'))
  assert.equal((await resolveModel('hf:a/b:Q8_0', { home })).name, 'a--b--x-q8_0')
  assert.equal((await resolveModel('hf:a/b/x-q4_k_m.gguf', { home })).name, 'a--b--x-q4_k_m')
  assert.equal(
    (await resolveModel(join(home, 'models', 'mine.gguf'), { home })).path,
    join(home, 'models', 'mine.gguf'),
  )
  await assert.rejects(resolveModel('hf:a/b', { home }), /compactor pull hf:a\/b/) // two files: not for us to choose
  await assert.rejects(resolveModel('qwen2.5-coder-0.5b', { home }), /compactor pull qwen2\.5-coder-0\.5b/)
  await assert.rejects(resolveModel('mien', { home }), {
    code: 'model-unknown',
    message: /on this machine.*did you mean mine\?/,
  })
})

test('models: a repository as the pages of Hugging Face write it is refused with the name to give', async () => {
  const advised = (spec: string, advice: RegExp): Promise<void> =>
    assert.rejects(resolveModel(spec), { code: 'file-unreadable', message: advice })
  await advised('nobody/No-Such-7B-GGUF', /does not exist; .* is named as hf:nobody\/No-Such-7B-GGUF:QUANT$/)
  await advised('nobody/No-Such-7B-GGUF:Q4_0', /does not exist; .* is named as hf:nobody\/No-Such-7B-GGUF:Q4_0$/)
  await advised('nobody/model.gguf', /does not exist$/)
  await advised('./nobody/model', /does not exist$/)
})

test('models: a model is found by its sha256, hashed now if it never was', async (t) => {
  const home = homeWithModels(t)
  writeFileSync(join(home, 'models', 'other.gguf'), fakeGguf(200))
  assert.equal(await findModel(sha256Of(fakeGguf(200)), { home }), join(home, 'models', 'other.gguf'))
  assert.equal(await findModel('0'.repeat(64), { home }), undefined)
})

test('models: removing deletes one file, and only below models/', async (t) => {
  const home = homeWithModels(t)
  writeFileSync(join(home, 'outside.gguf'), fakeGguf(10))
  await removeModel(home, 'mine')
  assert.ok(!existsSync(join(home, 'models', 'mine.gguf')))
  for (const name of ['mine', '../outside', join(home, 'outside.gguf')])
    await assert.rejects(removeModel(home, name), { code: 'model-unknown' }, name)
  assert.ok(existsSync(join(home, 'outside.gguf')))
})

test('model names: 12 malformed hf: sources are refused, 4 well-formed ones are read', () => {
  for (const spec of [
    'hf:',
    'hf:a',
    'hf:a/',
    'hf:/b',
    'hf:a/b:',
    'hf:a/b:q4:x',
    'hf:a/b/c',
    'hf:a/b/../c.gguf',
    'hf:../b',
    'hf:a/b//c.gguf',
    'hf:a/b/c\\d.gguf',
    'hf:a b/c',
  ])
    assert.throws(() => parseModelSpec(spec), { code: 'model-unknown' }, spec)
  assert.deepEqual(parseModelSpec('hf:a/b.c-1:Q4_K_M'), { kind: 'hub', repo: 'a/b.c-1', quant: 'Q4_K_M' })
  assert.deepEqual(parseModelSpec('hf:a/b/c/d.gguf'), { kind: 'hub', repo: 'a/b', file: 'c/d.gguf' })
  assert.deepEqual(parseModelSpec('./x'), { kind: 'path', path: './x' })
  assert.deepEqual(parseModelSpec('x.gguf'), { kind: 'path', path: 'x.gguf' })
})

test('model names: a quantisation is found as a whole word only', () => {
  assert.ok(hasQuant('m-Q4_K_M.gguf', 'q4_k_m') && hasQuant('m.Q8_0-imat.gguf', 'Q8_0'))
  assert.ok(!hasQuant('m-q4_k_m.gguf', 'Q4_K') && !hasQuant('m-iq4_k_m.gguf', 'Q4_K_M'))
})
