/** Decoded weights of every backend against bytes that the Python `gguf` package gave (scripts/make-decode-fixtures.py). */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { isas } from './isa.ts'
import { createNativeOps, nativeAvailable } from './native.ts'
import type { WeightType } from './ops.ts'
import { createReferenceOps } from './reference.ts'
import { blockLayout, type CpuOps, f32 } from './tensor.ts'

interface Fixture {
  readonly blocks: string
  readonly values: string
}

const fixtures: Record<string, Fixture> = JSON.parse(
  readFileSync(new URL('../../test/fixtures/decode.json', import.meta.url), 'utf8'),
)

const bytesOf = (base64: string): Uint8Array => new Uint8Array(Buffer.from(base64, 'base64'))

/** Blocks as the rows of a matrix of one block to a row, read by `embed`. */
const decode = (ops: CpuOps, type: WeightType, blocks: Uint8Array): Uint32Array => {
  const { values, bytes } = blockLayout[type]
  const rows = blocks.length / bytes
  const decoded = f32(
    ops.embed(
      ops.weight(type, [rows, values], blocks),
      Uint32Array.from({ length: rows }, (_, i) => i),
    ),
  )
  return new Uint32Array(decoded.buffer, decoded.byteOffset, decoded.length)
}

const check = (ops: CpuOps): void => {
  const types = Object.keys(blockLayout) as WeightType[]
  assert.deepEqual(Object.keys(fixtures).sort(), [...types].sort())
  for (const type of types) {
    const fixture = fixtures[type] as Fixture
    const blocks = bytesOf(fixture.blocks)
    assert.ok(blocks.length >= 6 * blockLayout[type].bytes, `${type}: at least 6 blocks`)
    assert.deepEqual(decode(ops, type, blocks), new Uint32Array(bytesOf(fixture.values).buffer), type)
  }
  ops.dispose()
}

const native = nativeAvailable()

test('decode: 11 types, real and extreme blocks, the reference gives the bits of the gguf package', () => {
  check(createReferenceOps())
})

for (const isa of isas) {
  const skip = !native.available ? native.reason : !native.isas.includes(isa) ? `no ${isa}` : false
  test(`decode: 11 types, real and extreme blocks, native ${isa} gives the bits of the gguf package`, { skip }, () => {
    check(createNativeOps({ threads: 2, isa }))
  })
}
