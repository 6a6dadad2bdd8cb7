/** The command line end to end, each command a process of its own, on a tiny model with random weights and on smollm2-135m. */
import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { createEngine, methods } from '../src/index.ts'
import { commandLine, newPlace, type Place } from './cli-process.ts'
import { fakeGguf, sha256Of, startLoopbackHub } from './fixtures/loopback-hub.ts'
import { everythingIn } from './fixtures/temporary-folder.ts'

const text = 'The bridge was opened on the third of May by the mayor, who had rain on her speech.\n'
const hasEscapes = (shown: string): boolean => shown.includes('\u001b') || shown.includes('\r')

/** --reserve and few protected tokens, because the tiny models were "trained" on 512. */
const compress = ({ llama }: Place, file: string, ...more: string[]): string[] => [
  ...['compress', file, '-m', llama, '--reserve', '100', '--protect-first', '2', '--protect-last', '2'],
  ...more,
]

/** stdout of a command that must succeed. */
const succeed = async (
  place: Place,
  words: readonly string[],
  options?: Parameters<Place['run']>[1],
): Promise<string> => {
  const { exitCode, stdout, stderr } = await place.run(words, options)
  assert.equal(exitCode, 0, stderr)
  return stdout
}

test('compress, then ask in another process: the answer is the one the library gives in memory', async (t) => {
  const place = newPlace(t)
  writeFileSync(join(place.folder, 'a.txt'), text)
  const said = await succeed(place, compress(place, 'a.txt', '--keep', '0.5'))
  assert.match(said, /a\.cctx \([\d.]+ kB\)[\s\S]*50\.\d %.*asked: 0\.5[\s\S]*times smaller/)
  const { answer } = JSON.parse(await succeed(place, ['ask', 'a.cctx', 'Who?', '--max-tokens', '20', '--json']))

  await using engine = await createEngine({ home: place.home })
  const model = await engine.loadModel(place.llama)
  const context = await model.compress({ document: text, keep: 0.5, reserve: 100, protectFirst: 2, protectLast: 2 })
  assert.equal(answer, await context.ask('Who?', { maxTokens: 20 }).text)
  assert.notEqual(answer, '')
})

test('ask streams the text on stdout, says numbers on stderr only when asked to, and never an escape code without a terminal', async (t) => {
  const place = newPlace(t)
  writeFileSync(join(place.folder, 'a.txt'), text)
  await succeed(place, compress(place, 'a.txt'))
  const words = ['ask', 'a.cctx', 'Who?', '--max-tokens', '8']
  const plain = await place.run(words)
  assert.deepEqual([plain.exitCode, plain.stderr], [0, ''])
  const { answer } = JSON.parse(await succeed(place, [...words, '--json']))
  assert.equal(plain.stdout, `${answer}\n`)
  const { stdout, stderr } = await place.run([...words, '--stats'])
  assert.equal(stdout, plain.stdout)
  const told = /context .*question .*tokens.*answer +8 tokens/s
  assert.match(stderr, told)
  const both = await place.run([...words, '--json', '--stats'])
  assert.equal((JSON.parse(both.stdout) as { answer: string }).answer, answer)
  assert.match(both.stderr, told)
  assert.equal(hasEscapes(stdout + stderr), false)
})

test('the same seed gives the same sampled answer, --stop ends it, a context made by one model asks for no -m', async (t) => {
  const place = newPlace(t)
  writeFileSync(join(place.folder, 'a.txt'), text)
  await succeed(place, compress(place, 'a.txt'))
  const words = [
    'ask',
    'a.cctx',
    'Who?',
    '--max-tokens',
    '30',
    '--temperature',
    '1.5',
    '--top-k',
    '0',
    '--top-p',
    '1',
    '--min-p',
    '0',
    '--json',
  ]
  const ask = async (...more: string[]): Promise<{ answer: string; finishReason: string }> =>
    JSON.parse(await succeed(place, [...words, ...more]))
  const first = await ask('--seed', '7')
  assert.deepEqual((await ask('--seed', '7')).answer, first.answer)
  assert.notEqual((await ask('--seed', '8')).answer, first.answer)
  const letter = [...first.answer].find((character) => /[a-zA-Z]/.test(character)) ?? ''
  const stopped = await ask('--seed', '7', '--stop', 'never said', '--stop', letter)
  assert.deepEqual(
    [stopped.answer, stopped.finishReason],
    [first.answer.slice(0, first.answer.indexOf(letter)), 'stop'],
  )
})

test('- is standard input, for documents and for questions', async (t) => {
  const place = newPlace(t)
  await succeed(place, compress(place, '-', '-o', 'a.cctx'), { input: `\ufeff${text}` })
  writeFileSync(join(place.folder, 'b.txt'), text)
  await succeed(place, compress(place, 'b.txt'))
  const words = ['--max-tokens', '10', '--json']
  const piped = JSON.parse(await succeed(place, ['ask', 'a.cctx', '-', ...words], { input: 'Who?' }))
  const given = JSON.parse(await succeed(place, ['ask', 'b.cctx', 'Who?', ...words]))
  assert.equal(piped.answer, given.answer)
  const lines = await succeed(place, ['ask', 'a.cctx', '-', ...words], { input: 'Who?\r\n' })
  assert.deepEqual([JSON.parse(lines).answer, JSON.parse(lines).usage], [given.answer, piped.usage])
})

test('ask reads text from standard input and from a pipe, and remembers both by their content', async (t) => {
  const place = newPlace(t, { models: ['smollm2-135m'] })
  execFileSync('mkfifo', [join(place.folder, 'pipe')])
  const rest = ['Who opened the bridge?', '-m', 'smollm2-135m', '--max-tokens', '6']
  const first = await place.run(['ask', '-', ...rest], { input: text })
  assert.match(first.stderr, /reading standard input with smollm2-135m/)
  const written = writeFile(join(place.folder, 'pipe'), text)
  const second = await place.run(['ask', 'pipe', ...rest])
  await written
  assert.deepEqual([second.exitCode, second.stdout], [0, first.stdout])
  assert.doesNotMatch(second.stderr, /reading/)
})

test('what cannot be written to standard output fails with one sentence', async (t) => {
  const place = newPlace(t)
  writeFileSync(join(place.folder, 'a.txt'), text)
  await succeed(place, compress(place, 'a.txt'))
  const full = openSync('/dev/full', 'w')
  t.after(() => closeSync(full))
  for (const words of [
    ['context', 'show', 'a.cctx', '--json'],
    ['inspect', 'cpu'],
    ['ask', 'a.cctx', 'Who?', '--max-tokens', '20'],
    ['compress', '--help'],
  ]) {
    const { status, stderr } = spawnSync(process.execPath, [...commandLine, ...words], {
      cwd: place.folder,
      env: { ...process.env, COMPACTOR_HOME: place.home },
      stdio: ['ignore', full, 'pipe'],
      encoding: 'utf8',
    })
    const sentence = 'compactor: standard output could not be written: the disk is full\n'
    assert.deepEqual([status, stderr], [1, sentence], words.join(' '))
  }
})

test('control characters in the name of a document are shown, never sent to the terminal', async (t) => {
  const place = newPlace(t, { models: ['smollm2-135m'] })
  const name = 'a\u001b[31m\nb\u009b2J\u202e.txt'
  writeFileSync(join(place.folder, name), text)
  const asked = await place.run(['ask', name, 'Who?', '-m', 'smollm2-135m', '--max-tokens', '1'])
  assert.match(asked.stderr, /reading a\\u001b\[31m\nb\\u009b2J\\u202e\.txt/)
  const [{ id, document }] = JSON.parse(await succeed(place, ['context', 'list', '--json']))
  assert.equal(document.name, name)
  for (const words of [['list'], ['list', '--json'], ['show', id], ['show', id, '--json']]) {
    const shown = await succeed(place, ['context', ...words])
    assert.match(shown, /a\\u001b\[31m(\\u000a|\\n)b\\u009b2J\\u202e\.txt/)
    assert.doesNotMatch(shown, /(?!\n)\p{Cc}|\u202e/u)
  }
})

test('a flag wins over the environment, the environment over compactor.config.json, the file over the default', async (t) => {
  const place = newPlace(t)
  writeFileSync(join(place.folder, 'a.txt'), text)
  const keep = async (env: Record<string, string>, ...flags: string[]): Promise<string> =>
    JSON.parse(
      await succeed(place, compress(place, 'a.txt', '--force', ...flags), { env: { COMPACTOR_JSON: '1', ...env } }),
    ).stats.keep
  assert.equal(await keep({}), '0.25')
  writeFileSync(
    join(place.folder, 'compactor.config.json'),
    '{"keep": 0.4, "methodOption": ["lambda=0.1"], "maxTokens": 5}',
  )
  assert.equal(await keep({}), '0.4')
  assert.equal(await keep({ COMPACTOR_KEEP: '0.6' }), '0.6')
  assert.equal(await keep({ COMPACTOR_KEEP: '0.6' }, '--keep', '0.8'), '0.8')
  assert.match(await succeed(place, ['inspect', 'context', 'a.cctx']), /method +compactor [^\n]*lambda=0\.1 /)
  assert.equal(JSON.parse(await succeed(place, ['ask', 'a.cctx', 'Who?', '--json'])).usage.outputTokens, 5)
  await keep({ COMPACTOR_METHOD_OPTION: 'lambda=0.2,pool=3' })
  assert.match(await succeed(place, ['inspect', 'context', 'a.cctx']), /compactor [^\n]*pool=3 lambda=0\.2/)
})

test('a model preferred in the environment is for new documents: a context is asked with the one that made it', async (t) => {
  const place = newPlace(t)
  writeFileSync(join(place.folder, 'a.txt'), text)
  await succeed(place, compress(place, 'a.txt'))
  const env = { COMPACTOR_MODEL: place.qwen2 }
  assert.equal(JSON.parse(await succeed(place, ['ask', 'a.cctx', 'Who?', '--json'], { env })).stats.model, 'llama')
})

test('a preferred model is tried for a context whose model this machine has not seen, and why it is not the one is said', async (t) => {
  const place = newPlace(t)
  writeFileSync(join(place.folder, 'a.txt'), text)
  await succeed(place, compress(place, 'a.txt'))
  const anew = { COMPACTOR_HOME: join(place.folder, 'other-home') } // has seen no model
  const ask = ['ask', 'a.cctx', 'Who?', '--json', '--max-tokens', '3']
  const refusal = async (env: Record<string, string>): Promise<string> => {
    const { exitCode, stderr } = await place.run(ask, { env: { ...anew, ...env } })
    assert.equal(exitCode, 1)
    return stderr
  }
  const other = await refusal({ COMPACTOR_MODEL: place.qwen2 })
  assert.match(
    other,
    /not on this machine .*; COMPACTOR_MODEL names .*qwen2\.gguf, which is another \(sha256 [0-9a-f]{12}…\); name its file/,
  )
  const none = await refusal({ COMPACTOR_MODEL: './none.gguf' })
  assert.match(none, /; COMPACTOR_MODEL names \.\/none\.gguf, which cannot be used: .* does not exist/)
  const page = await place.run(['inspect', 'context', 'a.cctx', '--html', '-'], {
    env: { ...anew, COMPACTOR_MODEL: place.qwen2 },
  })
  assert.deepEqual(
    [page.exitCode, /COMPACTOR_MODEL names .*; the page shows/.test(page.stderr)],
    [0, true],
    page.stderr,
  )
  writeFileSync(join(place.folder, 'compactor.config.json'), JSON.stringify({ model: place.llama }))
  assert.equal(JSON.parse(await succeed(place, ask, { env: anew })).stats.model, 'llama')
})

test('ask on a text file reads it once: the second question finds the context, which can be listed, shown and removed', async (t) => {
  const place = newPlace(t, { models: ['smollm2-135m'] })
  writeFileSync(join(place.folder, 'notes.txt'), text)
  const words = ['ask', 'notes.txt', 'Who opened the bridge?', '-m', 'smollm2-135m', '--max-tokens', '12']
  const first = await place.run(words)
  assert.equal(first.exitCode, 0, first.stderr)
  assert.match(first.stderr, /reading notes\.txt with smollm2-135m/)
  const second = await place.run(words)
  assert.deepEqual([second.exitCode, second.stdout], [0, first.stdout])
  assert.doesNotMatch(second.stderr, /reading/)

  const [listed, ...more] = JSON.parse(await succeed(place, ['context', 'list', '--json']))
  assert.deepEqual([listed.document.name, listed.model.name, more.length], ['notes.txt', 'smollm2-135m', 0])
  const id = listed.id.slice(0, 8)
  assert.match(await succeed(place, ['ctx', 'list']), new RegExp(`${id}.*% \\(0\\.25\\) +smollm2-135m.*notes\\.txt`))
  assert.match(await succeed(place, ['ctx', 'show', id]), /notes\.txt, \d+ tokens/)
  assert.equal(await succeed(place, ['ask', id, 'Who opened the bridge?', '--max-tokens', '12']), first.stdout)
  await succeed(place, ['ctx', 'rm', id])
  assert.deepEqual(JSON.parse(await succeed(place, ['context', 'list', '--json'])), [])
  assert.deepEqual(everythingIn(join(place.home, 'contexts')), [])
})

test('estimate says, in its text and its help, that the machine is taken to stay as busy as now; its JSON is as before', async (t) => {
  const place = newPlace(t)
  writeFileSync(join(place.folder, 'a.txt'), 'The bridge was opened on the third of May by the mayor.\n')
  const words = ['estimate', 'a.txt', '-m', place.llama, '--reserve', '100']
  const { exitCode, stdout, stderr } = await place.run(words)
  assert.equal(exitCode, 0, stderr)
  assert.match(stdout, /^measured +\d{4}-\d\d-\d\d \d\d:\d\d \(now\), on this machine: .* as busy as now$/m)
  assert.match((await place.run(['estimate', '--help'])).stdout, /as busy as it is now/)
  const json = JSON.parse((await place.run([...words, '--json'])).stdout) as object
  assert.deepEqual(
    Object.keys(json).filter((key) => !/Tokens$|Bytes$/.test(key)),
    [...['model', 'method', 'keep', 'seconds', 'measuredAt', 'isRemembered']],
  )
})

test('models: pull by path, list, inspect and remove', async (t) => {
  const place = newPlace(t, { models: ['smollm2-135m'] })
  const pulled = JSON.parse(await succeed(place, ['pull', place.llama, '--json']))
  assert.deepEqual(
    [pulled.name, pulled.path, pulled.sha256],
    ['llama', place.llama, sha256Of(readFileSync(place.llama))],
  )
  assert.match(await succeed(place, ['model', 'list']), /smollm2-135m +98\.4 MB/)
  assert.match(await succeed(place, ['inspect', 'gguf', place.llama]), /general\.architecture +"llama"[\s\S]*F32 +20/)
  const { tensors } = JSON.parse(await succeed(place, ['inspect', 'gguf', 'smollm2-135m', '--json']))
  assert.equal(tensors.length, 272)
  await succeed(place, ['model', 'rm', 'smollm2-135m'])
  assert.deepEqual(JSON.parse(await succeed(place, ['model', 'list', '--json'])), [])
})

test('inspect cpu names the kernels that were chosen and those that were forced', async (t) => {
  const place = newPlace(t)
  const { native } = JSON.parse(await succeed(place, ['inspect', 'cpu', '--json']))
  assert.equal(native.available, true)
  const forced = JSON.parse(await succeed(place, ['inspect', 'cpu', '--json'], { env: { COMPACTOR_ISA: 'scalar' } }))
  assert.equal(forced.native.isa, 'scalar')
})

test('every command has help with examples, also as `help COMMAND`; no command at all is a mistake', async (t) => {
  const place = newPlace(t)
  for (const command of ['pull', 'model', 'compress', 'ask', 'extract', 'context', 'inspect']) {
    const help = await succeed(place, [command, '--help'])
    assert.match(help, /Usage: compactor[\s\S]*Examples:\n {2}\S/, command)
    assert.equal(await succeed(place, ['help', command]), help)
  }
  const help = await succeed(place, ['compress', '--help'])
  for (const { name, summary, options } of methods) {
    assert.ok(help.includes(`${name}: ${summary}`), name)
    for (const [option, { default: value }] of Object.entries(options)) assert.ok(help.includes(`${option}=${value} `))
  }
  assert.match(await succeed(place, ['--version']), /^\d+\.\d+\.\d+\n$/)
  assert.match(await succeed(place, ['--help']), /compress .*\n[\s\S]*Examples:/)
  const { exitCode, stdout } = await place.run([])
  assert.deepEqual([exitCode, stdout], [2, ''])
})

test('--schema holds an answer to JSON, extract finds fields, both valid; what is not a schema is refused in one sentence', async (t) => {
  const place = newPlace(t)
  const schema = {
    type: 'object',
    properties: { day: { type: 'integer', minimum: 1, maximum: 31 }, rain: { type: 'boolean' } },
    required: ['day', 'rain'],
  }
  writeFileSync(join(place.folder, 'a.txt'), text)
  writeFileSync(join(place.folder, 'schema.json'), JSON.stringify(schema))
  writeFileSync(join(place.folder, 'broken.json'), '{"type":')
  await succeed(place, compress(place, 'a.txt', '--keep', '0.5'))
  const isValid = (value: { day: number; rain: boolean }): boolean =>
    Number.isInteger(value.day) && value.day >= 1 && value.day <= 31 && typeof value.rain === 'boolean'
  const sampling = ['--temperature', '1', '--max-tokens', '60']
  const words = ['--schema', 'schema.json', ...sampling]
  assert.ok(isValid(JSON.parse(await succeed(place, ['ask', 'a.cctx', 'When?', ...words]))))
  assert.ok(isValid(JSON.parse(await succeed(place, ['extract', 'a.cctx', ...words, '--no-as-alone']))))
  const withSources = await place.run(['extract', 'a.cctx', ...words, '--sources', '1'])
  assert.ok(isValid(JSON.parse(withSources.stdout)))
  assert.match(withSources.stderr, /day\nSources:\n {2}1\. [\s\S]*rain\nSources:\n {2}1\. /)
  const fromPipe = ['extract', 'a.cctx', '--schema', '-', ...sampling, '-o', 'out.json']
  assert.equal(await succeed(place, fromPipe, { input: JSON.stringify(schema) }), '')
  assert.ok(isValid(JSON.parse(readFileSync(join(place.folder, 'out.json'), 'utf8'))))
  const cases: readonly (readonly [words: readonly string[], code: number, sentence: RegExp])[] = [
    [['extract', 'a.cctx', '--schema', 'broken.json'], 2, /broken\.json is not JSON .*--schema takes a JSON Schema/],
    [['extract', 'a.cctx', '--schema', 'missing.json'], 1, /missing\.json cannot be read/],
    [['extract', '-', '--schema', '-'], 2, /only one of document and schema/],
    [['extract', 'a.cctx', '--schema', 'schema.json', '-o', 'out.json'], 1, /out\.json exists/],
    [['ask', 'a.cctx', '-', '--schema', '-'], 2, /only one of document, question and schema/],
    [['extract', 'a.cctx'], 2, /--schema/],
  ]
  for (const [words, code, sentence] of cases) {
    const { exitCode, stdout, stderr } = await place.run(words)
    assert.deepEqual([exitCode, stdout], [code, ''], stderr)
    assert.match(stderr, sentence)
  }
})

test('a reader that closes the pipe ends an answer quietly', async (t) => {
  const place = newPlace(t)
  writeFileSync(join(place.folder, 'a.txt'), text)
  await succeed(place, compress(place, 'a.txt'))
  const { exitCode, stderr } = await place.run(
    [
      'ask',
      'a.cctx',
      'Who?',
      '--max-tokens',
      '200',
      '--temperature',
      '2',
      '--top-k',
      '0',
      '--top-p',
      '1',
      '--min-p',
      '0',
    ],
    {
      onOutput: (child) => void child.stdout?.destroy(),
    },
  )
  assert.deepEqual([exitCode, stderr], [0, ''])
})

/** What somebody sees of a command that ends well. */
const shownOnTerminal = async (
  place: Place,
  command: readonly string[],
  { env = {} }: { readonly env?: Record<string, string> } = {},
): Promise<string> => {
  const words = [process.execPath, ...commandLine, ...command]
  const child = spawn('python3', ['-c', 'import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)', ...words], {
    env: { ...process.env, TERM: 'xterm', COMPACTOR_HOME: place.home, ...env },
    cwd: place.folder,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let shown = ''
  child.stdout.setEncoding('utf8').on('data', (piece: string) => {
    shown += piece
  })
  assert.equal(await new Promise((resolve) => child.on('close', resolve)), 0, shown)
  return shown
}

test('on a terminal a question of 3,000 tokens is read with a progress line erased before the answer', async (t) => {
  const place = newPlace(t, { models: ['smollm2-135m'] })
  writeFileSync(join(place.folder, 'a.txt'), text)
  const question = `Who opened it? ${text.trim().repeat(130)}`
  const flags = ['-m', 'smollm2-135m', '--max-tokens', '4', '--threads', '1']
  const asked = await shownOnTerminal(place, ['ask', 'a.txt', question, ...flags])
  const line = /reading the question [#.]+ \d+ % {2}[\d,]+ tokens\/s {2}\d+:\d\d left/
  assert.match(asked, line)
  assert.ok(asked.slice(asked.lastIndexOf('left')).includes('\u001b['))
  const piped = await place.run(['ask', 'a.txt', '-', ...flags], { input: question })
  assert.deepEqual([piped.exitCode, piped.stderr], [0, ''])
})

test('on a terminal a download shows its rate and the time left, and erases the line at the end', async (t) => {
  const repo = 'someone/Tiny-GGUF'
  const hub = await startLoopbackHub(repo, [{ path: 'tiny-q4_0.gguf', bytes: fakeGguf(2_000_000) }])
  t.after(() => hub[Symbol.asyncDispose]())
  hub.behaviour = 'slowly'
  const place = newPlace(t)
  const shown = await shownOnTerminal(place, ['pull', `hf:${repo}:Q4_0`], { env: { HF_ENDPOINT: hub.url } })
  assert.match(shown, /Q4_0 [#.]+ \d+ % {2}[\d.]+ [kM]B\/s {2}\d+:\d\d left/)
  assert.ok(shown.slice(shown.lastIndexOf('left')).includes('\u001b['))

  await succeed(place, ['model', 'rm', `hf:${repo}:Q4_0`])
  const piped = await place.run(['pull', `hf:${repo}:Q4_0`], { env: { HF_ENDPOINT: hub.url, HF_HUB_OFFLINE: '0' } })
  assert.deepEqual([piped.exitCode, hasEscapes(piped.stderr + piped.stdout)], [0, false])
})
