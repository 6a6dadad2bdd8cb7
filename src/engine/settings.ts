/** What computes, and how: the caller's wishes checked and settled before a worker starts, and the ops made from them there. */
import { availableParallelism, cpus } from 'node:os'
import type { Isa } from '../backends/isa.ts'
import { createNativeOps, nativeAvailable } from '../backends/native.ts'
import { createReferenceOps } from '../backends/reference.ts'
import type { CpuOps } from '../backends/tensor.ts'
import { CompactorError } from '../error.ts'
import { mostThreads } from '../thread-limit.ts'
import type { EngineSettings } from './protocol.ts'

export interface ComputeOptions {
  /** Threads that compute; default: what the process may use. */
  readonly threads?: number | undefined
  /** Default: native where it can run, else reference, with `engine.backend.reason` saying why. Named ones must run. */
  readonly backend?: 'native' | 'reference' | undefined
  /** A lower instruction set than the best one this CPU has. Default: COMPACTOR_ISA, else the best. */
  readonly isa?: Isa | undefined
  /** Arithmetic of matrix products: activations in 8 bits per 32 values, with AMX in bfloat16 (default, faster), or f32. */
  readonly activations?: 'int8' | 'f32' | undefined
}

export interface Backend {
  readonly name: 'native' | 'reference'
  /** Why the native backend does not run, and what to do. */
  readonly reason?: string
}

/** Throws RangeError for options out of range, CompactorError('backend-unavailable') for a backend that cannot run here. */
export const settle = (options: ComputeOptions): { settings: EngineSettings; backend: Backend } => {
  const { threads = Math.min(mostThreads, availableParallelism()), activations = 'int8', isa } = options
  if (!Number.isInteger(threads) || threads < 1 || threads > mostThreads)
    throw new RangeError(`threads must be a whole number from 1 to ${mostThreads}, got ${threads}`)
  if (activations !== 'int8' && activations !== 'f32')
    throw new RangeError(`activations must be 'int8' or 'f32', got ${String(activations)}`)
  const backend = chooseBackend(options.backend)
  return { settings: { threads, activations, backend: backend.name, ...(isa === undefined ? {} : { isa }) }, backend }
}

const chooseBackend = (asked: ComputeOptions['backend']): Backend => {
  if (asked === 'reference') return { name: 'reference' }
  if (asked !== undefined && asked !== 'native')
    throw new RangeError(`backend must be 'native' or 'reference', got ${String(asked)}`)
  const native = nativeAvailable()
  if (native.available) return { name: 'native' }
  if (asked === 'native') throw new CompactorError('backend-unavailable', native.reason)
  return { name: 'reference', reason: native.reason }
}

export const createOps = ({ backend, threads, isa, activations }: EngineSettings): CpuOps =>
  backend === 'native'
    ? createNativeOps({ threads, activations, ...(isa === undefined ? {} : { isa }) })
    : createReferenceOps()

/** What rounding depends on, for whatever compares or remembers results. */
export const arithmeticOf = ({ backend, activations }: EngineSettings): string =>
  backend === 'native' ? `native ${activations}` : 'reference'

/** What speed depends on, for whatever remembers times. */
export const machineOf = ({ backend, threads, activations, isa }: EngineSettings): string => {
  const native = backend === 'native' ? nativeAvailable() : undefined
  const kernels = native?.available ? [isa ?? native.isa, activations, ...native.features].join(' ') : backend
  return `${cpus()[0]?.model.trim() ?? 'unknown'}, ${availableParallelism()} usable, ${threads} threads, ${kernels}`
}
