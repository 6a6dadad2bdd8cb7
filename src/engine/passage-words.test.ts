import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sharedWords } from './passage-words.ts'
import { readTokens, type TokenText } from './passages.ts'

/** A token for each word with the space before it. */
const tokens = (text: string): TokenText => {
  const pieces = text.match(/ ?[^ ]+/g) ?? []
  return readTokens([...pieces.keys()], { decodeBytes: (id) => new TextEncoder().encode(pieces[id]) })
}

const document = tokens('The owl sleeps . The boat sails . The Owl eats .')
const passages = [0, 4, 8].map((from) => ({ from, to: from + 4 }))

test('words: case and spaces are no difference, a word of all 3 passages tells nothing, one of 1 tells more than one of 2', () => {
  const { question, answer } = sharedWords(passages, document, {
    question: tokens('Does the owl eats or'),
    answer: tokens('the OWL sleeps'),
  })
  const [one, two] = [Math.log(3), Math.log(3 / 2)]
  assert.deepEqual(answer, [one, 0, 0]) // the owl is in the question already
  assert.deepEqual(question, [two, 0, two + one])
})

test('words: all 0 where the document has none of them, and marks are no words', () => {
  const said = { question: tokens('Quid est ?'), answer: tokens('. . .') }
  assert.deepEqual(sharedWords(passages, document, said), { question: [0, 0, 0], answer: [0, 0, 0] })
})
