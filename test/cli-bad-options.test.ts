/** Values that an option does not take: told before anything is loaded. */
import { describe, test } from 'node:test'
import { newPlace, type Outcome } from './cli-process.ts'
import { refused, refuses } from './cli-refusals.ts'

const text = 'The bridge was opened on the third of May by the mayor.\n'

describe('options of answers, refused before the model is looked for', { concurrency: 2 }, () => {
  const cases = [
    ['--temperature', '-1', /: --temperature must be between 0 and 100, got -1/],
    ['--top-p', '3', /: --top-p must be between 0 and 1, got 3/],
    ['--top-k', '-1', /: --top-k must be between 0 and/],
    ['--min-p', '2', /: --min-p must be between 0 and 1, got 2/],
    ['--max-tokens', '0', /: --max-tokens must be a whole number of at least 1, got 0/],
    ['--sources', '51', /: --sources must be a whole number from 1 to 50, got 51/],
    ['--stop', '', /: --stop must hold texts that are not empty/],
    ['--keep', '2', /: --keep takes a share above 0 up to 1/],
  ] as const
  const missing = ['-m', 'no-such-model']
  const files = { 'a.txt': text, 'fields.json': '{"properties":{"date":{}}}' }
  for (const [flag, value, sentence] of cases) {
    const expected = { code: 2, sentence } as const
    refuses(`ask ${flag} ${value}`, expected, {
      files,
      words: () => ['ask', 'a.txt', 'When?', ...missing, flag, value],
    })
    refuses(`chat ${flag} ${value}`, expected, { files, words: () => ['chat', 'a.txt', ...missing, flag, value] })
    if (flag === '--temperature' || flag === '--max-tokens')
      refuses(`extract ${flag} ${value}`, expected, {
        files,
        words: () => ['extract', 'a.txt', '--schema', 'fields.json', ...missing, flag, value],
      })
  }
})

describe('a schema is refused before the document is read, by the name of the property', { concurrency: 2 }, () => {
  const dated = JSON.stringify({ properties: { total: { type: 'number' }, day: { type: 'string', format: 'date' } } })
  const files = { 'a.txt': text, 'fields.json': dated }
  const refusal = {
    code: 2,
    sentence: /: \/properties\/day has format, which is not understood here; known are type/,
  } as const
  const missing = ['-m', 'no-such-model']
  refuses('extract', refusal, { files, words: () => ['extract', 'a.txt', '--schema', 'fields.json', ...missing] })
  refuses('ask', refusal, { files, words: () => ['ask', 'a.txt', 'When?', '--schema', 'fields.json', ...missing] })
  refuses(
    'a schema in place of its file',
    { code: 2, sentence: /: --schema takes the path of a file, not the schema itself/ },
    { files, words: () => ['extract', 'a.txt', '--schema', dated, ...missing] },
  )
  refuses(
    'a schema without its flag',
    { code: 2, sentence: /'--schema <file>' not specified; the command's --help shows how/ },
    { files, words: () => ['extract', 'a.txt', 'fields.json', ...missing] },
  )
})

describe('options of compress and estimate, refused before the model is looked for', { concurrency: 2 }, () => {
  const cases = [
    ['--keep', '2', /: --keep takes a share above 0 up to 1/],
    ['--method', 'compacter', /compacter.*compactor/],
    ['--method-option', 'lambda=much', /lambda/],
  ] as const
  for (const [flag, value, sentence] of cases)
    for (const command of ['compress', 'estimate'])
      refuses(
        `${command} ${flag} ${value}`,
        { code: 2, sentence },
        { files: { 'a.txt': text }, words: () => [command, 'a.txt', '-m', 'no-such-model', flag, value] },
      )
})

describe('options are refused by the name under which they were given', { concurrency: 2 }, () => {
  const files = { 'a.txt': text }
  const missing = ['-m', 'no-such-model']
  const cases: readonly (readonly [name: string, words: readonly string[], sentence: RegExp])[] = [
    [
      'two of eval',
      ['eval', 'needle', '--min-document', '5', '--max-document', '3'],
      /: --min-document .* --max-document/,
    ],
    ['one of several of eval', ['eval', 'needle', '--length', '0'], /: each of --length must be at least 1, got 0/],
    [
      'one of pull',
      ['pull', 'no-such-model', '--connections', '17'],
      /: --connections must be .* from 1 to 16, got 17/,
    ],
    ...['0', '-1', '1.5', '100000', 'many'].map(
      (count) =>
        [`--threads ${count}`, ['ask', 'a.txt', 'When?', ...missing, '--threads', count], /from 1 to 256/] as const,
    ),
  ]
  for (const [name, words, sentence] of cases) refuses(name, { code: 2, sentence }, { files, words: () => words })
  const settings: readonly [key: string, value: number, sentence: RegExp][] = [
    ['threads', 0, /: threads in compactor\.config\.json is 0: expected a whole number from 1 to 256/],
    ['maxTokens', 0, /: maxTokens in compactor\.config\.json must be a whole number of at least 1, got 0/],
  ]
  for (const [key, value, sentence] of settings)
    refuses(
      `${key} in the config file`,
      { code: 2, sentence },
      {
        files: { ...files, 'compactor.config.json': JSON.stringify({ [key]: value }) },
        words: () => ['ask', 'a.txt', 'When?', ...missing],
      },
    )
  test('COMPACTOR_THREADS and COMPACTOR_MAX_TOKENS out of range', async (t) => {
    const place = newPlace(t)
    const ask = (env: Record<string, string>): Promise<Outcome> =>
      place.run(['ask', 'a.txt', 'When?', ...missing], { env })
    refused(
      await ask({ COMPACTOR_THREADS: 'many' }),
      2,
      /: COMPACTOR_THREADS is "many": expected a whole number from 1/,
    )
    refused(await ask({ COMPACTOR_MAX_TOKENS: '0' }), 2, /: COMPACTOR_MAX_TOKENS must be a whole number of at least 1/)
  })
})
