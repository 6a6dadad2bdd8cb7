/** What users get wrong: each case ends with its exit code, one sentence on stderr, nothing on stdout, nothing left behind. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { newPlace, type Place } from './cli-process.ts'
import { refused, refuses } from './cli-refusals.ts'
import { everythingIn } from './fixtures/temporary-folder.ts'

const text = 'The bridge was opened on the third of May by the mayor, who had rain on her speech.\n'

const compress = (file: string, { llama }: Place, ...more: string[]): string[] => [
  ...['compress', file, '-m', llama, '--reserve', '100', '--protect-first', '2', '--protect-last', '2'],
  ...more,
]

describe('what was meant', { concurrency: 2 }, () => {
  const cases: readonly [name: string, words: readonly string[], sentence: RegExp][] = [
    [
      'a question before its document',
      ['ask', 'Who?', 'a.txt'],
      /document comes first and then the question, got "Who\?"/,
    ],
    ['a question without quotes', ['ask', 'a.txt', 'Who', 'signed?'], /expected 2, got 3; .* needs quotes/],
    ['an argument too few', ['compress'], /missing required argument 'document'; .*--help/],
    ['a document as command', ['report.pdf'], /unknown command 'report\.pdf'; `compactor ask FILE "question"`/],
    ['a context as command', ['inspect', 'a.cctx'], /unknown command 'a\.cctx'; .*`compactor inspect context FILE`/],
    ['a topic that is none', ['help', 'fonts'], /unknown command 'fonts'; `compactor help` lists/],
    ['a mistyped command', ['compres', 'a.txt'], /unknown command 'compres'; did you mean compress\?\n$/],
  ]
  for (const [name, words, sentence] of cases)
    refuses(name, { code: 2, sentence }, { files: { 'a.txt': text }, words: () => words })
  refuses(
    'a file of the working folder as model',
    { code: 1, sentence: /no model a\.txt, but a file of that name; .* \.\/a\.txt/ },
    { files: { 'a.txt': text }, words: () => ['compress', 'a.txt', '-m', 'a.txt'] },
  )
})

describe('documents', { concurrency: 2 }, () => {
  const file = 'a.txt'
  refuses(
    'a missing document',
    { code: 1, sentence: /a\.txt cannot be read: it does not exist/ },
    { words: (place) => compress(file, place) },
  )
  refuses(
    'an empty document',
    { code: 1, sentence: /a\.txt is empty/ },
    { files: { [file]: '' }, words: (place) => compress(file, place) },
  )
  refuses(
    'a document of white space',
    { code: 1, sentence: /white space/ },
    { files: { [file]: ' \n' }, words: (place) => compress(file, place) },
  )
  refuses(
    'a binary document',
    { code: 1, sentence: /binary file \(byte 3 is 0\)/ },
    { files: { [file]: 'PK\x03\0\x01' }, words: (place) => compress(file, place) },
  )
  refuses(
    'a document that is not in the encoding that was said',
    { code: 1, sentence: /not valid utf-8: some of its bytes fit no character; give another encoding/ },
    {
      files: { [file]: Buffer.from('Gr\xfc\xdfe', 'latin1') },
      words: (place) => compress(file, place, '--encoding', 'utf-8'),
    },
  )
  refuses(
    'an encoding that nobody knows',
    { code: 2, sentence: /klingon is no encoding/ },
    { files: { [file]: text }, words: (place) => compress(file, place, '--encoding', 'klingon') },
  )
  refuses(
    'a picture called a text',
    { code: 1, sentence: /a\.txt is an image; recognise its text first/ },
    { files: { [file]: Buffer.from('89504e470d0a1a0a0000', 'hex') }, words: (place) => compress(file, place) },
  )
  refuses(
    'a document longer than the trained context',
    { code: 1, sentence: /512/ },
    { files: { [file]: text.repeat(20) }, words: (place) => compress(file, place) },
  )
  refuses(
    'an empty document on standard input',
    { code: 1, sentence: /standard input is empty/ },
    { words: (place) => compress('-', place, '-o', 'a.cctx') },
  )
  for (const command of ['compress', 'ask']) {
    const words = (document: string): string[] => [command, document, ...(command === 'ask' ? ['Why?'] : [])]
    refuses(
      `${command} on an empty path`,
      { code: 2, sentence: /path of a document.*empty text/ },
      { words: () => words('') },
    )
    refuses(
      `${command} on an address that is not of the web`,
      { code: 2, sentence: /an address of a kind that is not read \(ftp\); give http, https or the path/ },
      { words: () => words('ftp://example.org/a.txt') },
    )
  }
  refuses('- for both document and question', { code: 2, sentence: /only one of/ }, { words: () => ['ask', '-', '-'] })
  refuses('standard input without -o', { code: 2, sentence: /needs -o/ }, { words: (place) => compress('-', place) })

  test('a folder without a file as document', async (t) => {
    const place = newPlace(t)
    mkdirSync(join(place.folder, 'papers'))
    refused(await place.run(compress('papers', place)), 1, /papers holds no file that can be read/)
    const asked = await place.run(['ask', 'papers', 'Why?', '-m', place.llama])
    refused(asked, 1, /papers holds no file that can be read/)
    assert.deepEqual(everythingIn(place.folder), ['papers'])
  })

  test('a document of one token is compressed, kept whole and can be asked', async (t) => {
    const place = newPlace(t)
    writeFileSync(join(place.folder, file), 'x')
    const { exitCode, stdout, stderr } = await place.run(compress(file, place, '--json'))
    assert.equal(exitCode, 0, stderr)
    assert.deepEqual([JSON.parse(stdout).stats.originalTokens, JSON.parse(stdout).stats.keptShare], [1, 1])
    const answer = await place.run(['ask', 'a.cctx', 'What?', '--max-tokens', '3', '--json'])
    assert.equal(answer.exitCode, 0, answer.stderr)
    assert.ok(JSON.parse(answer.stdout).usage.outputTokens >= 1)
  })
})

describe('budgets and flags', { concurrency: 2 }, () => {
  const files = { 'a.txt': text }
  const keep = (value: string, sentence: RegExp): void =>
    refuses(
      `--keep ${value}`,
      { code: 2, sentence },
      { files, words: (place) => compress('a.txt', place, `--keep=${value}`) },
    )
  keep('0', /keep.*0\.25.*got "?0/)
  keep('1.5', /keep.*got "?1\.5/)
  keep('-1', /keep/)
  keep('abc', /keep.*abc/)
  keep('99999tok', /99999 tokens.*only \d+/)
  keep('0tok', /keep/)
  keep('1B', /1 bytes/)
  keep('auto', /auto.*does not exist yet/)

  refuses(
    'an unknown method, with a suggestion',
    { code: 2, sentence: /unknown method "compacter".*did you mean compactor\?/ },
    { files, words: (place) => compress('a.txt', place, '--method', 'compacter') },
  )
  refuses(
    'an unknown option of a method',
    { code: 2, sentence: /no option "lamda".*lambda/ },
    { files, words: (place) => compress('a.txt', place, '--method-option', 'lamda=1') },
  )
  refuses(
    'an option of a method without a value',
    { code: 2, sentence: /name=value/ },
    { files, words: (place) => compress('a.txt', place, '--method-option', 'lambda') },
  )
  refuses(
    'an unknown flag, with a suggestion',
    { code: 2, sentence: /unknown option '--kep'; did you mean --keep\?/ },
    { files, words: (place) => compress('a.txt', place, '--kep', '1') },
  )
  refuses(
    'an unknown command, with a suggestion',
    { code: 2, sentence: /unknown command 'compres'; did you mean compress\?/ },
    { words: () => ['compres', 'a.txt'] },
  )
  refuses(
    'an unknown subcommand, with a suggestion',
    { code: 2, sentence: /unknown command 'lst'/ },
    { words: () => ['context', 'lst'] },
  )
  refuses(
    'an unknown command with --help',
    { code: 2, sentence: /unknown command 'nonsense'/ },
    { words: () => ['nonsense', '--help'] },
  )
  refuses(
    'help of an unknown subcommand',
    { code: 2, sentence: /unknown command 'nonsense'/ },
    { words: () => ['help', 'context', 'nonsense'] },
  )
  refuses('a missing argument', { code: 2, sentence: /missing required argument/ }, { words: () => ['ask', 'a.cctx'] })
  refuses(
    'an argument too many',
    { code: 2, sentence: /too many arguments/ },
    { files, words: (place) => compress('a.txt', place, 'b.txt') },
  )
  refuses(
    'a number that is none',
    { code: 2, sentence: /--threads.*whole number/ },
    { files, words: (place) => compress('a.txt', place, '--threads', 'two') },
  )
  refuses(
    '0 threads',
    { code: 2, sentence: /--threads.*'0' is invalid.*from 1 to 256/ },
    { files, words: (place) => compress('a.txt', place, '--threads', '0') },
  )
  refuses(
    'an unknown backend',
    { code: 2, sentence: /native, reference/ },
    { files, words: (place) => compress('a.txt', place, '--backend', 'cuda') },
  )
  refuses(
    'negative protection',
    { code: 2, sentence: /--protect-first.*-1.*from 0 to 2147483647/ },
    { files, words: (place) => compress('a.txt', place, '--protect-first=-1') },
  )
  for (const seed of ['-1', '99999999999', '1.5']) {
    const sentence = new RegExp(`--seed.*${seed}.*whole number`)
    refuses(
      `compress --seed ${seed}`,
      { code: 2, sentence },
      { files, words: (place) => compress('a.txt', place, `--seed=${seed}`) },
    )
    refuses(
      `ask --seed ${seed}`,
      { code: 2, sentence },
      { files, words: () => ['ask', 'a.txt', '?', `--seed=${seed}`] },
    )
  }
  refuses(
    'a hexadecimal temperature',
    { code: 2, sentence: /--temperature.*0x10.*a number such as 0\.5/ },
    { files, words: () => ['ask', 'a.txt', '?', '--temperature', '0x10'] },
  )
})

describe('models', { concurrency: 2 }, () => {
  const files = { 'a.txt': text }
  refuses(
    'an unknown model, with the list',
    { code: 1, sentence: /unknown model "smolm2".*smollm2-135m, qwen2\.5-coder-0\.5b.*did you mean smollm2-135m\?/ },
    { files, words: () => ['compress', 'a.txt', '-m', 'smolm2'] },
  )
  refuses(
    'a model path that leads nowhere',
    { code: 1, sentence: /none\.gguf cannot be read: it does not exist/ },
    { files, words: () => ['compress', 'a.txt', '-m', './none.gguf'] },
  )
  refuses(
    'a model that is another format',
    { code: 1, sentence: /not a GGUF file/ },
    { files, words: () => ['compress', 'a.txt', '-m', './a.txt'] },
  )
  refuses(
    'a model that no source can give',
    { code: 1, sentence: /HF_HUB_OFFLINE is set, so smollm2-135m is not downloaded; unset it, or put/ },
    { files, words: () => ['pull', 'smollm2-135m'] },
  )
  refuses(
    'removing a model that is not there',
    { code: 1, sentence: /not among the models/ },
    { files, words: () => ['model', 'rm', 'nobody'] },
  )

  test('a model that is not there is refused by all 5 commands before the document is fetched', async (t) => {
    const place = newPlace(t)
    let fetched = 0
    const server = createServer((_, response) => response.end(`${++fetched}`))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    t.after(() => server.close())
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/a.txt`
    writeFileSync(join(place.folder, 'fields.json'), '{"type": "object", "properties": {"a": {"type": "string"}}}')
    const commands = [
      ['ask', address, 'Who?'],
      ['chat', address],
      ['compress', address],
      ['estimate', address],
      ['extract', address, '--schema', 'fields.json'],
    ]
    for (const words of commands)
      refused(await place.run([...words, '-m', 'nosuch']), 1, /^compactor: unknown model "nosuch": built in are .*path/)
    refused(await place.run(['compress', address, '-m', './none.gguf']), 1, /model file .*none\.gguf cannot be read/)
    refused(await place.run(['compress', address, '-m', 'smollm2-135m']), 1, /HF_HUB_OFFLINE is set, so smollm2-135m/)
    assert.equal(fetched, 0)
    assert.deepEqual(everythingIn(place.folder), ['fields.json'])
  })

  test('a model that is a pipe is refused, not waited for', async (t) => {
    const place = newPlace(t)
    execFileSync('mkfifo', [join(place.folder, 'pipe.gguf')])
    writeFileSync(join(place.folder, 'a.txt'), text)
    for (const words of [
      ['pull', './pipe.gguf'],
      ['inspect', 'gguf', './pipe.gguf'],
      ['compress', 'a.txt', '-m', './pipe.gguf'],
    ])
      refused(await place.run(words), 1, /pipe\.gguf is not a regular file/)
  })

  test('a GGUF cut short', async (t) => {
    const place = newPlace(t)
    const whole = readFileSync(place.llama)
    writeFileSync(join(place.folder, 'a.txt'), text)
    for (const length of [4, 20, 1000, 30_000, whole.length - 1]) {
      writeFileSync(join(place.folder, 'cut.gguf'), whole.subarray(0, length))
      refused(await place.run(['compress', 'a.txt', '-m', './cut.gguf']), 1, /cut/)
    }
    assert.deepEqual(everythingIn(place.folder), ['a.txt', 'cut.gguf'])
  })

  test('a GGUF of another architecture, with the list of those that work', async (t) => {
    const place = newPlace(t)
    const bytes = readFileSync(place.llama)
    const key = bytes.indexOf('general.architecture')
    bytes.write('mamba', bytes.indexOf('llama', key))
    writeFileSync(join(place.folder, 'other.gguf'), bytes)
    writeFileSync(join(place.folder, 'a.txt'), text)
    refused(await place.run(['compress', 'a.txt', '-m', './other.gguf']), 1, /mamba.*llama.*qwen2/)
    assert.deepEqual(everythingIn(place.folder), ['a.txt', 'other.gguf'])
  })
})

describe('contexts', { concurrency: 2 }, () => {
  const withContext = async (t: Parameters<typeof newPlace>[0]): Promise<Place> => {
    const place = newPlace(t)
    writeFileSync(join(place.folder, 'a.txt'), text)
    const { exitCode, stderr } = await place.run(compress('a.txt', place))
    assert.equal(exitCode, 0, stderr)
    return place
  }

  test('a question of 0 tokens and one of 5,000 tokens', async (t) => {
    const place = await withContext(t)
    for (const empty of ['', '  ']) refused(await place.run(['ask', 'a.cctx', empty]), 1, /question is empty/)
    refused(await place.run(['ask', 'a.cctx', 'why '.repeat(5000)]), 1, /question/)
    refused(await place.run(['ask', 'a.cctx', '-'], { input: '\n' }), 1, /white space|empty/)
  })

  test('sampling out of range', async (t) => {
    const place = await withContext(t)
    for (const [flag, value] of [
      ['temperature', '-1'],
      ['top-p', '2'],
      ['min-p', '-0.1'],
      ['top-k', '-3'],
      ['max-tokens', '0'],
    ] as const)
      refused(await place.run(['ask', 'a.cctx', 'Why?', `--${flag}=${value}`]), 2, /must be/)
  })

  test('a context of another model, both named, before that model is loaded', async (t) => {
    const place = await withContext(t)
    const sentence = /a\.cctx was made with the model llama \(sha256 .*, but qwen2 has sha256 .*; leave out -m to ask/
    refused(await place.run(['ask', 'a.cctx', 'Why?', '-m', place.qwen2]), 1, sentence)
    writeFileSync(place.qwen2, readFileSync(place.qwen2).subarray(0, 1000)) // loading it would say that it is cut short
    refused(await place.run(['ask', 'a.cctx', 'Why?', '-m', place.qwen2]), 1, sentence)
  })

  test('a model that cannot read the context is not downloaded for it', async (t) => {
    const place = await withContext(t)
    const outcome = await place.run(['ask', 'a.cctx', 'Why?', '-m', 'smollm2-135m'], { env: { HF_HUB_OFFLINE: '0' } })
    refused(outcome, 1, /made with the model llama .*smollm2-135m has sha256 b179.*not downloaded; leave out -m/)
  })

  test('flags that would do nothing: --encoding of a context, --force of standard output', async (t) => {
    const place = await withContext(t)
    writeFileSync(join(place.folder, 'fields.json'), '{"type": "object", "properties": {"a": {"type": "string"}}}')
    const sentence = /--encoding is for a document that is read, and a\.cctx is a context; leave it out/
    for (const words of [
      ['ask', 'a.cctx', 'Why?'],
      ['chat', 'a.cctx'],
    ])
      refused(await place.run([...words, '--encoding', 'latin1']), 2, sentence)
    const extract = ['extract', 'a.cctx', '--schema', 'fields.json', '--max-tokens', '2']
    refused(await place.run([...extract, '--force']), 2, /--force replaces a file, and this goes to standard output/)
    const shade = ['inspect', 'context', 'a.cctx', '--html', '-', '--force']
    refused(await place.run(shade), 2, /--force replaces a file, .* name a file with --html/)
    const env = { COMPACTOR_FORCE: '1', COMPACTOR_ENCODING: 'latin1' }
    const outcome = await place.run(extract, { env })
    assert.doesNotMatch(outcome.stderr, /--force|COMPACTOR_|encoding/)
  })

  test('a context given to compress', async (t) => {
    const place = await withContext(t)
    refused(await place.run(compress('a.cctx', place)), 1, /a\.cctx is a context already; ask it with/)
  })

  test('outputs that would fail only after the document was read: no name, too long a name, a dangling link, no place', async (t) => {
    const place = newPlace(t)
    const long = `${'a'.repeat(251)}.txt`
    for (const name of ['a.txt', long]) writeFileSync(join(place.folder, name), text)
    symlinkSync('nowhere', join(place.folder, 'link.cctx'))
    refused(await place.run(compress('a.txt', place, '-o', '')), 2, /-o takes the path.*empty text/)
    refused(await place.run(compress('a.txt', place, '-o', '-')), 2, /-o takes the path.*got -/)
    refused(await place.run(compress(long, place)), 1, /cannot be written: the name is too long/)
    refused(await place.run(compress('a.txt', place, '-o', 'link.cctx')), 1, /link that leads nowhere.*--force/)
    refused(await place.run(compress('a.txt', place, '-o', 'a.txt/b.cctx')), 1, /not a directory/)
    if (existsSync('/proc/self')) {
      const nobody = await place.run(compress('a.txt', place, '-o', '/proc/self/b.cctx')) // refuses root too
      refused(nobody, 1, /nothing can be written to the folder \/proc\//)
    }
    assert.deepEqual(everythingIn(place.folder), ['a.txt', long, 'link.cctx'].sort())
    const wide = `${'漢'.repeat(80)}.cctx`
    assert.equal((await place.run(compress('a.txt', place, '-o', wide))).exitCode, 0)
    assert.ok(existsSync(join(place.folder, wide)))
  })

  test('a home, a folder of contexts or a context that is something else', async (t) => {
    const place = await withContext(t)
    const home = join(place.folder, 'home')
    writeFileSync(home, '')
    for (const words of [
      ['model', 'list'],
      ['context', 'list'],
      ['context', 'rm', 'abcd'],
      ['ask', 'a.cctx', 'Why?'],
    ])
      refused(await place.run(words, { env: { COMPACTOR_HOME: home } }), 1, /cannot be read: part of its path/)
    const made = await place.run(compress('a.txt', place, '--force'), { env: { COMPACTOR_HOME: home } })
    assert.equal(made.exitCode, 0)
    assert.match(made.stderr, /^compactor: the checksum of .* could not be remembered in [^\n]*\n$/)
    const id = 'abcd'.repeat(16)
    mkdirSync(join(place.home, 'contexts', `${id}.cctx`), { recursive: true })
    refused(await place.run(['context', 'rm', 'abcd']), 1, /could not be removed: it is a directory/)
  })

  test('a context whose model is not on this machine', async (t) => {
    const place = await withContext(t)
    const elsewhere = join(place.folder, 'other-home')
    const outcome = await place.run(['ask', 'a.cctx', 'Why?'], { env: { COMPACTOR_HOME: elsewhere } })
    refused(outcome, 1, /made with the model llama \(sha256 .*not on this machine/)
  })

  test('a context cut short', async (t) => {
    const place = await withContext(t)
    const whole = readFileSync(join(place.folder, 'a.cctx'))
    for (const length of [8, 100, 5000, whole.length - 1]) {
      writeFileSync(join(place.folder, 'cut.cctx'), whole.subarray(0, length))
      refused(await place.run(['ask', 'cut.cctx', 'Why?', '-m', place.llama]), 1, /cut\.cctx/)
    }
    writeFileSync(join(place.folder, 'cut.cctx'), 'text')
    refused(await place.run(['ask', 'cut.cctx', 'Why?', '-m', place.llama]), 1, /not a context/)
  })

  test('an output that exists, one that is a directory, one that is a pipe, one in no folder, one that is the document', async (t) => {
    const place = await withContext(t)
    const before = readFileSync(join(place.folder, 'a.cctx'))
    refused(await place.run(compress('a.txt', place)), 1, /a\.cctx exists.*--force/)
    assert.ok(readFileSync(join(place.folder, 'a.cctx')).equals(before))
    refused(await place.run(compress('a.txt', place, '-o', '.')), 1, /directory/)
    execFileSync('mkfifo', [join(place.folder, 'pipe')])
    refused(await place.run(compress('a.txt', place, '-o', 'pipe', '--force')), 1, /not a regular file/)
    assert.ok(statSync(join(place.folder, 'pipe')).isFIFO())
    refused(await place.run(compress('a.txt', place, '-o', 'no/such/a.cctx')), 1, /folder/)
    refused(await place.run(compress('a.txt', place, '-o', 'a.txt', '--force')), 2, /document itself/)
    assert.equal(readFileSync(join(place.folder, 'a.txt'), 'utf8'), text)
    assert.equal((await place.run(compress('a.txt', place, '--force'))).exitCode, 0)
  })

  refuses(
    'a context that is not there',
    { code: 1, sentence: /none\.cctx cannot be read/ },
    { words: () => ['ask', 'none.cctx', 'Why?'] },
  )
  refuses('an id that nothing has', { code: 1, sentence: /no context/ }, { words: () => ['context', 'rm', 'abcdef'] })
})

describe('settings', { concurrency: 2 }, () => {
  const config = (content: string, sentence: RegExp): void =>
    refuses(
      `compactor.config.json holding ${content}`,
      { code: 2, sentence },
      { files: { 'compactor.config.json': content }, words: () => ['model', 'list'] },
    )
  config('{"kep": 1}', /config\.json has an unknown key "kep"; did you mean keep\?\n$/)
  config('{"max-tokens": 1}', /unknown key "max-tokens"; did you mean maxTokens\?\n$/)
  config(
    '{"zzzzzzzz": 1}',
    /unknown key "zzzzzzzz"; keys are the flags .*`compactor help environment`\): activations, /,
  )
  config('{"keep": ', /not valid JSON/)
  config('[]', /must hold an object/)

  test('a wrong value in the environment or the file is named by where it stands', async (t) => {
    const place = newPlace(t)
    writeFileSync(join(place.folder, 'a.txt'), text)
    refused(
      await place.run(compress('a.txt', place), { env: { COMPACTOR_THREADS: 'two' } }),
      2,
      /COMPACTOR_THREADS.*whole number/,
    )
    refused(
      await place.run(compress('a.txt', place), { env: { COMPACTOR_JSON: 'perhaps' } }),
      2,
      /COMPACTOR_JSON must be true or false/,
    )
    writeFileSync(join(place.folder, 'compactor.config.json'), '{"seed": [1, 2]}')
    refused(await place.run(compress('a.txt', place)), 2, /seed in compactor\.config\.json/)
  })
})
