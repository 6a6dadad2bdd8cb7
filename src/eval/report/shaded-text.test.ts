/** Documents as shaded text: the text as it was, shades that follow the counts, marks of what always stays. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Element, readMarkup } from '../../../test/fixtures/markup.ts'
import { levelOf, type ShadedDocument, shadedText, shadedTextPage } from './shaded-text.ts'

const document: ShadedDocument = {
  head: '<|im_start|>user\n',
  tokens: ['One', ' two', '\n', '', '東', ' end'],
  kept: [
    [2, 0, 1, 0, 2, 2],
    [2, 0, 0, 0, 1, 2],
    [2, 0, 0, 0, 0, 2],
  ],
  kvHeads: 2,
  protectFirst: 1,
  protectLast: 1,
  bytes: 1_300,
  fullBytes: 3_600,
  facts: [['model', 'a model']],
}

const elementsOf = (shaded: ShadedDocument): Element[] => readMarkup(shadedText(shaded).text)

const tokensOf = (elements: readonly Element[]): Element[] =>
  elements.filter(({ attributes }) => /^token /.test(attributes.title ?? ''))

const shown = (elements: readonly Element[], kind: string): string | undefined =>
  elements.find(({ attributes }) => attributes.class === kind)?.text

describe('a document of 6 tokens in 3 layers of 2 heads', () => {
  const elements = elementsOf(document)
  const tokens = tokensOf(elements)

  test('the text is the document, what stood before it is apart', () => {
    assert.equal(shown(elements, 'text'), 'One two\n東 end')
    assert.equal(shown(elements, 'head-part'), '<|im_start|>user\n')
  })

  test('shades follow the mean over layers and heads: 6/6, 0, 1/6, 0, 3/6, 6/6', () => {
    assert.deepEqual(
      tokens.map(({ attributes }) => /k(\d+)/.exec(attributes.class ?? '')?.[1]),
      ['15', '0', '3', '0', '8', '15'],
    )
    assert.deepEqual(
      tokens.map(({ attributes }) => attributes.title),
      ['token 1: 100 %', 'token 2: 0 %', 'token 3: 17 %', 'token 4: 0 %', 'token 5: 50 %', 'token 6: 100 %'],
    )
  })

  test('the first and the last token are marked as protected, line ends as such', () => {
    const having = (mark: string): number[] =>
      tokens.flatMap(({ attributes }, i) => (attributes.class?.split(' ').includes(mark) ? i : []))
    assert.deepEqual([having('p'), having('n')], [[0, 5], [2]])
  })

  test('the legend says bytes, share and shape', () => {
    const text = elements.filter(({ name }) => name === 'dd').map((value) => value.text)
    assert.deepEqual(text, ['a model', '6, in 3 layers of 2 KV heads', '1.30 kB of 3.60 kB (36.1 %)'])
    assert.match(shown(elements, 'legend') ?? '', /0 % ?20 % ?40 %.*protected: first 1 and last 1/)
  })

  test('each of 3 layers and their average can be chosen, a digit for each token', () => {
    const options = elements.filter(({ name }) => name === 'option')
    assert.deepEqual(
      options.map(({ text, attributes }) => `${text} ${attributes['data-levels']}`),
      ['all layers, average f0308f', 'layer 0 f080ff', 'layer 1 f0008f', 'layer 2 f0000f'],
    )
  })
})

test('nothing is level 0 only when nothing is kept; the smallest share already shows', () => {
  assert.deepEqual([0, 1e-9, 0.02, 0.5, 0.999, 1, 1.2].map(levelOf), [0, 1, 1, 8, 15, 15, 15])
})

test('hostile tokens, names and heads stay text, across token boundaries too', () => {
  const tokens = ['</', 'script', '><script', '>alert(1)//', '&lt;', '</span></div>']
  const kept = [tokens.map(() => 1)]
  const page = shadedTextPage('<b>"&', { ...document, tokens, kept, head: '</div><img>', facts: [['<i>', '"><i>']] })
  const elements = readMarkup(page)
  assert.equal(elements.filter(({ name }) => ['b', 'i', 'img'].includes(name)).length, 0)
  assert.equal(elements.filter(({ name }) => name === 'script').length, 1)
  assert.equal(shown(elements, 'text'), tokens.join(''))
  assert.equal(elements.find(({ name }) => name === 'title')?.text, '<b>"&')
})

test('one layer needs no choice, no head and no protection no mark, no token no text', () => {
  const bare = elementsOf({
    tokens: [],
    kept: [[]],
    kvHeads: 1,
    protectFirst: 0,
    protectLast: 0,
    bytes: 0,
    fullBytes: 0,
  })
  assert.equal(bare.filter(({ name, attributes }) => name === 'select' || attributes.class === 'head-part').length, 0)
  assert.equal(shown(bare, 'text'), '')
  assert.doesNotMatch(bare[0]?.text ?? '', /NaN|protected/)
})

test('counts that are not of these tokens are refused with both numbers', () => {
  const missing = { ...document, kept: [[1, 1, 1, 1, 1, 1], [1]] }
  assert.throws(() => shadedText(missing), /^RangeError: expected a count for each of 6 tokens, layer 1 has 1$/)
  assert.throws(() => shadedText({ ...document, kvHeads: 0 }), /^RangeError: kvHeads must be at least 1, got 0$/)
})
