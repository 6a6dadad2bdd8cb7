/** The native backend against the reference: every instruction set this processor has, both kinds of activations. */
import { test } from 'node:test'
import { CompactorError } from '../error.ts'
import { type Isa, isas } from './isa.ts'
import { testLayer14 } from './layer14.conformance.ts'
import { createNativeOps, nativeAvailable } from './native.ts'
import { assertSameBits, type OpName, testOps } from './ops.conformance.ts'

const noAddon = nativeAvailable().available ? false : 'the addon cannot be loaded'

/** Why an instruction set cannot be tested here; a missing addon is for `testOps` to judge. */
const missing = (isa: Isa): string | undefined => {
  try {
    createNativeOps({ threads: 1, isa }).dispose()
    return undefined
  } catch (error) {
    if (!(error instanceof CompactorError) || !nativeAvailable().available) return undefined
    return error.message
  }
}

/** Where factors may be rounded: matrix products by every instruction set, attention where pairs of bfloat16 are multiplied. */
const roundingOps = (isa: Isa): readonly OpName[] => {
  const available = nativeAvailable()
  const isBf16 =
    isas.indexOf(isa) >= isas.indexOf('avx512') && available.available && available.features.includes('avx512bf16')
  const products = ['matmul', 'matmulEach'] as const
  return isBf16 ? [...products, 'attend', 'attentionReceived'] : products
}

for (const isa of isas) {
  const reason = missing(isa)
  if (reason) test(`native ${isa}: not run`, { skip: reason }, () => {})
  else
    for (const activations of ['f32', 'int8'] as const)
      testOps(`native ${isa} ${activations}`, () => createNativeOps({ threads: 2, isa, activations }), {
        rounding: activations === 'int8' ? roundingOps(isa) : [],
      })
  if (!reason) testLayer14(`native ${isa}`, () => createNativeOps({ threads: 2, isa }), noAddon)
}

test('native: one thread and two give the same bits', {
  skip: nativeAvailable().available ? false : 'no addon',
}, () => {
  const [one, two] = [createNativeOps({ threads: 1 }), createNativeOps({ threads: 2 })]
  assertSameBits(one, two)
  one.dispose()
  two.dispose()
})
