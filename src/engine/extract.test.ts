import assert from 'node:assert/strict'
import { test } from 'node:test'
import { questionOf } from './extract.ts'
import { schemaHint } from './schema-hint.ts'

test('extract: a description is asked for, as it is where it asks already; a name is spelt out', () => {
  const ask = (name: string, schema: object, isNeeded = true): string => questionOf(name, { ...schema }, isNeeded)
  assert.equal(ask('dog', { description: 'name of the dog' }), 'What is the name of the dog?')
  assert.equal(ask('dog', { description: 'The name of the dog.' }), 'What is The name of the dog?')
  assert.equal(ask('who', { description: 'who signed the contract' }), 'Who signed the contract?')
  assert.equal(ask('who', { title: 'Signer', description: ' ' }), 'What is the Signer?')
  assert.equal(ask('signedOn', {}), 'What is the signed on?')
  assert.equal(ask('due_date', { type: 'string' }), 'What is the due date?')
  assert.equal(ask('x', {}, false), 'What is the x? If the document does not say, answer null.')
})

test('schema hint: single values are told in words, objects and lists by their schema', () => {
  assert.equal(schemaHint({ type: 'string', maxLength: 9 }), 'Answer with a short text in quotes.')
  assert.equal(schemaHint({ type: ['integer', 'null'] }), 'Answer with a whole number, or null.')
  assert.equal(schemaHint({ anyOf: [{ type: 'boolean' }, { type: 'null' }] }), 'Answer with true or false, or null.')
  assert.equal(schemaHint({ enum: ['dry', 7] }), 'Answer with "dry", or 7.')
  assert.equal(schemaHint({ const: 'x' }), 'Answer with "x".')
  const list = { type: 'array', items: { type: 'integer' } }
  assert.equal(schemaHint(list), `Answer with JSON of this schema: ${JSON.stringify(list)}`)
  assert.match(schemaHint({ anyOf: [list, { type: 'null' }] }), /^Answer with JSON of this schema: /)
  assert.match(schemaHint({ $ref: '#/$defs/x' }), /schema/)
})
