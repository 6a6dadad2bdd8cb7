/** Ctrl-C at bad moments: the exit code says so, one word on stderr, and no file is half there. */
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { existsSync, readFileSync, watch, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { newPlace, type Outcome, type Place } from './cli-process.ts'
import { fakeGguf, startLoopbackHub } from './fixtures/loopback-hub.ts'
import { everythingIn } from './fixtures/temporary-folder.ts'

const passage = readFileSync(new URL('./fixtures/passage-long.txt', import.meta.url), 'utf8')

const interrupted = ({ exitCode, stderr }: Outcome, code = 130): void => {
  assert.equal(exitCode, code, stderr)
  assert.match(stderr, /(^|\n)compactor: interrupted\n$/)
  assert.doesNotMatch(stderr, /^\s+at /m)
}

/** What the home holds beside the models that were put there. */
const leftIn = ({ home }: Place): string[] =>
  everythingIn(home).filter((path) => !/^(models|contexts|fingerprints\.json|models\/smollm2-135m\.gguf)$/.test(path))

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)
  test(`${signal} in the middle of a download exits ${code} with no more than a part set aside; the next pull goes on and succeeds`, async (t) => {
    const repo = 'someone/Tiny-GGUF'
    const hub = await startLoopbackHub(repo, [{ path: 'tiny-q4_0.gguf', bytes: fakeGguf(2_000_000) }])
    t.after(() => hub[Symbol.asyncDispose]())
    hub.behaviour = 'hang-midway'
    const place = newPlace(t)
    const env = { HF_ENDPOINT: hub.url, HF_HUB_OFFLINE: '0' }
    const words = ['pull', `hf:${repo}:Q4_0`]
    const outcome = await place.run(words, { env, onStart: (child) => void hub.halfWay.then(() => child.kill(signal)) })
    interrupted(outcome, code)
    assert.deepEqual(
      leftIn(place).filter((path) => !path.startsWith('models/.resume-someone--Tiny-GGUF--tiny-q4_0')),
      [],
    )
    hub.behaviour = 'well'
    const again = await place.run(words, { env })
    assert.equal(again.exitCode, 0, again.stderr)
    assert.deepEqual(leftIn(place), ['models/someone--Tiny-GGUF--tiny-q4_0.gguf'])
  })

test('SIGINT while a document is read exits 130 and leaves no context', async (t) => {
  const place = newPlace(t, { models: ['smollm2-135m'] })
  writeFileSync(join(place.folder, 'a.txt'), passage.repeat(2))
  let isSent = false
  const outcome = await place.run(['ask', 'a.txt', 'What is it about?', '-m', 'smollm2-135m'], {
    onOutput: (child, { stderr }) => {
      if (isSent || !/reading a\.txt with smollm2-135m/.test(stderr)) return
      isSent = true
      child.kill('SIGINT')
    },
  })
  assert.ok(isSent, outcome.stderr)
  interrupted(outcome)
  assert.equal(outcome.stdout, '')
  assert.deepEqual(everythingIn(place.folder), ['a.txt'])
  assert.deepEqual(leftIn(place), [])
})

test('SIGINT while a context is saved leaves the whole file or none', async (t) => {
  const place = newPlace(t, { models: ['smollm2-135m'] })
  writeFileSync(join(place.folder, 'a.txt'), passage.slice(0, 2000))
  const words = ['compress', 'a.txt', '-m', 'smollm2-135m', '--keep', '1']
  let seen = ''
  const outcome = await place.run(words, {
    onStart: (child) => {
      const watcher = watch(place.folder, (_, name) => {
        if (seen || !name?.includes('cctx')) return
        seen = name
        child.kill('SIGINT')
      })
      child.on('close', () => watcher.close())
    },
  })
  assert.match(seen, /cctx/, 'the save was seen while it went on')
  if (outcome.exitCode === 130) interrupted(outcome)
  if (!existsSync(join(place.folder, 'a.cctx'))) assert.equal(outcome.exitCode, 130, outcome.stderr)
  assert.deepEqual(
    everythingIn(place.folder).filter((name) => name !== 'a.cctx'),
    ['a.txt'],
  )
  if (existsSync(join(place.folder, 'a.cctx'))) {
    const answer = await place.run(['ask', 'a.cctx', 'What is it about?', '--max-tokens', '1', '--json'])
    assert.equal(answer.exitCode, 0, answer.stderr)
  }
})

test('SIGINT as soon as a context is saved, 4 times: exit code 0, or 130 and said; the context is whole', async (t) => {
  const place = newPlace(t, { models: ['smollm2-135m'] })
  writeFileSync(join(place.folder, 'a.txt'), passage.slice(0, 300))
  const words = ['compress', 'a.txt', '-m', 'smollm2-135m', '--force']
  for (let time = 0; time < 4; time++) {
    const outcome = await place.run(words, {
      onStart: (child) => {
        const watcher = watch(place.folder, (_, name) => void (name === 'a.cctx' && child.kill('SIGINT')))
        child.on('close', () => watcher.close())
      },
    })
    if (outcome.exitCode !== 0) interrupted(outcome)
    assert.deepEqual(everythingIn(place.folder), ['a.cctx', 'a.txt'])
    assert.equal((await place.run(['ask', 'a.cctx', 'Who?', '--max-tokens', '1'])).exitCode, 0)
  }
})

test('SIGINT in the middle of an answer exits 130 with what was already said on stdout', async (t) => {
  const place = newPlace(t, { models: ['smollm2-135m'] })
  writeFileSync(join(place.folder, 'a.txt'), passage.slice(0, 500))
  const made = await place.run(['compress', 'a.txt', '-m', 'smollm2-135m'])
  assert.equal(made.exitCode, 0, made.stderr)
  let isSent = false
  const outcome = await place.run(['ask', 'a.cctx', 'Write a long story about it.', '--max-tokens', '5000'], {
    onOutput: (child, { stdout }) => {
      if (isSent || stdout === '') return
      isSent = true
      child.kill('SIGINT')
    },
  })
  assert.ok(isSent, outcome.stderr)
  interrupted(outcome)
  assert.notEqual(outcome.stdout, '')
  assert.deepEqual(everythingIn(place.folder), ['a.cctx', 'a.txt'])
})

test('SIGINT at 3 instants each of a download, of reading, of asking and of a conversation leaves nothing that is half there', async (t) => {
  const repo = 'someone/Tiny-GGUF'
  const bytes = fakeGguf(2_000_000)
  const hub = await startLoopbackHub(repo, [{ path: 'tiny-q4_0.gguf', bytes }])
  t.after(() => hub[Symbol.asyncDispose]())
  hub.behaviour = 'slowly'
  const env = { HF_ENDPOINT: hub.url, HF_HUB_OFFLINE: '0' }
  const input = 'Who is it about?\nWhy?\n' // only a conversation reads it
  for (const words of [
    ['pull', `hf:${repo}:Q4_0`],
    ['compress', 'a.txt', '-m', 'smollm2-135m'],
    ['ask', 'a.txt', 'What is it about?', '-m', 'smollm2-135m', '--max-tokens', '20'],
    ['chat', 'a.txt', '-m', 'smollm2-135m', '--max-tokens', '20'],
  ])
    for (const afterMs of [700, 1300, 2100]) {
      const place = newPlace(t, { models: ['smollm2-135m'] })
      writeFileSync(join(place.folder, 'a.txt'), passage.slice(0, 1500))
      const onStart = (child: ChildProcess): void => void setTimeout(() => child.kill('SIGINT'), afterMs)
      const { exitCode, stderr } = await place.run(words, { env, input, onStart })
      assert.ok([0, 130, null].includes(exitCode), `${words[0]} after ${afterMs} ms: ${exitCode} ${stderr}`) // null: before it listened
      const torn = [...everythingIn(place.folder), ...everythingIn(place.home)].filter((path) =>
        /\.tmp|\.part-|\.new$/.test(path),
      )
      assert.deepEqual(torn, [], words[0])
      const pulled = join(place.home, 'models', 'someone--Tiny-GGUF--tiny-q4_0.gguf')
      if (existsSync(pulled)) assert.ok(readFileSync(pulled).equals(bytes))
      const again = await place.run([...words, ...(words[0] === 'compress' ? ['--force'] : [])], { env, input })
      assert.equal(again.exitCode, 0, again.stderr)
    }
})
