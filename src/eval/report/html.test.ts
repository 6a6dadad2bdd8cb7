/** The template that every page is made with. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { readMarkup } from '../../../test/fixtures/markup.ts'
import { html } from './html.ts'

test('texts are escaped, Html is not, lists are joined, undefined and false are nothing, a number that is none is a dash', () => {
  const inner = html`<b>${'<"\'`&'}</b>`
  assert.equal(inner.text, '<b>&lt;&quot;&#39;&#96;&amp;</b>')
  assert.equal(
    html`${inner}${[1, 'a', [inner]]}${undefined}${false}${Number.NaN}${0}`.text,
    `${inner.text}1a${inner.text}–0`,
  )
})

test('control characters and marks of direction become their pictures, line ends and tabs stay', () => {
  assert.equal(html`${'a\u001b[31m\u0000\u007f\u009b\u202e\u2066\n\t'}`.text, 'a␛[31m␀␡\ufffd\ufffd\ufffd\n\t')
})

test('whatever text goes in comes out as the same text and as no element, in attributes too: 500 random texts', () => {
  const piece = fc.constantFrom('<', '>', '"', "'", '&', '`', '</p>', '<!--', 'x', '=', ' ', '&lt;', '\n')
  fc.assert(
    fc.property(fc.array(piece), (pieces) => {
      const text = pieces.join('')
      const elements = readMarkup(html`<p title="${text}">${text}</p>`.text)
      assert.deepEqual(elements, [{ name: 'p', attributes: { title: text }, text }])
    }),
    { numRuns: 500, seed: 1 },
  )
})
