/**
 * Scores and rotary embedding of one real layer (smollm2-135m, layer 14, a passage of 534 tokens) against numbers made
 * with another implementation in float32: the only place where the definition itself is held against something else.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { Ops, Tensor } from './ops.ts'
import { type CpuOps, f32 } from './tensor.ts'

const fixture = new URL('../../test/fixtures/smollm2-135m-layer14', import.meta.url).href

interface Manifest {
  readonly arrays: Readonly<Record<string, { readonly shape: readonly number[]; readonly offset: number }>>
}

/** Arrays of the fixture by name: q, k and rawK token-major, phi, and what is expected. */
const readLayer = (): ((ops: Ops, name: string) => Tensor) => {
  const { arrays } = JSON.parse(readFileSync(new URL(`${fixture}.json`), 'utf8')) as Manifest
  const bytes = Uint8Array.from(readFileSync(new URL(`${fixture}.f32`)))
  return (ops, name) => {
    const array = arrays[name]
    assert.ok(array, `the fixture has ${name}`)
    const count = array.shape.reduce((product, size) => product * size, 1)
    return ops.from(new Float32Array(bytes.buffer, array.offset, count), array.shape)
  }
}

const largest = (values: Iterable<number>): number => [...values].reduce((a, b) => Math.max(a, b), 0)

/** Share of the top quarter of `want` that is in the top quarter of `got`. */
const topQuarterAgreement = (got: Float32Array, want: Float32Array): number => {
  const top = (values: Float32Array): Set<number> => {
    const order = [...values.keys()].sort((a, b) => (values[b] as number) - (values[a] as number))
    return new Set(order.slice(0, Math.floor(values.length / 4)))
  }
  const [mine, theirs] = [top(got), top(want)]
  return [...theirs].filter((index) => mine.has(index)).length / theirs.size
}

const ridgeOf = { leverageExact: 1e-9, leverageSketched: 5e-3 } as const
const chunksOf = {
  mass256: { chunkTokens: 256, scale: 1 },
  mass256Scaled: { chunkTokens: 256, scale: 1 / 8 },
  mass128: { chunkTokens: 128, scale: 1 },
} as const

export const testLayer14 = (name: string, createOps: () => CpuOps, skip: string | false = false): void => {
  const layer = readLayer()

  for (const which of ['leverageExact', 'leverageSketched'] as const)
    test(`${name}: ${which} of a real layer within 1e-3, top quarter 99.5 % the same`, { skip }, (context) => {
      const ops = createOps()
      const sketch = which === 'leverageSketched' ? { sketch: layer(ops, 'phi') } : {}
      const got = f32(ops.leverage(layer(ops, 'rawK'), { ridge: ridgeOf[which], ...sketch }))
      const want = f32(layer(ops, which))
      const error = largest(want.map((value, i) => Math.abs((got[i] as number) - value) / value))
      const agreement = topQuarterAgreement(got, want)
      context.diagnostic(`${name} ${which}: largest relative error ${error.toPrecision(3)}, top quarter ${agreement}`)
      assert.ok(error <= 1e-3 && agreement >= 0.995)
      ops.dispose()
    })

  for (const which of ['mass256', 'mass256Scaled', 'mass128'] as const)
    test(`${name}: ${which} of a real layer within 1e-3 of mean and own mass, top quarter 99.5 % the same`, {
      skip,
    }, (context) => {
      const ops = createOps()
      const got = f32(ops.chunkAttentionMass(layer(ops, 'q'), layer(ops, 'k'), chunksOf[which]))
      const want = f32(layer(ops, which))
      const mean = want.reduce((sum, value) => sum + value, 0) / want.length
      const error = largest(want.map((value, i) => Math.abs((got[i] as number) - value) / (mean + value)))
      const agreement = topQuarterAgreement(got, want)
      context.diagnostic(
        `${name} ${which}: largest error ${error.toPrecision(3)} of mean and own, top quarter ${agreement}`,
      )
      assert.ok(error <= 1e-3 && agreement >= 0.995)
      ops.dispose()
    })

  test(`${name}: rotating a real layer's keys gives its rotated keys within 1e-5 of the largest`, {
    skip,
  }, (context) => {
    const ops = createOps()
    const k = layer(ops, 'rawK')
    const positions = Uint32Array.from({ length: k.shape[0] ?? 0 }, (_, i) => i)
    const got = f32(ops.rope([k], positions, { theta: 100000, layout: 'halves' })[0])
    const want = f32(layer(ops, 'k'))
    const error = largest(want.map((value, i) => Math.abs((got[i] as number) - value))) / largest(want.map(Math.abs))
    context.diagnostic(`${name} rope: largest error ${error.toPrecision(3)} of the largest value`)
    assert.ok(error <= 1e-5)
    ops.dispose()
  })
}
