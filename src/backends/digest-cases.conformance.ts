/** Cases of `digests`; lengths and pieces of many kinds are in digests.test.ts. */
import { uniform } from './draw.conformance.ts'
import type { OpCase } from './ops.conformance.ts'

const digestCase = (length: number, pieceBytes: number): OpCase => ({
  op: 'digests',
  name: `${length} bytes in pieces of ${pieceBytes}`,
  family: 'exact',
  run: (ops) => {
    const draw = uniform(length)
    const found = ops.digests(
      Uint8Array.from({ length }, () => draw() * 256),
      pieceBytes,
    )
    return ops.from(Float32Array.from(found), [found.length / 32, 32])
  },
})

export const digestCases: readonly OpCase[] = [
  digestCase(0, 64),
  digestCase(1, 64),
  digestCase(55 * 7, 55),
  digestCase(56 * 7 - 1, 56),
  digestCase(100_003, 4096),
]
