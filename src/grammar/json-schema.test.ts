/** Schemas against texts: what is written by keeping to a rule is valid for another validator, and what is not is cut short. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { type JsonSchema, ruleOfSchema } from './json-schema.ts'
import { Matcher, type State } from './matcher.ts'

const person = {
  type: 'object',
  description: 'annotations change nothing',
  properties: {
    name: { type: 'string', minLength: 1, maxLength: 12 },
    born: { type: 'integer', minimum: 1815, maximum: 2026 },
    'of"age': { type: 'boolean' },
    scores: { type: 'array', items: { type: 'number', minimum: 0 }, minItems: 1, maxItems: 3 },
    role: { enum: ['reader', 'writer', null, 7] },
    pet: { anyOf: [{ type: 'null' }, { const: { kind: 'cat' } }] },
  },
  required: ['name', 'scores'],
  additionalProperties: false,
} as const

const tree = {
  $defs: {
    node: {
      type: 'object',
      properties: { value: { type: 'integer' }, children: { type: 'array', items: { $ref: '#/$defs/node' } } },
      required: ['value'],
    },
  },
  $ref: '#/$defs/node',
} as const

const schemas: Readonly<Record<string, JsonSchema>> = {
  person,
  tree,
  'a list of pairs': { type: 'array', items: { type: ['string', 'null'] }, minItems: 2, maxItems: 2 },
  'an empty list': { type: 'array', maxItems: 0 },
  'whole numbers around 0': { type: 'integer', minimum: -12, exclusiveMaximum: 105 },
  'negative whole numbers': { type: 'integer', maximum: -3, minimum: -1204 },
  'any whole number': { type: 'integer' },
  'any number': { type: 'number' },
  'any string': { type: 'string' },
  anything: true,
  'any object': { type: 'object' },
  'alternatives with what is told apart': {
    oneOf: [
      { type: 'object', properties: { kind: { const: 'a' }, x: { type: 'integer' } }, required: ['kind'] },
      { type: 'object', properties: { kind: { const: 'b' }, y: { type: 'string', maxLength: 3 } }, required: ['kind'] },
    ],
  },
  'only optional properties': {
    type: 'object',
    properties: { a: { const: 1 }, b: { const: 2 }, c: { const: 3 } },
    additionalProperties: false,
  },
}

const uniform = (seed: number): (() => number) => {
  let state = seed
  return () => {
    state = (state * 1664525 + 1013904223) % 2 ** 32
    return state / 2 ** 32
  }
}

/** A text written byte by byte, each drawn among those that leave a way to the end within `most` bytes. */
const write = (matcher: Matcher, most: number, draw: () => number): string => {
  const bytes: number[] = []
  let state: State = matcher.start
  while (!(state.isComplete && (state.ways.length === 0 || draw() < 0.2))) {
    const left = most - bytes.length - 1
    const next = Array.from({ length: 256 }, (_, byte) => [byte, matcher.advance(state, Uint8Array.of(byte))] as const)
    const open = next.flatMap(([byte, after]) => (after && matcher.bytesLeft(after) <= left ? [{ byte, after }] : []))
    const chosen = open[Math.floor(draw() * open.length)]
    assert.ok(chosen, `nothing may follow ${Buffer.from(bytes).toString()}`)
    bytes.push(chosen.byte)
    state = chosen.after
  }
  assert.ok(bytes.length <= most)
  return new TextDecoder('utf-8', { fatal: true }).decode(Uint8Array.from(bytes))
}

for (const [name, schema] of Object.entries(schemas)) {
  test(`${name}: 100 texts of at most 120 bytes are JSON that another validator accepts`, () => {
    const validate = new Ajv2020({ strict: false }).compile(schema)
    const matcher = new Matcher(ruleOfSchema(schema))
    const draw = uniform(name.length)
    const texts = new Set<string>()
    for (let i = 0; i < 100; i++) {
      const text = write(matcher, 120, draw)
      texts.add(text)
      assert.ok(validate(JSON.parse(text)), `${text}: ${JSON.stringify(validate.errors)}`)
    }
    if (name !== 'an empty list') assert.ok(texts.size > 5, `only ${texts.size} different texts`)
  })
}

const accepts = (schema: JsonSchema, text: string): boolean => {
  const matcher = new Matcher(ruleOfSchema(schema))
  return matcher.advance(matcher.start, new TextEncoder().encode(text))?.isComplete === true
}

test('a person in the order of the schema, with or without spaces, is accepted; 8 texts that are not valid are not', () => {
  for (const text of [
    '{"name":"Ada","scores":[1]}',
    '{"name": "Ada é \\n😀", "born": 1815, "of\\"age": true, "scores": [0.5, 10], "role": null, "pet": {"kind":"cat"}}',
  ])
    assert.ok(accepts(person, text), text)
  for (const text of [
    '{"name":"","scores":[1]}',
    '{"name":"thirteen chars","scores":[1]}',
    '{"name":"Ada","born":1814,"scores":[1]}',
    '{"name":"Ada","born":2027,"scores":[1]}',
    '{"name":"Ada","scores":[]}',
    '{"name":"Ada","scores":[-1]}',
    '{"name":"Ada","scores":[1],"role":"x"}',
    '{"name":"Ada","scores":[01]}',
  ])
    assert.ok(!accepts(person, text), text)
})

test('whole numbers between bounds: of all from −130 to 130, just those inside are accepted, for 6 pairs of bounds', () => {
  for (const [minimum, maximum] of [
    [-12, 104],
    [0, 0],
    [7, 9],
    [9, 10],
    [-100, -9],
    [99, 101],
  ] as const)
    for (let value = -130; value <= 130; value++)
      assert.equal(
        accepts({ type: 'integer', minimum, maximum }, String(value)),
        value >= minimum && value <= maximum,
        `${value} in ${minimum} … ${maximum}`,
      )
})

test('the shortest ends: {"name":"x","scores":[0]} needs 25 bytes, a tree 11, and it falls with each byte written', () => {
  const matcher = new Matcher(ruleOfSchema(person))
  assert.equal(matcher.bytesLeft(matcher.start), '{"name":"x","scores":[0]}'.length)
  const trees = new Matcher(ruleOfSchema(tree))
  assert.equal(trees.bytesLeft(trees.start), '{"value":0}'.length)
  const half = trees.advance(trees.start, new TextEncoder().encode('{"value":12,"children":[{'))
  assert.equal(half && trees.bytesLeft(half), '"value":0}]}'.length)
})

test('what is not understood is refused by name, with the place', () => {
  const refused: readonly (readonly [JsonSchema, RegExp])[] = [
    [false, /it must be an object or true, got false/],
    [{ type: 'text' }, /has type "text"; there are object, array/],
    [{ type: 'string', pattern: '^a' }, /has pattern, which is not understood here/],
    [{ type: 'object', properties: { a: { type: 'string', format: 'date' } } }, /\/properties\/a has format/],
    [{ type: 'object', properties: { a: true }, required: ['b'] }, /requires "b", which is not among its properties/],
    [{ type: 'integer', minimum: 5, maximum: 4 }, /no whole number/],
    [{ type: 'number', minimum: 2 }, /only 0 is understood/],
    [{ type: 'array', minItems: 3, maxItems: 2 }, /minItems 3 above maxItems 2/],
    [{ type: 'string', minLength: -1 }, /minLength -1, expected a whole number from 0/],
    [{ enum: [] }, /\/enum must be a list of at least one/],
    [{ $ref: 'other.json' }, /only places in the same schema/],
    [{ $ref: '#/$defs/nothing' }, /where there is nothing/],
    [{ anyOf: [true], properties: {} }, /has both anyOf and properties/],
    [
      { $defs: { a: { type: 'array', items: { $ref: '#/$defs/a' }, minItems: 1 } }, $ref: '#/$defs/a' },
      /no value that ends/,
    ],
  ]
  for (const [schema, message] of refused)
    assert.throws(() => ruleOfSchema(schema), { code: 'usage', message }, JSON.stringify(schema))
})

test('what must follow is known up to the next choice: names of properties, the rest of an enumeration, the end of a full text', () => {
  const of = (schema: JsonSchema, text: string): string => {
    const matcher = new Matcher(ruleOfSchema(schema))
    const state = matcher.advance(matcher.start, new TextEncoder().encode(text))
    assert.ok(state)
    return new TextDecoder().decode(matcher.forced(state))
  }
  const object: JsonSchema = {
    type: 'object',
    properties: { mood: { enum: ['dry', 'cheerful'] }, size: { type: 'integer', minimum: 10, maximum: 19 } },
    required: ['mood', 'size'],
  }
  assert.equal(of(object, ''), '{"mood":')
  assert.equal(of(object, '{"mood":'), '') // a space or none
  assert.equal(of(object, '{"mood":"'), '')
  assert.equal(of(object, '{"mood":"d'), 'ry",')
  assert.equal(of(object, '{"mood":"dry", '), '"size":')
  assert.equal(of(object, '{"mood":"dry","size":1'), '')
  assert.equal(of(object, '{"mood":"dry","size":17'), '}')
  assert.equal(of(object, '{"mood":"dry","size":17}'), '')
  assert.equal(of({ type: 'string', maxLength: 2 }, '"ab'), '"')
  assert.equal(of({ type: ['boolean', 'null'] }, 'n'), 'ull')
  assert.equal(of({ const: 'né' }, ''), '"né"')
  assert.equal(of({ type: 'integer' }, '-'), '')
})
