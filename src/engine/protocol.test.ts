import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CompactorError } from '../error.ts'
import { fromWire, toWire } from './protocol.ts'

const across = (error: unknown): Error => fromWire(structuredClone(toWire(error)))

test('protocol: the four kinds of error keep class, code and message across the thread border', () => {
  const coded = across(new CompactorError('document-too-long', 'too long'))
  assert.ok(coded instanceof CompactorError && coded.code === 'document-too-long' && coded.message === 'too long')
  assert.ok(across(new RangeError('r')) instanceof RangeError)
  assert.ok(across(new TypeError('t')) instanceof TypeError)
  const other = across(new SyntaxError('surprise'))
  assert.ok(other instanceof CompactorError && other.code === 'worker-failed')
  assert.match(other.message, /surprise/)
  assert.match(String(other.cause), /SyntaxError/)
})
