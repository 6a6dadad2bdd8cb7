import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Command } from 'commander'
import { CompactorError } from '../error.ts'
import { mostThreads } from '../thread-limit.ts'
import { describeFailure } from './failure.ts'
import { withFlagNames } from './flag-names.ts'
import { engineFlags } from './flags.ts'

const command = (): Command =>
  new Command('ask').option('--max-tokens <n>').option('--keep <k>').option('--stop <t>').option('--length <n>')

test('flag names: 11 sentences of the library name the flag, those that only look like it stay', () => {
  const cases: [string, string][] = [
    ['maxTokens must be 1, got 0', '--max-tokens must be 1, got 0'],
    ['a shorter answer (`maxTokens`)', 'a shorter answer (--max-tokens)'],
    ['leave out maxTokens', 'leave out --max-tokens'],
    ['keep takes a share', '--keep takes a share'],
    ['leave out `stop`', 'leave out --stop'],
    ['each of lengths must be 1', 'each of --length must be 1'],
    ['the stop of `compactor keep` stays: keep', 'the stop of `compactor keep` stays: keep'],
    ['keepers are no option', 'keepers are no option'],
    ['unknown field "maxTokens"', 'unknown field "maxTokens"'],
    ['maxTokens.txt cannot be read', 'maxTokens.txt cannot be read'],
    ['./maxTokens cannot be read', './maxTokens cannot be read'],
  ]
  for (const [said, shown] of cases) assert.equal(withFlagNames(said, command()), shown)
})

test('failures: what begins with a name that is a flag too is rewritten where the caller asked for something, not where a file failed', () => {
  const about = (code: 'usage' | 'file-unreadable'): string | undefined =>
    describeFailure(new CompactorError(code, 'keep holds nothing, and maxTokens is 3'), command()).sentence
  assert.equal(about('usage'), '--keep holds nothing, and --max-tokens is 3')
  assert.equal(about('file-unreadable'), 'keep holds nothing, and --max-tokens is 3')
})

test('flag names: where a value came from the environment or the file, that is named, once', () => {
  const called = command()
  called.setOptionValueWithSource('maxTokens', 0, 'env')
  called.setOptionValueWithSource('keep', '2', 'config')
  assert.equal(withFlagNames('maxTokens must be 1', called), 'COMPACTOR_MAX_TOKENS must be 1')
  assert.equal(withFlagNames('keep takes a share', called), 'keep in compactor.config.json takes a share')
  called.setOptionValueWithSource('maxTokens', 0, 'config')
  assert.equal(withFlagNames('maxTokens must be 1', called), 'maxTokens in compactor.config.json must be 1')
  assert.equal(withFlagNames('maxTokens must be 1', new Command('list')), 'maxTokens must be 1')
})

test('--threads: from 1 to 256, nothing else', () => {
  const parse = (text: string): unknown => engineFlags()[0]?.parseArg?.(text, undefined)
  assert.deepEqual([parse('1'), parse(' 256 '), mostThreads], [1, 256, 256])
  for (const text of ['0', '-1', '1.5', '257', '100000', 'many', '', '1e2'])
    assert.throws(() => parse(text), { message: 'expected a whole number from 1 to 256' }, text)
})
