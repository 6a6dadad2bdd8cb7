/** Values that an option does not take: told before anything is loaded. */
import { describe } from 'node:test'
import { refuses } from './cli-refusals.ts'

const text = 'The bridge was opened on the third of May by the mayor.\n'

describe('options of answers, refused before the model is looked for', { concurrency: 2 }, () => {
  const cases = [
    ['--temperature', '-1', /temperature must be between 0 and 100, got -1/],
    ['--top-p', '3', /topP must be between 0 and 1, got 3/],
    ['--top-k', '-1', /topK must be between 0 and/],
    ['--min-p', '2', /minP must be between 0 and 1, got 2/],
    ['--max-tokens', '0', /maxTokens must be a whole number of at least 1, got 0/],
    ['--sources', '51', /sources must be a whole number from 1 to 50, got 51/],
    ['--stop', '', /a stop string must not be empty/],
    ['--keep', '2', /keep takes a share above 0 up to 1/],
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

describe('options of compress and estimate, refused before the model is looked for', { concurrency: 2 }, () => {
  const cases = [
    ['--keep', '2', /keep takes a share above 0 up to 1/],
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
