/** What can be wrong with the words in a GGUF file: vocabulary, kinds, scores, merges, the chat template. */
import type { Chance, Mutator } from './chance.ts'
import type { GgufParts, Text, Value } from './gguf-parts.ts'

type Change = Mutator<GgufParts>

const arrayOf = ({ pairs }: GgufParts, name: string): Value | undefined =>
  pairs.find(({ key }) => key.bytes.toString('latin1') === name)?.value

const listOf = (parts: GgufParts, name: string): Text[] | undefined => {
  const value = arrayOf(parts, name)
  return value?.array && value.texts && value.texts.length > 0 ? value.texts : undefined
}

const arrays = ['tokens', 'token_type', 'merges', 'scores'].map((name) => `tokenizer.ggml.${name}`)

/** One array shorter or longer than the others. */
const unequal: Change = (parts, chance) => {
  const name = chance.of(arrays)
  const value = arrayOf(parts, name)
  if (!value?.array) return undefined
  const left = chance.of([0, 1, 2, 100, 268, 260])
  const isLonger = chance.oneIn(3)
  if (value.texts) value.texts = isLonger ? [...value.texts, ...value.texts.slice(0, 30)] : value.texts.slice(0, left)
  if (value.fixed)
    value.fixed = isLonger
      ? Buffer.concat([value.fixed, value.fixed.subarray(0, 120)])
      : value.fixed.subarray(0, 4 * left)
  return `${name} of another length`
}

/** Tokens, kinds and scores cut or grown together: another vocabulary than the embedding has. */
const vocabulary: Change = (parts, chance) => {
  const tokens = arrayOf(parts, 'tokenizer.ggml.tokens')
  if (!tokens?.texts) return undefined
  const wanted = chance.of([0, 1, 250, 256, 268, 270, 320, 1200])
  const own = tokens.texts
  if (own.length === 0) return undefined
  tokens.texts = Array.from({ length: wanted }, (_, id) => own[id] ?? { bytes: Buffer.from(`new${id}`) })
  for (const name of ['tokenizer.ggml.token_type', 'tokenizer.ggml.scores']) {
    const value = arrayOf(parts, name)
    if (!value?.fixed) continue
    const fixed = Buffer.alloc(4 * wanted, value.type === 6 ? 0 : Buffer.from([1, 0, 0, 0]))
    value.fixed.copy(fixed)
    value.fixed = fixed
  }
  return `${wanted} tokens`
}

const token: Change = (parts, chance) => {
  const list = listOf(parts, 'tokenizer.ggml.tokens')
  if (!list) return undefined
  const text = chance.of(list)
  text.bytes = chance.of([
    () => chance.text(),
    () => chance.of(list).bytes,
    () => Buffer.from('<0xZZ>'),
    () => Buffer.from('a b'),
  ])()
  return 'another token'
}

const merge: Change = (parts, chance) => {
  const list = listOf(parts, 'tokenizer.ggml.merges')
  if (!list) return undefined
  const [one, other] = [chance.of(list), chance.of(list)]
  one.bytes = chance.of([
    () => chance.text(),
    () => other.bytes,
    () => Buffer.from(chance.of([' ', '  ', 'a', 'a ', ' a', 'a b c', 'q q', 't he', 'h \u0120'])),
    () => Buffer.concat([one.bytes, chance.text()]),
  ])()
  return 'another merge'
}

const kind: Change = (parts, chance) => {
  const value = arrayOf(
    parts,
    chance.of(['tokenizer.ggml.token_type', 'tokenizer.ggml.token_type', 'tokenizer.ggml.scores']),
  )
  if (!value?.fixed || value.fixed.length < 4) return undefined
  value.fixed = Buffer.from(value.fixed)
  const at = 4 * chance.below(value.fixed.length >> 2)
  if (value.type === 6) value.fixed.writeFloatLE(chance.of([Number.NaN, Infinity, -Infinity, 1, -(2 ** 27), 0.25]), at)
  else if (chance.oneIn(4)) value.fixed.fill(Buffer.from([chance.of([1, 2, 3, 4, 5, 6]), 0, 0, 0]))
  else value.fixed.writeUInt32LE(Number(BigInt.asUintN(32, chance.of([0n, 2n, 3n, 4n, 5n, 6n, 7n, chance.edge()]))), at)
  return 'another kind or score'
}

const loop = (count: string, body: string): string => `{% for i in range(${count}) %}${body}{% endfor %}`

/** Whole templates that are wrong or mean harm. */
const templates: readonly string[] = [
  '',
  'no message at all',
  '{{ messages[0].content }}',
  '{{ messages[0].content }}{{ messages[0].content }}',
  '{{ messages[0].content | upper }}',
  '{{ messages[0].content | trim }}',
  '{{ messages[0]["content"][10:] }}',
  '{% for message in messages %}',
  '{% endfor %}',
  '{{',
  '{{ nothing.at.all }}',
  '{{ messages[99].content }}',
  '{{ 1 / 0 }}{{ messages[0].content }}',
  '{{ raise_exception("\u001b[2J" + "x" * 3) }}',
  `{{ raise_exception(messages[0].content) }}`,
  loop('1000000000', ''),
  loop('100000', loop('100000', 'x')),
  loop('30000000', 'x'),
  '{{ range(999999999) | length }}',
  `{% set x = "xxxxxxxxxxxxxxxx" %}${'{% set x = x + x %}'.repeat(40)}{{ x }}`,
  `{% set x = [1] %}${'{% set x = x + x %}'.repeat(40)}{{ x }}`,
  '{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}',
  `{{ ${'('.repeat(5000)}1${')'.repeat(5000)} }}`,
  `{% if ${'not '.repeat(20_000)}true %}{% endif %}`,
  '{% if true %}'.repeat(3000),
  'x'.repeat(400_000),
  '{# '.repeat(20_000),
  '{{ messages.__proto__.constructor }}{{ messages.constructor("return process")() }}',
  '{{ "%s" | format(messages) }}{{ messages | tojson }}',
]

const template: Change = (parts, chance) => {
  const value = arrayOf(parts, 'tokenizer.chat_template')
  const text = value?.texts?.[0]
  if (!text) return undefined
  const source = text.bytes.toString()
  if (chance.oneIn(2)) text.bytes = Buffer.from(chance.of(templates))
  else text.bytes = Buffer.from(spliced(source, chance))
  return 'another chat template'
}

const spliced = (source: string, chance: Chance): string => {
  const [from, length, to] = [
    chance.below(source.length + 1),
    chance.of([1, 3, 12, 60]),
    chance.below(source.length + 1),
  ]
  const piece = chance.oneIn(2)
    ? source.slice(from, from + length)
    : chance.of(['{{', '}}', '{%', '%}', '"', "'", '|', '[', '+', '\n'])
  return chance.oneIn(2)
    ? source.slice(0, to) + piece + source.slice(to)
    : source.slice(0, from) + source.slice(from + length)
}

export const textMutators: readonly Change[] = [unequal, vocabulary, token, token, merge, kind, kind, template]
