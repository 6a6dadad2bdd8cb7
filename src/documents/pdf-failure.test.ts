import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CompactorError } from '../error.ts'
import { pdfFailure } from './pdf.ts'

test('what ends the thread that reads a PDF becomes one sentence with its cause, whatever was thrown', () => {
  const thrown = new TypeError('Cannot read properties\nof undefined (reading "get")')
  const failure = pdfFailure('a.pdf', thrown)
  assert.ok(failure instanceof CompactorError)
  assert.equal(failure.code, 'document-invalid')
  assert.equal(failure.cause, thrown)
  assert.match(failure.message, /^a\.pdf is damaged: its parts do not fit together \(.*properties.*\); print it anew$/)
  assert.doesNotMatch(failure.message, /\n/)
  assert.match(pdfFailure('a.pdf', 'out of stack').message, /\("?out of stack"?\)/)
  assert.match(pdfFailure('a.pdf', undefined).message, /undefined/)
})

test('a message of 100,000 characters out of a PDF is cut', () => {
  const { message } = pdfFailure('a.pdf', new Error('x'.repeat(100_000)))
  assert.ok(message.length < 1000, `${message.length} characters`)
})
