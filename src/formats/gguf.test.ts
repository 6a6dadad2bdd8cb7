import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { gguf as parseWithLibrary } from '@huggingface/gguf'
import fc from 'fast-check'
import { GgufWriter as Writer } from '../../test/fixtures/gguf-writer.ts'
import { modelPath, testModels } from '../../test/models.ts'
import { createReferenceOps } from '../backends/reference.ts'
import { blockLayout } from '../backends/tensor.ts'
import { CompactorError, type ErrorCode } from '../error.ts'
import { readGguf } from './gguf.ts'
import { ggufWeights } from './gguf-weights.ts'

const fixture = (name: string): Buffer => readFileSync(new URL(`../../test/fixtures/${name}`, import.meta.url))

const [U32, F32, BOOL, STRING, ARRAY, U64, I64] = [4, 6, 7, 8, 9, 10, 11]

const refused = (code: ErrorCode, sentence: RegExp) => (error: unknown) =>
  error instanceof CompactorError && error.code === code && sentence.test(error.message)

const read = (writer: Writer) => readGguf(writer.bytes(), 'model.gguf')

test('every scalar type and short arrays come out as JS values, 64-bit integers beyond 2^53 as bigint', () => {
  const writer = new Writer().header(0, 9)
  writer.string('u32').u32(U32, 7)
  writer.string('f32').u32(F32).raw(0, 0, 0x20, 0xc1)
  writer.string('bool').u32(BOOL).raw(1)
  writer.string('text').u32(STRING).string('größer')
  writer
    .string('small')
    .u32(U64)
    .u64(2 ** 53 - 1)
  writer
    .string('large')
    .u32(U64)
    .u64(2n ** 60n)
  writer.string('negative').u32(I64).raw(0xfe, 255, 255, 255, 255, 255, 255, 255)
  writer.string('numbers').u32(ARRAY, U32).u64(2).u32(3, 4)
  writer.string('strings').u32(ARRAY, STRING).u64(2).string('a').string('')
  const { metadata } = read(writer)
  const values = Object.fromEntries([...metadata.keys()].map((key) => [key, metadata.get(key)]))
  assert.deepEqual(values, {
    u32: 7,
    f32: -10,
    bool: true,
    text: 'größer',
    small: 2 ** 53 - 1,
    large: 2n ** 60n,
    negative: -2,
    numbers: [3, 4],
    strings: ['a', ''],
  })
  assert.equal(metadata.get('absent'), undefined)
  assert.equal(metadata.typeOf('text'), 'string')
  assert.equal(metadata.typeOf('numbers'), 'u32[2]')
})

test('an array of 1025 values is not given by get, and as integers and strings by the other two', () => {
  const writer = new Writer().header(0, 2)
  writer
    .string('numbers')
    .u32(ARRAY, U32)
    .u64(1025)
    .u32(...Array.from({ length: 1025 }, (_, i) => i * 3))
  writer.string('strings').u32(ARRAY, STRING).u64(1025)
  for (let index = 0; index < 1025; index++) writer.string(`s${index}`)
  const { metadata } = read(writer)
  assert.throws(
    () => metadata.get('numbers'),
    refused('model-corrupt', /numbers is an array of 1025, expected one value or at most 1024/),
  )
  assert.equal(metadata.integers('numbers')?.[1024], 3072)
  const table = metadata.strings('strings')
  assert.ok(table)
  const last = Buffer.from(table.bytes.subarray(table.starts[1024], (table.starts[1025] ?? 0) - 8)).toString()
  assert.equal(last, 's1024')
  assert.throws(
    () => metadata.strings('numbers'),
    refused('model-corrupt', /numbers is u32\[1025\], expected an array of strings/),
  )
  assert.throws(() => metadata.integers('strings'), refused('model-corrupt', /strings is string\[1025\]/))
})

test('names with what a terminal obeys and names of 70,000 letters are escaped and cut in sentences', () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['\u001b]0;x\u0007', /^x is damaged: tensor "\\u001b\]0;x\\u0007" has 9 dimensions/],
    ['y'.repeat(70_000), /^x is damaged: tensor "y{60}…" has 9 dimensions/],
  ]
  for (const [name, message] of cases)
    assert.throws(() => readGguf(new Writer().header(1, 0).string(name).u32(9).zeros(99).bytes(), 'x'), { message })
  const twice = new Writer().header(0, 2)
  for (let index = 0; index < 2; index++) twice.string('\n').u32(U32, 1)
  assert.throws(() => read(twice), refused('model-corrupt', /key "\\n" appears twice/))
})

test('tensors are views with rows first, placed by offset from the aligned end of the header', () => {
  const writer = new Writer().header(2, 0).tensor('b', [3], 32).tensor('a', [4, 2], 0).pad()
  const start = writer.bytes().length
  const bytes = writer.zeros(32 + 12).bytes()
  const { tensors } = readGguf(bytes, 'x')
  assert.deepEqual(tensors.get('a')?.shape, [2, 4])
  assert.equal(tensors.get('a')?.bytes.byteOffset, bytes.byteOffset + start)
  assert.equal(tensors.get('b')?.bytes.length, 12)
  assert.equal(tensors.get('b')?.bytes.buffer, bytes.buffer)
})

test('version 2 is read like version 3', () => {
  const bytes = new Writer().header(1, 1).string('k').u32(U32, 7).tensor('a', [4], 0).pad().zeros(16).bytes()
  bytes.writeUInt32LE(2, 4)
  const { metadata, tensors } = readGguf(bytes, 'old.gguf')
  assert.equal(metadata.get('k'), 7)
  assert.deepEqual(tensors.get('a')?.shape, [4])
})

test('general.alignment moves the tensors', () => {
  const writer = new Writer().header(1, 1).string('general.alignment').u32(U32, 256).tensor('a', [4], 0).pad(256)
  const start = writer.bytes().length
  assert.equal(start % 256, 0)
  assert.equal(read(writer.zeros(16)).tensors.get('a')?.bytes.byteLength, 16)
})

const damaged: Record<string, [Writer, ErrorCode, RegExp]> = {
  'an empty file': [new Writer(), 'model-unsupported', /does not begin with the letters GGUF/],
  'another format': [new Writer().text('PK\u0003\u0004 and more'), 'model-unsupported', /does not begin with/],
  'version 1': [new Writer().text('GGUF').u32(1, 0, 0), 'model-unsupported', /is version 1 of GGUF, only .* 2 and 3/],
  'big-endian bytes': [new Writer().text('GGUF').raw(0, 0, 0, 3).u64(0, 0), 'model-unsupported', /big-endian/],
  'a header cut after the magic number': [new Writer().text('GGUF'), 'model-corrupt', /the version needs 4 bytes/],
  '2^40 keys': [new Writer().header(0, 2 ** 40).zeros(99), 'model-corrupt', /the number of keys is 1099511627776/],
  '2^63 keys': [new Writer().header(0, 2n ** 63n), 'model-corrupt', /expected less than 2\^53/],
  '2^40 tensors': [new Writer().header(2 ** 40, 0), 'model-corrupt', /announces 1099511627776 tensors/],
  'a key longer than the file': [
    new Writer().header(0, 1).u64(1000).zeros(50),
    'model-corrupt',
    /length of key 0 is 1000/,
  ],
  'a key that is not UTF-8': [
    new Writer().header(0, 1).u64(2).raw(0xff, 0xfe).u32(U32, 1).zeros(8),
    'model-corrupt',
    /key 0 .*not UTF-8/,
  ],
  'a key twice': [
    new Writer().header(0, 2).string('k').u32(U32, 1).string('k').u32(U32, 1),
    'model-corrupt',
    /key k appears twice/,
  ],
  'value type 13': [new Writer().header(0, 1).string('k').u32(13).zeros(9), 'model-corrupt', /k has value type 13/],
  'a string value longer than the file': [
    new Writer().header(0, 1).string('k').u32(STRING).u64(99),
    'model-corrupt',
    /length of k is 99/,
  ],
  'an array of arrays': [
    new Writer().header(0, 1).string('k').u32(ARRAY, ARRAY).u64(0),
    'model-corrupt',
    /array of arrays/,
  ],
  'an array of 2^50 numbers': [
    new Writer()
      .header(0, 1)
      .string('k')
      .u32(ARRAY, U32)
      .u64(2 ** 50),
    'model-corrupt',
    /length of k is/,
  ],
  'an array whose second string leaves the file': [
    new Writer()
      .header(0, 1)
      .string('k')
      .u32(ARRAY, STRING)
      .u64(2)
      .string('a')
      .u64(2 ** 40),
    'model-corrupt',
    /string 1 of k/,
  ],
  'a string with a length of 2^63': [
    new Writer()
      .header(0, 1)
      .string('k')
      .u32(ARRAY, STRING)
      .u64(1)
      .u64(2n ** 63n),
    'model-corrupt',
    /string 0 of k/,
  ],
  'a tensor of no dimensions': [
    new Writer().header(1, 0).tensor('t', [], 0).zeros(8),
    'model-corrupt',
    /t has 0 dimensions/,
  ],
  'a tensor of five dimensions': [
    new Writer().header(1, 0).tensor('t', [1, 1, 1, 1, 1], 0),
    'model-corrupt',
    /t has 5 dimensions/,
  ],
  'a tensor with a dimension of 0': [
    new Writer().header(1, 0).tensor('t', [4, 0], 0).pad(),
    'model-corrupt',
    /shape \[0,4\]/,
  ],
  'dimensions whose product overflows': [
    new Writer()
      .header(1, 0)
      .tensor('t', [2 ** 40, 2 ** 40], 0)
      .pad(),
    'model-corrupt',
    /fewer than 2\^53 bytes/,
  ],
  'a row of 33 values in blocks of 32': [
    new Writer().header(1, 0).tensor('t', [33], 0, 8).pad().zeros(99),
    'model-corrupt',
    /33 values, expected a multiple of 32 for type Q8_0/,
  ],
  'tensor type 99': [new Writer().header(1, 0).tensor('t', [4], 0, 99), 'model-corrupt', /type 99/],
  'tensor type IQ2_XS': [
    new Writer().header(1, 0).tensor('t', [256], 0, 17),
    'model-unsupported',
    /IQ2_XS, .*F32, F16, Q4_0/,
  ],
  'a tensor twice': [
    new Writer().header(2, 0).tensor('t', [1], 0).tensor('t', [1], 32).pad().zeros(64),
    'model-corrupt',
    /t appears twice/,
  ],
  'a tensor at an odd offset': [
    new Writer().header(1, 0).tensor('t', [4], 16).pad().zeros(64),
    'model-corrupt',
    /offset 16, expected a multiple of 32/,
  ],
  'a tensor behind the end': [
    new Writer().header(1, 0).tensor('t', [4], 64).pad().zeros(64),
    'model-corrupt',
    /t ends at byte/,
  ],
  'two tensors on the same bytes': [
    new Writer().header(2, 0).tensor('s', [16], 0).tensor('t', [4], 32).pad().zeros(64),
    'model-corrupt',
    /s and t share bytes from offset 32/,
  ],
  'an alignment of 33': [
    new Writer().header(0, 1).string('general.alignment').u32(U32, 33),
    'model-corrupt',
    /alignment is 33/,
  ],
  'a boolean of 2, when it is asked for': [
    new Writer().header(0, 1).string('k').u32(BOOL).raw(2),
    'model-corrupt',
    /boolean of value 2/,
  ],
}

for (const [what, [writer, code, sentence]] of Object.entries(damaged))
  test(`${what} is refused as ${code} by one sentence that names the file`, () => {
    const open = (): unknown => read(writer).metadata.get('k')
    assert.throws(open, refused(code, sentence))
    assert.throws(open, /model\.gguf|tensor|k is/)
  })

test('a real file cut at 200 places is refused as model-corrupt or model-unsupported, never otherwise', () => {
  const bytes = fixture('toy-llama.gguf')
  for (let cut = 0; cut < 200; cut++)
    assert.throws(
      () => readGguf(bytes.subarray(0, Math.floor((bytes.length * cut) / 200)), 'x'),
      (error) =>
        error instanceof CompactorError && (error.code === 'model-corrupt' || error.code === 'model-unsupported'),
    )
})

test('a header with 1 to 8 random bytes changed reads or is refused by a CompactorError, 500 seeded runs', () => {
  const bytes = fixture('every-type.gguf')
  const change = fc.tuple(fc.nat(800), fc.nat(255))
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 8 }), (changes) => {
      const copy = Buffer.from(bytes)
      for (const [at, value] of changes) copy[at] = value
      try {
        const { metadata } = readGguf(copy, 'x')
        for (const key of metadata.keys()) metadata.get(key)
      } catch (error) {
        assert.ok(error instanceof CompactorError, String(error))
      }
    }),
    { numRuns: 500, seed: 1 },
  )
})

test('all 11 tensor types have the bytes and decode to the very bits that the Python gguf package gives', async () => {
  const ops = createReferenceOps()
  const weights = ggufWeights(ops, readGguf(fixture('every-type.gguf'), 'every-type.gguf'))
  const expected: Record<string, string> = JSON.parse(fixture('every-type.json').toString())
  assert.deepEqual(
    [...weights.names()].sort(),
    Object.keys(blockLayout)
      .map((type) => type.toLowerCase())
      .sort(),
  )
  for (const [name, values] of Object.entries(expected)) {
    const matrix = weights.matrix(name)
    assert.deepEqual(matrix.shape, [2, 256])
    const decoded = await ops.read(ops.embed(matrix, Uint32Array.of(0, 1)))
    assert.equal(Buffer.from(decoded.buffer, decoded.byteOffset, decoded.byteLength).toString('base64'), values, name)
  }
})

test('weights: a missing tensor, a matrix asked as a vector and a vector that is not F32 are named', () => {
  const weights = ggufWeights(createReferenceOps(), readGguf(fixture('every-type.gguf'), 'm.gguf'))
  assert.throws(() => weights.matrix('nothing'), refused('model-corrupt', /m\.gguf has no tensor nothing/))
  assert.throws(
    () => weights.vector('f32'),
    refused('model-corrupt', /f32 of m\.gguf has shape \[2,256\], expected a vector/),
  )
  const half = new Writer().header(1, 0).tensor('h', [4], 0, 1).pad().zeros(8)
  assert.throws(
    () => ggufWeights(createReferenceOps(), read(half)).vector('h'),
    refused('model-unsupported', /h of model\.gguf is of type F16/),
  )
})

for (const name of testModels)
  test(`${name}: every scalar, vocabulary entry and tensor is as @huggingface/gguf reads it`, async () => {
    const path = modelPath(name)
    const ours = readGguf(readFileSync(path), name)
    const theirs = await parseWithLibrary(path, { allowLocalFile: true })
    const theirMetadata = theirs.metadata as unknown as Record<string, unknown>
    for (const key of ours.metadata.keys()) {
      const theirValue = theirMetadata[key]
      const table = ours.metadata.typeOf(key)?.startsWith('string[') ? ours.metadata.strings(key) : undefined
      if (table) {
        const { count, bytes, starts } = table
        const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
        const strings = Array.from({ length: count }, (_, i) =>
          text.toString('utf8', starts[i], (starts[i + 1] ?? 0) - 8),
        )
        assert.deepEqual(strings, theirValue, key)
      } else if (Array.isArray(theirValue)) assert.deepEqual([...(ours.metadata.integers(key) ?? [])], theirValue, key)
      else assert.equal(ours.metadata.get(key), theirValue, key)
    }
    assert.equal([...ours.metadata.keys()].length, Object.keys(theirMetadata).filter((key) => key.includes('.')).length)
    assert.deepEqual(
      [...ours.tensors.values()].map(({ name, shape, bytes }) => [name, [...shape].reverse(), bytes.byteOffset]),
      theirs.tensorInfos.map(({ name, shape, offset }) => [
        name,
        shape.map(Number),
        Number(theirs.tensorDataOffset + offset),
      ]),
    )
  })
