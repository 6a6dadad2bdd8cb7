import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { toyRandom } from '../../test/fixtures/toy-context.ts'
import { CompactorError } from '../error.ts'
import { isas } from './isa.ts'
import { createNativeOps, nativeAvailable } from './native.ts'
import { createReferenceOps } from './reference.ts'
import type { CpuOps } from './tensor.ts'

const random = toyRandom(3)
const noise = (length: number): Uint8Array => Uint8Array.from({ length }, () => random() * 256)

const native = nativeAvailable()

interface Backend {
  readonly name: string
  readonly make: () => CpuOps
  readonly skip: string | false
}

const backends: readonly Backend[] = [
  { name: 'reference', make: createReferenceOps, skip: false },
  ...isas.flatMap((isa) =>
    [1, 2].map((threads) => ({
      name: `native ${isa}, ${threads} threads`,
      make: () => createNativeOps({ threads, isa }),
      skip: !native.available ? native.reason : !native.isas.includes(isa) && `no ${isa}`,
    })),
  ),
]

for (const { name, make, skip } of backends) {
  test(`digests (${name}): pieces of 1 to 300 bytes and of 65,536, whole and cut short, are the SHA-256 of each`, {
    skip,
  }, () => {
    const ops = make()
    const bytes = noise(37 * 65536 + 77) // twice sixteen pieces, and five
    const cases = [
      ...Array.from({ length: 300 }, (_, i) => ({ pieceBytes: i + 1, length: 37 * (i + 1) + (i % 7) })),
      ...[0, 1, 65535, 65536, 65537, 4 * 65536, 16 * 65536 - 1, 16 * 65536, bytes.length].map((length) => ({
        pieceBytes: 65536,
        length,
      })),
      { pieceBytes: bytes.length, length: bytes.length },
      { pieceBytes: 2 ** 40, length: 1000 },
    ]
    for (const { pieceBytes, length } of cases) {
      const file = bytes.subarray(1, 1 + length) // from an odd address
      const expected = Array.from({ length: Math.ceil(file.length / pieceBytes) }, (_, i) =>
        createHash('sha256')
          .update(file.subarray(i * pieceBytes, (i + 1) * pieceBytes))
          .digest(),
      )
      assert.deepEqual(Buffer.from(ops.digests(file, pieceBytes)), Buffer.concat(expected), `${pieceBytes}, ${length}`)
    }
    ops.dispose()
  })

  test(`digests (${name}): pieces without bytes are refused`, { skip }, () => {
    const ops = make()
    for (const pieceBytes of [0, -1, 1.5, Number.NaN])
      assert.throws(() => ops.digests(noise(10), pieceBytes), { name: 'RangeError', message: /at least one byte/ })
    ops.dispose()
  })
}

test('digests (native): an aborted run throws and gives nothing', {
  skip: !native.available ? native.reason : !native.features.includes('sha') && 'the processor has no SHA instructions',
}, () => {
  const abortWord = new Int32Array(new SharedArrayBuffer(4))
  const ops = createNativeOps({ threads: 2, abortWord })
  abortWord[0] = 1
  assert.throws(
    () => ops.digests(noise(2 ** 21), 65536),
    (error) => error instanceof CompactorError && error.code === 'aborted',
  )
  ops.dispose()
})
