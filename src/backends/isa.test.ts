/** Which instruction set is taken, on machines that this one may not be. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Machine } from './binding.ts'
import { chooseIsa, type Isa } from './isa.ts'

/** Without COMPACTOR_ISA, or with. */
const chosen = (machine: Machine, option?: Isa, variable?: string): Isa => {
  const before = process.env.COMPACTOR_ISA
  try {
    if (variable === undefined) delete process.env.COMPACTOR_ISA
    else process.env.COMPACTOR_ISA = variable
    return chooseIsa(machine, option)
  } finally {
    if (before === undefined) delete process.env.COMPACTOR_ISA
    else process.env.COMPACTOR_ISA = before
  }
}

const older: Machine = { isas: ['scalar', 'avx2'], features: ['avx2'] }
const refused: Machine = {
  isas: ['scalar', 'avx2', 'avx512'],
  features: ['avx2', 'avx512f'],
  refusal: 'the system does not give this process the tile registers of AMX',
}

test('instruction set: the best that the machine can run, before it COMPACTOR_ISA, before that the option', () => {
  assert.equal(chosen(older), 'avx2')
  assert.equal(chosen(refused), 'avx512')
  assert.equal(chosen(older, undefined, 'scalar'), 'scalar')
  assert.equal(chosen(older, 'avx2', 'scalar'), 'avx2')
})

test('instruction set: an absent one is refused, and where the system refuses AMX, that is why', () => {
  const code = 'backend-unavailable'
  for (const [option, variable] of [['amx'], [undefined, 'amx']] as const) {
    assert.throws(() => chosen(older, option, variable), {
      code,
      message:
        'this processor cannot run the amx kernels, only scalar, avx2: leave out the isa option and COMPACTOR_ISA',
    })
    assert.throws(() => chosen(refused, option, variable), {
      code,
      message:
        'this process cannot run the amx kernels, only scalar, avx2, avx512 (the system does not give this process the tile registers of AMX): leave out the isa option and COMPACTOR_ISA',
    })
  }
})
