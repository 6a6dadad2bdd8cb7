/** The backends that a trial computes with: every instruction set of this processor in turn, on one thread. */
import type { Isa } from '../../src/backends/isa.ts'
import { createNativeOps, type NativeOps, nativeAvailable } from '../../src/backends/native.ts'
import type { Ops } from '../../src/backends/ops.ts'
import { Control } from '../../src/engine/control.ts'
import { Session } from '../../src/engine/session.ts'

const isas = (): readonly Isa[] => {
  const native = nativeAvailable()
  return native.available ? (native.isas as readonly Isa[]) : []
}

/** Ops whose every tensor is memory of its own, so that AddressSanitizer sees where it ends: `scope` hands out larger ones. */
export const exactOps = (): readonly (Ops & Pick<NativeOps, 'dispose'>)[] =>
  isas().map((isa) => ({ ...createNativeOps({ threads: 1, isa }), scope: (body) => body() }))

/** What the engine's worker is, without its thread. */
export const sessions = async (): Promise<readonly Session[]> => {
  const all = isas().length > 0 ? isas().map((isa) => ({ backend: 'native', isa }) as const) : []
  const settings = all.length > 0 ? all : [{ backend: 'reference' } as const]
  return Promise.all(
    settings.map(async (one) => {
      const session = new Session()
      await session.handle('start', { threads: 1, activations: 'int8', ...one }, newCall())
      return session
    }),
  )
}

export const newCall = (): Parameters<Session['handle']>[2] => ({
  control: new Control(),
  onPiece: () => undefined,
  onAnswered: () => undefined,
})
