/** Instruction sets that there are native kernels for, and which of them is taken. Not here: what a processor has (`Machine`). */
import { CompactorError } from '../error.ts'
import type { Machine } from './binding.ts'

/** Each with all of those before it. */
export const isas = ['scalar', 'avx2', 'avx512', 'amx'] as const

export type Isa = (typeof isas)[number]

const isIsa = (name: unknown): name is Isa => isas.includes(name as Isa)

/** The option, else COMPACTOR_ISA, else the best that the machine can run. Throws if it is none of them, or cannot be run. */
export const chooseIsa = ({ isas: present, refusal }: Machine, option: Isa | undefined): Isa => {
  const wanted = option ?? process.env.COMPACTOR_ISA ?? present.at(-1)
  if (!isIsa(wanted))
    throw new RangeError(
      `the instruction set must be scalar, avx2, avx512 or amx, got ${String(wanted)} (option isa or COMPACTOR_ISA)`,
    )
  if (!present.includes(wanted))
    throw new CompactorError(
      'backend-unavailable',
      `this ${refusal === undefined ? 'processor' : 'process'} cannot run the ${wanted} kernels, only ${present.join(', ')}` +
        `${refusal === undefined ? '' : ` (${refusal})`}: leave out the isa option and COMPACTOR_ISA`,
    )
  return wanted
}
