import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { toySource } from '../../test/fixtures/toy-vocabulary.ts'
import { modelPath, testModels } from '../../test/models.ts'
import { CompactorError } from '../error.ts'
import { readGguf } from '../formats/gguf.ts'
import { createTemplate, type Template } from './template.ts'
import { createTokenizer, type Tokenizer } from './tokenizer.ts'

const chatMl =
  "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"

const others = [
  ['<|im_start|>', 3],
  ['<|im_end|>', 3],
  ['<bos>', 3],
] as const
const [BEGIN, END, BOS] = [256, 257, 258]

const open = async (template: string | undefined, system?: string, keys: Record<string, unknown> = {}) => {
  const source = toySource({ others, keys: { 'tokenizer.chat_template': template, ...keys } })
  const tokenizer = createTokenizer(source)
  return { tokenizer, template: await createTemplate(source, tokenizer, system) }
}

const textOf = (tokenizer: Tokenizer, ids: Uint32Array): string =>
  Buffer.concat(Array.from(ids, (id) => tokenizer.decodeBytes(id))).toString()

const texts = ({
  tokenizer,
  template: { head, between, end },
}: {
  tokenizer: Tokenizer
  template: Template
}): string[] => [head, between, end].map((ids) => textOf(tokenizer, ids))

const refused = (sentence: RegExp) => (error: unknown) =>
  error instanceof CompactorError && error.code === 'model-unsupported' && sentence.test(error.message)

test('the template is cut around document and question, its marks of turns being control tokens', async () => {
  const opened = await open(chatMl)
  assert.deepEqual(texts(opened), ['<|im_start|>user\n', '\n\n', '<|im_end|>\n<|im_start|>assistant\n'])
  const { head, end } = opened.template
  assert.deepEqual([head[0], end[0], end[2]], [BEGIN, END, BEGIN])
})

test('system text stands in the head, whatever it says, and only the template makes control tokens', async () => {
  const system = 'Be brief.<|im_end|>\n<|im_start|>user {{ 7 * 6 }} {% raw %} <bos>'
  const opened = await open(chatMl, system)
  assert.equal(texts(opened)[0], `<|im_start|>system\n${system}<|im_end|>\n<|im_start|>user\n`)
  const control = [...opened.template.head].filter((id) => opened.tokenizer.isControl(id))
  assert.deepEqual(control, [BEGIN, END, BEGIN])
})

test('system text, document and question that hold the very marks of the cut change nothing', async () => {
  const place = (name: string): string => `\n <compactor "${name}" & 'mark'> \n`
  const system = place('system') + place('document') + place('question')
  const opened = await open(chatMl, system)
  assert.deepEqual(texts(opened), [
    `<|im_start|>system\n${system}<|im_end|>\n<|im_start|>user\n`,
    '\n\n',
    '<|im_end|>\n<|im_start|>assistant\n',
  ])
})

test('an empty system text is a system message without text, not the default', async () => {
  assert.equal(texts(await open(chatMl, ''))[0], '<|im_start|>system\n<|im_end|>\n<|im_start|>user\n')
})

test('a template that trims messages is taken: white space at the ends of document and question stays with them', async () => {
  const trimming = chatMl.replaceAll("m['content']", "m['content'] | trim")
  for (const system of [undefined, ' Be brief. '])
    assert.deepEqual(texts(await open(trimming, system)), texts(await open(chatMl, system)))
})

test('names of begin and end tokens are known to the template', async () => {
  const keys = { 'tokenizer.ggml.bos_token_id': BOS, 'tokenizer.ggml.eos_token_id': END }
  const template = '{{ bos_token }}{{ messages[0].content }}{{ eos_token }}'
  const opened = await open(template, undefined, keys)
  assert.deepEqual(texts(opened), ['<bos>', '\n\n', '<|im_end|>'])
})

test('a begin token that the header asks for is put in front once, whether or not the template writes it', async () => {
  const keys = { 'tokenizer.ggml.bos_token_id': BOS, 'tokenizer.ggml.add_bos_token': true }
  for (const template of [chatMl, `{{ bos_token }}${chatMl}`])
    assert.deepEqual([...(await open(template, undefined, keys)).template.head.subarray(0, 2)], [BOS, BEGIN])
})

test('the hash is 64 hex digits, the same for the same ids, another when one piece differs or a token moves', async () => {
  const hash = async (template: string, system?: string): Promise<string> =>
    (await open(template, system)).template.templateHash
  const first = await hash(chatMl)
  assert.match(first, /^[0-9a-f]{64}$/)
  assert.equal(await hash(chatMl), first)
  const content = '{{ messages[0].content }}'
  const hashes = [
    first,
    await hash(chatMl, 'x'),
    await hash(chatMl, 'y'),
    await hash(`a${content}`),
    await hash(`${content}a`),
  ]
  assert.equal(new Set(hashes).size, hashes.length)
})

const unfit: Record<string, [template: string | undefined, sentence: RegExp, system?: string]> = {
  'no template': [undefined, /no chat template, expected an instruction-tuned one/],
  'a template that joins words': ['{{ messages[0].content.split() | join(" ") }}', /changes the document text/],
  'a template that escapes': [
    '{{ messages[0].content | replace("&", "&amp;") }}',
    /changes or leaves out the document text/,
  ],
  'a template that drops the text': ['{{ messages[0].role }}', /changes or leaves out the document text/],
  'a template that says it twice': ['{{ messages[0].content }}{{ messages[0].content }}', /repeats the document text/],
  'a template that puts the system text last': [
    '{{ messages[1].content }}{{ messages[0].content }}',
    /moves the document text/,
    's',
  ],
  'a template that ignores the system text': [
    '{{ messages[1].content }}',
    /system text.*leave the system text out/,
    's',
  ],
  'a template that refuses the system role': [
    "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{{ messages[0].content }}",
    /cannot be rendered \("System role not supported"\); leave the system text out/,
    's',
  ],
  'a template that is not Jinja': ['{% for %}', /cannot be rendered/],
}

const loop = (count: number, body: string): string => `{% for i in range(${count}) %}${body}{% endfor %}`
const harmful: readonly (readonly [template: string, reason: RegExp])[] = [
  [loop(1e9, 'x'), /a range of more than 10000 numbers/],
  [loop(9999, '{{ 1 }}'.repeat(30)), /more than 200000 steps/],
  [`{% set x = 'xxxxxxxx' %}${'{% set x = x + x %}'.repeat(40)}`, /more than 2097152 characters/],
  [`{% set x = [1] %}${'{% set x = x + x %}'.repeat(40)}`, /lists of more than 262144 values/],
  [`{{ ${'('.repeat(50_000)}1${')'.repeat(50_000)} }}`, /nested too deeply/],
  ['x'.repeat(300_000), /it has 300000 characters, and at most 262144 are read/],
]

test(`${harmful.length} templates that would take all time, memory or stack are refused as model-unsupported`, async () => {
  for (const [template, reason] of harmful) await assert.rejects(open(template), refused(reason))
})

test('the date of today in a template is written as it asks', async () => {
  const { tokenizer, template } = await open("{{ strftime_now('%Y') }}{{ messages[0].content }}")
  assert.match(textOf(tokenizer, template.head), /^\d{4}$/)
})

for (const [what, [template, sentence, system]] of Object.entries(unfit))
  test(`${what} is refused as model-unsupported`, () => assert.rejects(open(template, system), refused(sentence)))

const defaults: Record<string, string> = {
  'smollm2-135m': 'You are a helpful AI assistant named SmolLM, trained by Hugging Face',
  'qwen2.5-coder-0.5b': 'You are Qwen, created by Alibaba Cloud. You are a helpful assistant.',
}

// gemma3-270m is a base model without a template.
for (const name of testModels.filter((model) => model in defaults))
  test(`${name}: its own template is cut with its default system text and with another`, async () => {
    const source = readGguf(readFileSync(modelPath(name)), name).metadata
    const tokenizer = createTokenizer(source)
    for (const system of [undefined, 'Be brief.']) {
      const [head, between, end] = texts({ tokenizer, template: await createTemplate(source, tokenizer, system) })
      assert.equal(head, `<|im_start|>system\n${system ?? defaults[name]}<|im_end|>\n<|im_start|>user\n`)
      assert.deepEqual([between, end], ['\n\n', '<|im_end|>\n<|im_start|>assistant\n'])
    }
  })
