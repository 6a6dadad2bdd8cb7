/** What can be refused of a model before anything is read for it, in the words of `pullModel`. */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fakeGguf } from '../../test/fixtures/loopback-hub.ts'
import { temporaryFolder } from '../../test/fixtures/temporary-folder.ts'
import { CompactorError } from '../error.ts'
import { checkModel } from './check-model.ts'
import { pullModel } from './pull.ts'

test('checkModel: 8 models that cannot be had are refused in the words of pullModel, those that can pass', async (t) => {
  const home = temporaryFolder(t)
  mkdirSync(join(home, 'models'))
  for (const name of ['mine', 'smollm2-135m']) writeFileSync(join(home, 'models', `${name}.gguf`), fakeGguf(100))
  writeFileSync(join(home, 'a.txt'), 'text')
  writeFileSync(join(home, 'x-00001-of-00002.gguf'), fakeGguf(100))
  const options = { home, env: { HOME: home, HF_HUB_OFFLINE: '1' } }
  const refused = ['nosuch', 'mien', '', 'hf:a', 'ollama:none:1b', join(home, 'none.gguf'), join(home, 'a.txt')]
  for (const spec of [...refused, join(home, 'x-00001-of-00002.gguf')]) {
    const refusal: unknown = await pullModel(spec, options).catch((error: unknown) => error)
    assert.ok(refusal instanceof CompactorError, spec)
    const { code, message } = refusal
    await assert.rejects(checkModel(spec, options), { code, message }, spec)
  }
  for (const spec of ['mine', 'smollm2-135m', 'hf:a/b:Q8_0', join(home, 'models', 'mine.gguf')])
    await checkModel(spec, options)
  await assert.rejects(checkModel('qwen2.5-coder-0.5b', options), {
    code: 'download-failed',
    message: /OFFLINE is set/,
  })
  await checkModel('qwen2.5-coder-0.5b', { ...options, offline: false })
  await checkModel('gemma3-270m', { ...options, env: { HOME: home } })
  await assert.rejects(checkModel('mine', { ...options, update: true } as never), /does not know the option update/)
})
