import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withoutFurniture } from './pdf-furniture.ts'

const page = (number: number, text: string): string => `The Ledger of Norrholm\n\n${text}\n\n${number}`

test('furniture: of 5 pages the running title stays once and no page number; the text between stays as it is', () => {
  const texts = ['It was', 'dark.\nAt nine\n\nit rained.', 'In 1874', 'The end', 'of it.']
  const pages = withoutFurniture(texts.map((text, i) => page(i + 1, text)))
  assert.deepEqual(pages, [`The Ledger of Norrholm\n\n${texts[0]}`, ...texts.slice(1)])
})

test('furniture: titles of left and right pages go, with the number in them; a line in the middle that is like them stays', () => {
  const pages = Array.from({ length: 8 }, (_, i) => {
    const title = i % 2 === 0 ? `${i + 1} | Part One` : `Chapter Two | ${i + 1}`
    return `${title}\na${'x'.repeat(i)}\nb\n9 | Part One\nc${'y'.repeat(i)}\nd${'z'.repeat(i)}`
  })
  const left = withoutFurniture(pages)
  assert.equal(left[0], pages[0])
  assert.equal(left[1], pages[1])
  assert.equal(left[2], 'axx\nb\n9 | Part One\ncyy\ndzz')
  assert.equal(left[7]?.split('\n')[0], 'axxxxxxx')
})

test('furniture: rows of a table, questions with their numbers and pages of numbers alone stay', () => {
  const years = Array.from({ length: 10 }, (_, i) =>
    [0, 1, 2, 3, 4].map((row) => `${1900 + 7 * i + row} | ${i * row}.2 | 3.${row * i}`).join('\n'),
  )
  assert.deepEqual(withoutFurniture(years), years)
  const questions = years.map(
    (_, i) => `Question ${i + 1}\n${'x'.repeat(i + 1)}\n${'y'.repeat(i + 1)}\nz${'z'.repeat(i)}`,
  )
  assert.deepEqual(withoutFurniture(questions), questions)
  const numbers = years.map((_, i) => `${i + 1}`)
  assert.deepEqual(withoutFurniture(numbers), numbers)
})

test('furniture: a number beside the word page, or between dashes, is a page number', () => {
  const pages = Array.from(
    { length: 6 },
    (_, i) => `Page ${i + 3} of 9\n${'a'.repeat(i + 2)}\n${'b'.repeat(i + 2)}\n- ${i + 3} -`,
  )
  const left = withoutFurniture(pages)
  assert.equal(left[0], 'Page 3 of 9\naa\nbb')
  assert.equal(left[5], 'aaaaaaa\nbbbbbbb')
})

test('furniture: 3 pages are too few to tell, and what two of ten pages begin with is text', () => {
  const few = [1, 2, 3].map((number) => page(number, 'x'))
  assert.deepEqual(withoutFurniture(few), few)
  const ten = Array.from({ length: 10 }, (_, i) =>
    i < 2 ? 'Dear Ada,\nhello' : `${'w'.repeat(i)} text\nmore${i}x${'v'.repeat(i)}`,
  )
  assert.deepEqual(withoutFurniture(ten), ten)
  assert.deepEqual(withoutFurniture(['', '', 'a', '', 'a']), ['', '', 'a', '', 'a'])
})
