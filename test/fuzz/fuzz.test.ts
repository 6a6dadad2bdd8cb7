/** A few of the damaged files that `npm run fuzz` reads, without its sanitizer; and that it would notice what is wrong. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { CompactorError } from '../../src/error.ts'
import { temporaryFolder } from '../fixtures/temporary-folder.ts'
import { faultOf, judge, type Outcome } from './outcome.ts'
import { createTrial, targets } from './trial.ts'

const count = 300

for (const target of targets)
  test(`${count} damaged files of ${target} are refused in a sentence or accepted and computed with, some of each`, async (t) => {
    const trial = await createTrial(target, 1, temporaryFolder(t))
    const outcomes: Outcome[] = []
    for (let index = 0; index < count; index++) {
      const file = trial.damage(index)
      const outcome = await judge(() => trial.read(file, index))
      assert.notEqual(
        outcome.kind,
        'failed',
        `file ${index} (${[file.base, ...file.what]}): ${JSON.stringify(outcome)}`,
      )
      outcomes.push(outcome)
    }
    await trial.dispose()
    for (const kind of ['refused', 'accepted'])
      assert.ok(outcomes.filter((outcome) => outcome.kind === kind).length >= count / 10, kind)
  })

test('the same seed and index make the same damaged file, another seed another', async (t) => {
  const [one, same, other] = await Promise.all(
    [7, 7, 8].map(async (seed) => createTrial('documents', seed, temporaryFolder(t))),
  )
  assert.deepEqual(one?.damage(5), same?.damage(5))
  assert.notDeepEqual(one?.damage(5), other?.damage(5))
})

test('parts that nobody changed are written as they were read, for 2 toys', async () => {
  const { putTogether, takeApart } = await import('./gguf-parts.ts')
  for (const name of ['toy-llama', 'toy-gemma3']) {
    const whole = readFileSync(new URL(`../fixtures/${name}.gguf`, import.meta.url))
    assert.ok(putTogether(takeApart(whole)).bytes.equals(whole), name)
  }
})

test('a TypeError, and sentences that are empty, long, several lines or name what only a programmer knows, are failures', async () => {
  const kindOf = async (error: Error): Promise<string> => (await judge(() => Promise.reject(error))).kind
  assert.equal(await kindOf(new TypeError('x is not a function')), 'failed')
  assert.equal(await kindOf(new CompactorError('model-corrupt', 'the value is undefined')), 'failed')
  assert.equal(await kindOf(new CompactorError('model-corrupt', 'a.gguf is damaged; get the file again')), 'refused')
  const wrong = ['', ' ', 'x'.repeat(401), 'two\nlines', 'got NaN', 'got [object Object]', '\u001b[31m', 'ends ']
  for (const message of wrong) assert.notEqual(faultOf(message), undefined, message)
  assert.equal(faultOf('the file says "undefined", expected a number'), undefined)
})
