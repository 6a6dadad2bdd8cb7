import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Command } from 'commander'
import { applySettings, type Config } from './settings.ts'

const asAloneWith = (env: NodeJS.ProcessEnv, config?: Config, words: readonly string[] = []): unknown => {
  const command = new Command().option('--no-as-alone', 'fields together')
  command.parse(words, { from: 'user' })
  applySettings(command, env, config)
  return command.opts().asAlone
}

test('settings: a flag that turns something off is COMPACTOR_NO_… in the environment and the name of what it turns off in the file', () => {
  assert.equal(asAloneWith({}), true)
  assert.equal(asAloneWith({ COMPACTOR_NO_AS_ALONE: '1' }), false)
  assert.equal(asAloneWith({ COMPACTOR_NO_AS_ALONE: 'false' }), true)
  assert.equal(asAloneWith({}, { asAlone: false }), false)
  assert.equal(asAloneWith({}, { asAlone: true }), true)
  assert.equal(asAloneWith({ COMPACTOR_NO_AS_ALONE: 'off' }, { asAlone: false }), true)
  assert.equal(asAloneWith({ COMPACTOR_NO_AS_ALONE: '0' }, undefined, ['--no-as-alone']), false)
  assert.throws(() => asAloneWith({ COMPACTOR_NO_AS_ALONE: 'maybe' }), {
    code: 'usage',
    message: 'COMPACTOR_NO_AS_ALONE must be true or false, got "maybe"',
  })
  assert.throws(() => asAloneWith({}, { asAlone: 'maybe' }), {
    code: 'usage',
    message: /^asAlone in compactor\.config\.json/,
  })
})
