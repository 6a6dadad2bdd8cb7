import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CompactorError } from '../error.ts'
import { createPreTokenizer, type PreTokenizer } from './pre-tokenizer.ts'

const words = (next: PreTokenizer, text: string): string[] => {
  const found: string[] = []
  for (let start = 0; start < text.length; ) {
    const end = next(text, start)
    assert.ok(end > start, `no progress at ${start}`)
    found.push(text.slice(start, end))
    start = end
  }
  return found
}

// The definitions as regular expressions, with \s as Unicode has it and (?i:) spelled out.
const S = '\\p{White_Space}'
const qwen2 = new RegExp(
  `'(?:[sSſ]|[tT]|[rR][eE]|[vV][eE]|[mM]|[lL][lL]|[dD])|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^${S}\\p{L}\\p{N}]+[\\r\\n]*|${S}*[\\r\\n]+|${S}+(?!\\P{White_Space})|${S}+`,
  'gu',
)
const gpt2 = new RegExp(
  `'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^${S}\\p{L}\\p{N}]+|${S}+(?!\\P{White_Space})|${S}+`,
  'gu',
)
const llama3 = new RegExp(qwen2.source.replace('|\\p{N}|', '|\\p{N}{1,3}|'), 'gu')
const definitions: Record<string, (text: string) => string[]> = {
  qwen2: (text) => text.match(qwen2) ?? [],
  'llama-bpe': (text) => text.match(llama3) ?? [],
  smollm: (text) => text.split(/(\p{N})/u).flatMap((part) => part.match(gpt2) ?? []),
}

// Strings in which the rules meet: contractions, white space of every kind, digits of every kind, two-unit characters.
const rich = fc.string({
  unit: fc.constantFrom(
    ...Array.from(
      "  \t\n\r'''sStTrReEvVmMlLdDſK09½²ⅷ٣éßñ.,!-=(日本한мرไ🙂𝒳𝟘\u0085\u00a0\u2003\u2028\u3000\ufeff\u200b\u0301\u0000",
    ),
    '\ud800',
    '\udc00',
  ),
  maxLength: 40,
})

for (const [name, define] of Object.entries(definitions)) {
  test(`${name}: words are those of its regular expression on 3000 seeded strings where the rules meet`, () => {
    const next = createPreTokenizer(name)
    fc.assert(
      fc.property(rich, (text) => assert.deepEqual(words(next, text), define(text))),
      { numRuns: 3000, seed: 1 },
    )
  })

  test(`${name}: words are those of its regular expression on 1000 seeded strings of any code points`, () => {
    const next = createPreTokenizer(name)
    const any = fc.string({ unit: 'binary', maxLength: 60 })
    fc.assert(
      fc.property(any, (text) => assert.deepEqual(words(next, text), define(text))),
      { numRuns: 1000, seed: 2 },
    )
  })

  test(`${name}: a run of 3 million letters is one word, and of as many spaces before a letter two`, () => {
    const next = createPreTokenizer(name)
    const long = 3_000_000
    assert.equal(next('a'.repeat(long), 0), long)
    assert.equal(next(`${' '.repeat(long)}a`, 0), long - 1)
  })
}

test('an unknown pre-tokenizer is refused by name with the list of 3 that work', () => {
  for (const name of ['gpt-4o', 'constructor', undefined])
    assert.throws(
      () => createPreTokenizer(name),
      (error) =>
        error instanceof CompactorError &&
        error.code === 'model-unsupported' &&
        error.message ===
          `pre-tokenizer ${name ?? '(none named)'} is not supported; take a model with one that is: qwen2, llama-bpe, smollm`,
    )
})
