/**
 * Products for few tokens by the 8-bit tiles of AMX against the panels of AVX-512, which the conformance suite holds to the
 * reference: the same bits, for every type, sizes around tiles and chunks of columns, codes at their ends, damage.
 */
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { normals } from './draw.conformance.ts'
import type { Isa } from './isa.ts'
import { bytesOf, type Matrix, types } from './matmul-cases.conformance.ts'
import { createNativeOps, type NativeOps, nativeAvailable } from './native.ts'
import type { WeightType } from './ops.ts'
import { blockLayout } from './tensor.ts'

/** Rows that make a matrix large enough for tiles (`kFewestInt8TileWeights` in kernels/matmul.cc), and no whole strip. */
const rowsFor = (columns: number): number => Math.ceil(2 ** 20 / columns / 16) * 16 + 5

const inTiles = types.filter((type) => !['F32', 'F16', 'BF16'].includes(type))

/** Of blocks of 256: one, several; of 32 besides: chunks of eight groups with one, two and seven left. */
const columnsOf = (type: WeightType): readonly number[] =>
  blockLayout[type].values === 256 ? [256, 1024] : [256, 1056, 1088, 736]

const skip = (() => {
  const native = nativeAvailable()
  if (!native.available) return native.reason
  return native.isa === 'amx' ? false : 'no AMX'
})()

describe('8-bit tiles give the bits of 8-bit panels', { skip }, () => {
  const opsOf = (isa: Isa, threads = 2): NativeOps => createNativeOps({ threads, isa, activations: 'int8' })
  const [tiles, panels, tilesAlone] = skip ? [] : [opsOf('amx'), opsOf('avx512'), opsOf('amx', 1)]
  after(() => {
    for (const ops of [tiles, panels, tilesAlone]) ops?.dispose()
  })

  const product = async (ops: NativeOps | undefined, matrix: Matrix, x: Float32Array, added: boolean) => {
    assert.ok(ops)
    const n = x.length / matrix.columns
    const weight = ops.weight(matrix.type, [matrix.rows, matrix.columns], bytesOf(matrix))
    const options = {
      bias: ops.from(normals(matrix.rows, 3), [matrix.rows]),
      add: ops.from(normals(n * matrix.rows, 4), [n, matrix.rows]),
    }
    return ops.read(ops.matmul(ops.from(x, [n, matrix.columns]), weight, added ? options : {}))
  }

  /** Of three matrices of several types at once, none of whole strips. */
  const productsOf = async (ops: NativeOps | undefined, n: number) => {
    assert.ok(ops)
    const columns = 1024
    const weights = (['Q8_0', 'Q4_K', 'Q6_K'] as const).map((type, i) => {
      const matrix = { type, rows: rowsFor(columns) + 16 * i + i, columns, seed: i }
      return ops.weight(type, [matrix.rows, columns], bytesOf(matrix))
    })
    const outs = ops.matmulEach(ops.from(normals(n * columns, 2), [n, columns]), weights)
    return Promise.all(outs.map((out) => ops.read(out)))
  }

  for (const n of [13, 19])
    test(`three matrices of three types, ${n} tokens, with one thread and with two`, async () => {
      const expected = await productsOf(panels, n)
      assert.deepEqual(await productsOf(tiles, n), expected)
      assert.deepEqual(await productsOf(tilesAlone, n), expected)
    })

  const assertSame = async (matrix: Matrix, x: Float32Array, added = false): Promise<void> => {
    const expected = await product(panels, matrix, x, added)
    const got = await product(tiles, matrix, x, added)
    const differing = expected.findIndex((value, i) => !Object.is(value, got[i]))
    assert.equal(differing, -1, `value ${differing}: ${got[differing]}, not ${expected[differing]}`)
  }

  for (const type of inTiles) {
    for (const columns of columnsOf(type))
      for (const n of [12, 16, 17, 19])
        test(`${type}, ${columns} columns, ${n} tokens`, async () => {
          const matrix = { type, rows: rowsFor(columns), columns, seed: 1 }
          await assertSame(matrix, normals(n * columns, 2), n % 2 === 1)
        })

    test(`${type}, codes and activations at their ends`, async () => {
      for (const fill of [0, 0x7f, 0x80, 0xff]) {
        const matrix: Matrix = { type, rows: rowsFor(256), columns: 256, fill, halves: [60_000, 60_000], seed: 1 }
        const x = normals(16 * 256, 2).map((value, i) => (i % 3 === 0 ? Math.sign(value) * 1e30 : value))
        await assertSame(matrix, x)
      }
    })

    test(`${type}, what is not finite stays in its row and token`, async () => {
      const matrix: Matrix = { type, rows: rowsFor(256), columns: 256, damaged: true, seed: 1 }
      const x = normals(16 * 256, 2)
      x[3 * 256 + 40] = Number.NaN
      x[5 * 256 + 200] = Number.POSITIVE_INFINITY
      await assertSame(matrix, x)
    })
  }
})
