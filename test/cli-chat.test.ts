/** compactor chat: conversations through a pipe, and at a terminal where util-linux's `script` makes one. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { commandLine, newPlace, type Outcome, type Place, type RunOptions } from './cli-process.ts'
import { everythingIn } from './fixtures/temporary-folder.ts'

const passage = readFileSync(new URL('./fixtures/passage.txt', import.meta.url), 'utf8')
const timeoutMs = 120_000
const model = 'smollm2-135m'

const placeWithContext = async (t: TestContext, ...more: string[]): Promise<Place> => {
  const place = newPlace(t, { models: [model] })
  writeFileSync(join(place.folder, 'a.txt'), passage)
  const { exitCode, stderr } = await place.run(['compress', 'a.txt', '-m', model, ...more], { timeoutMs })
  assert.equal(exitCode, 0, stderr)
  return place
}

/** Twelve tokens an answer, unless more is asked for. */
const chat = (place: Place, lines: readonly string[], options: RunOptions & { words?: readonly string[] } = {}) =>
  place.run(['chat', 'a.cctx', '--max-tokens', '12', ...(options.words ?? [])], {
    input: lines.map((line) => `${line}\n`).join(''),
    timeoutMs,
    ...options,
  })

interface Answered {
  readonly question: string
  readonly answer: string
  readonly usage: { readonly inputTokens: number; readonly cachedInputTokens: number; readonly totalTokens: number }
}

const answersIn = ({ exitCode, stdout, stderr }: Outcome): Answered[] => {
  assert.equal(exitCode, 0, stderr)
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
}

test('chat: two lines of a pipe are two turns, the second sees the first; only answers are on stdout, nothing is prompted', async (t) => {
  const place = await placeWithContext(t)
  const lines = ['What is this text about?', '', 'What did I ask you?']
  const [one, two, ...more] = answersIn(await chat(place, lines, { words: ['--json'] }))
  assert.ok(one && two)
  assert.deepEqual(more, [])
  assert.deepEqual([one.question, two.question], [lines[0], lines[2]])
  assert.ok([0, 1].includes(one.usage.totalTokens - two.usage.cachedInputTokens), 'the first turn was not read again')
  const asked = await place.run(['ask', 'a.cctx', lines[0] ?? '', '--max-tokens', '12'], { timeoutMs })
  assert.equal(`${one.answer}\n`, asked.stdout)
  const { stdout, stderr } = await chat(place, lines)
  assert.equal(stdout, `${one.answer}\n${two.answer}\n`)
  assert.ok(
    stderr.split('\n').every((line) => line === '' || /^compactor: the answer was cut at 12 tokens/.test(line)),
    stderr,
  )
})

test('chat: after /sources 2 an answer is followed by the passages it comes from, after /sources off no more; more than 50 are refused', async (t) => {
  const place = await placeWithContext(t)
  const lines = ['Who speaks?', '/sources 2', 'Who speaks?', '/sources off', 'Who speaks?']
  const { exitCode, stdout, stderr } = await chat(place, lines)
  assert.equal(exitCode, 0, stderr)
  assert.equal(stdout.match(/^Sources:$/gm)?.length, 1, stdout)
  assert.match(stdout, /^ {2}1\. .+ \([\d.]+ %\)\n {5}".+"$/m)
  const refused = await chat(place, ['/sources 51', '/sources many'])
  assert.equal(refused.exitCode, 2)
  assert.match(refused.stderr, /at most 50, got 51/)
  assert.match(refused.stderr, /a count or off, got many/)
})

test('chat: a line that ends with \\ goes on, // says one /, the last line needs no end, CRLF is no part of a turn', async (t) => {
  const place = await placeWithContext(t)
  const input = 'Name\\\r\nthe ship\\\r\nplease.\r\n//etc is what?\r\nand then\\'
  const questions = answersIn(await chat(place, [], { words: ['--json'], input })).map(({ question }) => question)
  assert.deepEqual(questions, ['Name\nthe ship\nplease.', '/etc is what?', 'and then'])
})

test('chat: /stats counts turns, tokens and bytes, /forget begins anew, and the same question is answered as the first time', async (t) => {
  const place = await placeWithContext(t)
  const lines = ['/stats', 'Who speaks?', '/stats', '/forget', '/stats', 'Who speaks?', '/stats']
  const { exitCode, stdout, stderr } = await chat(place, lines)
  assert.equal(exitCode, 0, stderr)
  const turns = Array.from(stderr.matchAll(/^turns +(\d+), (\d+) tokens in (.*)$/gm), ([, ...facts]) => facts.join(' '))
  assert.equal(turns.length, 4, stderr)
  assert.equal(turns[0], '0 0 0 B')
  assert.match(turns[1] ?? '', /^1 [1-9]\d* [\d.]+ MB$/) // of a page of 256 tokens
  assert.deepEqual([turns[2], turns[3]], [turns[0], turns[1]])
  assert.equal(stderr.match(/^last answer +\d+ tokens read in .* said in .* ended by (stop|length)$/gm)?.length, 2)
  const half = stdout.length / 2
  assert.equal(stdout.slice(0, half), stdout.slice(half))
})

test('chat: /keep tells what is kept, keeps less as compressing anew would, and refuses more with a sentence', async (t) => {
  const place = await placeWithContext(t)
  const question = 'Where does the ship go?'
  const { exitCode, stdout, stderr } = await chat(place, [
    'Hello.',
    '/keep',
    '/keep 0.1',
    question,
    '/keep 0.2',
    '/keep lots',
  ])
  assert.equal(exitCode, 2)
  assert.match(stderr, /^[\d,]+ tokens, 25\.\d % kept \(asked: 0\.25\) in /m)
  assert.match(
    stderr,
    /^[\d,]+ tokens, (9\.99|10\.\d) % kept \(asked: 0\.1\) in .*\ncompactor: the conversation begins anew/m,
  )
  assert.match(stderr, /keep 0\.2 is more than the (9\.99|10\.\d) % .* compress the document again with keep 0\.2\n/)
  assert.match(stderr, /keep takes a share .* got "lots"\n/)
  await place.run(['compress', 'a.txt', '-m', model, '--keep', '0.1', '-o', 'small.cctx'], { timeoutMs })
  const asked = await place.run(['ask', 'small.cctx', question, '--max-tokens', '12'], { timeoutMs })
  assert.ok(asked.stdout.length > 1 && stdout.endsWith(`\n${asked.stdout}`), `${stdout} ends with ${asked.stdout}`)
})

test('chat: /keep of a context that keeps everything says to compress again, and the conversation goes on', async (t) => {
  const place = await placeWithContext(t, '--keep', '1')
  const { exitCode, stdout, stderr } = await chat(place, ['/keep 0.5', 'Who speaks?'])
  assert.equal(exitCode, 2)
  assert.match(stderr, /compress the document again with a smaller keep\n/)
  assert.ok(stdout.length > 1)
})

test('chat: /save writes what was said as Markdown and the context as .cctx, replaces neither without --force and leaves no half file', async (t) => {
  const place = await placeWithContext(t)
  const path = (name: string): string => join(place.folder, name)
  writeFileSync(path('mine.md'), 'mine')
  writeFileSync(path('mine.cctx'), 'mine too')
  const lines = [
    '/save',
    'Who speaks?',
    '/save mine.md',
    '/save mine.cctx',
    '/save no/such/folder.md',
    '/save my notes.md',
  ]
  const refused = await chat(place, [
    ...lines,
    '/save',
    '/keep 0.1',
    '/save small.cctx',
    '/save late.md',
    '/save --loud x.md',
  ])
  assert.equal(refused.exitCode, 2, 'nothing was said at the first /save')
  assert.match(refused.stderr, /nothing was said yet/)
  assert.equal(refused.stderr.match(/mine\.(md|cctx) exists; give --force to replace it/g)?.length, 2, refused.stderr)
  assert.match(refused.stderr, /nothing can be written to the folder no\/such/)
  assert.match(refused.stderr, /\/save takes --force and the path of a file, got --loud x\.md/)
  assert.deepEqual(
    [readFileSync(path('mine.md'), 'utf8'), readFileSync(path('mine.cctx'), 'utf8')],
    ['mine', 'mine too'],
  )
  const saved = ['a-chat.md', 'a.cctx', 'a.txt', 'late.md', 'mine.cctx', 'mine.md', 'my notes.md', 'small.cctx']
  assert.deepEqual(everythingIn(place.folder).sort(), saved)
  const said = readFileSync(path('a-chat.md'), 'utf8')
  assert.equal(said, readFileSync(path('my notes.md'), 'utf8'))
  assert.ok(said.includes(`**You**\n\nWho speaks?\n\n**${model}**\n\n${refused.stdout.trim()}\n`), said)
  assert.match(readFileSync(path('late.md'), 'utf8'), /25\.\d % kept\n[\s\S]*\*\(begun anew with (9\.99|10\.\d) % of/)
  const asked = await place.run(['context', 'show', 'small.cctx', '--json'], { timeoutMs })
  assert.match(asked.stdout, /"given": "0\.1"/)
  const forced = await chat(place, ['Who speaks?', '/save --force mine.md', '/save --force mine.cctx'])
  assert.equal(forced.exitCode, 0, forced.stderr)
  assert.equal(readFileSync(path('mine.md'), 'utf8'), said)
  assert.ok(readFileSync(path('mine.cctx')).length > 1000)
})

test('chat: /help names every command; an unknown one and words too many are refused, /exit ends before what follows', async (t) => {
  const place = await placeWithContext(t)
  const { exitCode, stdout, stderr } = await chat(place, ['/help', '/halp', '/forget it', '/exit', 'Who speaks?'])
  assert.deepEqual([exitCode, stdout], [2, ''])
  for (const name of ['help', 'stats', 'keep', 'save', 'forget', 'exit'])
    assert.match(stderr, new RegExp(`^/${name}\\b.* {2}\\S`, 'm'))
  assert.match(stderr, /there is no command \/halp; \/help lists them, .*; did you mean \/help\?\n/)
  assert.match(stderr, /\/forget takes nothing behind it, got it\n/)
  assert.equal((await chat(place, ['/quit', 'Who speaks?'])).stdout, '')
})

test('chat: what cannot be a conversation is refused with exit code 2, a question that does not fit with 1 while the others are answered', async (t) => {
  const place = await placeWithContext(t)
  for (const [words, sentence] of [
    [['chat'], /missing required argument/],
    [['chat', '-'], /standard input is the conversation/],
    [['chat', 'a.cctx', '--schema', 'x.json'], /unknown option '--schema'/],
    [['chat', 'a.cctx', '--temperature', '-1'], /temperature/],
  ] as const) {
    const { exitCode, stderr } = await place.run(words, { input: 'Who?\n', timeoutMs })
    assert.equal(exitCode, 2, stderr)
    assert.match(stderr, sentence)
  }
  const missing = await place.run(['chat', 'none.cctx'], { input: 'Who?\n', timeoutMs })
  assert.deepEqual([missing.exitCode, missing.stdout], [1, ''])
  const { exitCode, stdout, stderr } = await chat(place, ['word '.repeat(9000), 'Who speaks?'])
  assert.equal(exitCode, 1)
  assert.match(stderr, /the question has 9\d\d\d tokens/)
  assert.equal(stdout, (await chat(place, ['Who speaks?'])).stdout)
  const latin = await chat(place, [], { input: Buffer.from('caf\u00e9?\n', 'latin1') })
  assert.equal(latin.exitCode, 2)
  assert.match(latin.stderr, /standard input is not UTF-8/)
})

test('chat: a document is read first and remembered; where the model has no more room the oldest turns are forgotten, and it says so', async (t) => {
  const place = newPlace(t)
  writeFileSync(join(place.folder, 'a.txt'), 'The bridge was opened on the third of May by the mayor.')
  const compress = [
    'compress',
    'a.txt',
    '-m',
    place.llama,
    '--reserve',
    '100',
    '--protect-first',
    '2',
    '--protect-last',
    '2',
  ]
  assert.equal((await place.run(compress, { timeoutMs })).exitCode, 0)
  const { exitCode, stderr } = await chat(place, ['Who?', 'When?', 'Why?', 'How?', '/stats'], {
    words: ['--max-tokens', '120'],
  })
  assert.equal(exitCode, 0, stderr)
  assert.match(stderr, /the model's context was full: the oldest (turn was|2 turns were) forgotten\n/)
  assert.match(stderr, /^turns +4 \(the first [123] forgotten\), /m)
})

/** Sends a signal once, when the first text of an answer came. */
const whenAnswering = (signal: NodeJS.Signals): NonNullable<RunOptions['onOutput']> => {
  let isSent = false
  return (child, { stdout }) => {
    if (!isSent && stdout !== '') isSent = child.kill(signal)
  }
}

test('chat: SIGINT stops the answer that is being given, which leaves no trace; the next line is answered and the exit code is 130', async (t) => {
  const place = await placeWithContext(t)
  const words = ['--max-tokens', '300']
  const onOutput = whenAnswering('SIGINT')
  const lines = ['Write a very long story about the ship.', 'Who speaks?', '/stats', '/save said.md']
  const { exitCode, stdout, stderr } = await chat(place, lines, { words, onOutput })
  assert.equal(exitCode, 130, stderr)
  assert.match(stderr, /^compactor: stopped; the model does not remember this turn$/m)
  assert.match(stderr, /^turns +1, /m)
  const alone = await chat(place, ['Who speaks?'], { words })
  assert.ok(stdout.length > alone.stdout.length && stdout.endsWith(`\n${alone.stdout}`), stdout)
  assert.doesNotMatch(readFileSync(join(place.folder, 'said.md'), 'utf8'), /long story/)
})

test('chat: a second SIGINT before anything was finished, one while nothing is answered, and SIGTERM end it with 130, 130 and 143', async (t) => {
  const place = await placeWithContext(t)
  const words = ['--max-tokens', '300']
  const story = 'Write a very long story about the ship.'
  const first = whenAnswering('SIGINT')
  const again: NonNullable<RunOptions['onOutput']> = (child, { stderr }) =>
    void (/stopped;/.test(stderr) && child.kill('SIGINT'))
  const second = await chat(place, [story, story, story], {
    words,
    onOutput: (child, seen) => {
      first(child, seen)
      again(child, seen)
    },
  })
  assert.equal(second.exitCode, 130, second.stderr)
  assert.match(second.stderr, /stopped;.*\ncompactor: interrupted\n$/)
  const onOutput: RunOptions['onOutput'] = (child, { stderr }) => void (/^room/m.test(stderr) && child.kill('SIGINT'))
  const waiting = await chat(place, ['/stats'], { isInputOpen: true, onOutput })
  assert.equal(waiting.exitCode, 130, waiting.stderr)
  assert.match(waiting.stderr, /compactor: interrupted\n$/)
  const ended = await chat(place, [story], { words, onOutput: whenAnswering('SIGTERM') })
  assert.equal(ended.exitCode, 143, ended.stderr)
})

// -- at a terminal ----------------------------------------------------------------------------------------------------

const hasScript = /util-linux/.test(spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout ?? '')

/** Types each text once what it waits for is shown behind what the last one waited for. → all that was shown, and the exit code */
const typeAt = async (place: Place, words: string, steps: readonly (readonly [RegExp, string])[]) => {
  const command = `${[process.execPath, ...commandLine].map((word) => `'${word}'`).join(' ')} ${words}`
  const child = spawn('script', ['-qec', command, '/dev/null'], {
    cwd: place.folder,
    env: { ...process.env, COMPACTOR_HOME: place.home, HF_HUB_OFFLINE: '1', TERM: 'xterm' },
    timeout: 60_000,
    killSignal: 'SIGKILL',
  })
  let [shown, from, step] = ['', 0, 0]
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    shown += text.replaceAll('\u001b', '␛')
    const [expected, keys] = steps[step] ?? []
    const match = expected?.exec(shown.slice(from))
    if (!match || keys === undefined) return
    from += match.index + match[0].length
    step++
    child.stdin.write(keys)
  })
  const exitCode = await new Promise<number | null>((resolve) => child.on('close', resolve))
  return { shown, exitCode, isTyped: step === steps.length }
}

const prompt = /> ␛\[3G/

test('chat at a terminal: Ctrl-C stops the answer and then throws away what is typed, twice at an empty prompt leaves with 130', {
  skip: !hasScript,
}, async (t) => {
  const place = await placeWithContext(t)
  const { shown, exitCode, isTyped } = await typeAt(place, 'chat a.cctx --max-tokens 300', [
    [prompt, 'Write a very long story about the ship.\r'],
    [/story about the ship\.\s+[\s\S]{40}/, '\u0003'],
    [/stopped; the model does not remember this turn[\s\S]*> ␛\[3G/, 'half a line'],
    [/half a line/, '\u0003'],
    [prompt, '\u0003'],
    [/press Ctrl-C again or Ctrl-D to leave[\s\S]*> ␛\[3G/, '\u0003'],
  ])
  assert.ok(isTyped, shown)
  assert.equal(exitCode, 130, shown)
  assert.match(shown, /\/help lists commands, Ctrl-D leaves\./)
})

test('chat at a terminal: Tab completes commands, \\ goes on, pasted lines are turns one after the other, Ctrl-D leaves with 0', {
  skip: !hasScript,
}, async (t) => {
  const place = await placeWithContext(t)
  const { shown, exitCode, isTyped } = await typeAt(place, 'chat a.cctx --max-tokens 5', [
    [prompt, '/st'],
    [/\/st/, '\t'],
    [/ats/, '\r'],
    [/turns +0,[\s\S]*> ␛\[3G/, 'Who\\\rspeaks?\rWho listens?\r'],
    [/cut at 5 tokens[\s\S]*cut at 5 tokens[\s\S]*> ␛\[3G/, '/stats\r'],
    [/turns +2,[\s\S]*> ␛\[3G/, '/save said.md\r'],
    [/wrote 2 turns to said\.md[\s\S]*> ␛\[3G/, '\u0004'],
  ])
  assert.ok(isTyped, shown)
  assert.equal(exitCode, 0, shown)
  assert.match(readFileSync(join(place.folder, 'said.md'), 'utf8'), /Who\nspeaks\?\n[\s\S]*Who listens\?\n/)
  assert.equal(existsSync(join(place.folder, 'a-chat.md')), false)
})
