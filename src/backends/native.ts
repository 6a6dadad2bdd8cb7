/**
 * The backend that computes in C++ (kernels/): unwraps tensors, takes outputs from the pool of buffers, and turns an
 * aborted kernel into CompactorError('aborted'). What each op means is said in `ops.ts`; arguments are checked by the
 * addon. Not here: which backend is chosen when this one is absent.
 */
import { CompactorError } from '../error.ts'
import { type Binding, loadBinding, type PoolHandle, type SegmentArguments, weightTypes } from './binding.ts'
import type { Ops, Segment, Tensor, Weight } from './ops.ts'
import { type CpuTensor, type CpuWeight, cpu, cpuTensor, cpuWeight, f32, reshape, slice, TensorPool } from './tensor.ts'

export type Isa = 'scalar' | 'avx2'

export interface NativeOptions {
  readonly threads: number
  /** Default: COMPACTOR_ISA, else the best this processor has. */
  readonly isa?: Isa
  /** int8 (default) lets few tokens be multiplied with activations of 8 bits; f32 keeps all arithmetic in f32. */
  readonly activations?: 'int8' | 'f32'
  /** One shared word: nonzero makes the running op, and each later one, throw CompactorError('aborted'). */
  readonly abortWord?: Int32Array
}

export interface NativeOps extends Ops {
  readonly isa: Isa
  /** Ends the threads and frees the scratch memory; any later op throws. */
  dispose(): void
}

export type NativeAvailability =
  | { readonly available: true; readonly isa: Isa; readonly features: readonly string[] }
  | { readonly available: false; readonly reason: string }

export const nativeAvailable = (): NativeAvailability => {
  const loaded = loadBinding()
  if ('reason' in loaded) return { available: false, reason: loaded.reason }
  return { available: true, isa: chooseIsa(loaded.binding, undefined), features: loaded.binding.machine().features }
}

/** Throws CompactorError('backend-unavailable') where the addon cannot be loaded. */
export const createNativeOps = (options: NativeOptions): NativeOps => {
  const loaded = loadBinding()
  if ('reason' in loaded) throw new CompactorError('backend-unavailable', loaded.reason)
  const { binding } = loaded
  const { threads, activations = 'int8', abortWord } = options
  if (activations !== 'int8' && activations !== 'f32')
    throw new TypeError(`activations must be int8 or f32, got ${String(activations)}`)
  const isa = chooseIsa(binding, options.isa)
  const context: Context = {
    binding,
    handle: binding.createPool(threads, isa, abortWord),
    pool: new TensorPool(),
    int8: activations === 'int8',
  }
  return {
    name: 'native',
    isa,
    ...memoryOps(context),
    ...transformerOps(context),
    ...cacheOps(context),
    ...scoringOps(context),
    dispose: () => {
      binding.disposePool(context.handle)
      context.pool.clear()
    },
  }
}

interface Context {
  readonly binding: Binding
  readonly handle: PoolHandle
  readonly pool: TensorPool
  readonly int8: boolean
}

const chooseIsa = (binding: Binding, option: Isa | undefined): Isa => {
  const { isas } = binding.machine()
  const wanted = option ?? process.env.COMPACTOR_ISA ?? isas.at(-1)
  if (wanted !== 'scalar' && wanted !== 'avx2')
    throw new RangeError(
      `the instruction set must be scalar or avx2, got ${String(wanted)} (option isa or COMPACTOR_ISA)`,
    )
  if (!isas.includes(wanted))
    throw new CompactorError(
      'backend-unavailable',
      `this processor cannot run the ${wanted} kernels, only ${isas.join(', ')}: leave out the isa option and COMPACTOR_ISA`,
    )
  return wanted
}

const finished = (complete: boolean): void => {
  if (!complete) throw new CompactorError('aborted', 'the computation was aborted')
}

const dimension = (tensor: Tensor, index: number): number => {
  const size = tensor.shape[index]
  if (size === undefined)
    throw new RangeError(`expected a tensor of at least ${index + 1} dimensions, got [${tensor.shape}]`)
  return size
}

/** [a, b, c] of a tensor that must have three dimensions. */
const threeDimensions = (tensor: Tensor): readonly [number, number, number] => {
  const [a, b, c, ...rest] = tensor.shape
  if (a === undefined || b === undefined || c === undefined || rest.length > 0)
    throw new RangeError(`expected a tensor of 3 dimensions, got [${tensor.shape}]`)
  return [a, b, c]
}

const sameShape = (a: Tensor, b: Tensor): void => {
  if (a.shape.length !== b.shape.length || a.shape.some((size, i) => size !== b.shape[i]))
    throw new RangeError(`expected two tensors of the same shape, got [${a.shape}] and [${b.shape}]`)
}

const weightArguments = (weight: Weight): [number, Uint8Array, number, number] => [
  weightTypes.indexOf(weight.type),
  (weight as CpuWeight).bytes,
  weight.shape[0],
  weight.shape[1],
]

type MemoryOps = Pick<Ops, 'scope' | 'zeros' | 'from' | 'read' | 'weight' | 'slice' | 'reshape' | 'copy'>

const memoryOps = ({ binding, handle, pool }: Context): MemoryOps => ({
  scope: (body) => pool.scope(body),
  zeros: (shape, dtype) => pool.zeros(shape, dtype),
  from: cpuTensor,
  read: async (tensor) => cpu(tensor).data.slice(),
  weight: cpuWeight,
  slice,
  reshape,
  copy: (target, source) => {
    sameShape(target, source)
    if (target.dtype === source.dtype) cpu(target).data.set(cpu(source).data)
    else binding.convert(handle, cpu(source).data, cpu(target).data)
  },
})

type TransformerOps = Pick<Ops, 'embed' | 'matmul' | 'rmsNorm' | 'swiglu' | 'rope'>

const transformerOps = ({ binding, handle, pool, int8 }: Context): TransformerOps => ({
  embed: (weight, ids) => {
    const out = pool.take([ids.length, weight.shape[1]], 'f32')
    finished(binding.embed(handle, ...weightArguments(weight), ids, f32(out)))
    return out
  },
  matmul: (x, weight, { bias, add } = {}) => {
    const [n, columns] = x.shape
    if (n === undefined || x.shape.length !== 2 || columns !== weight.shape[1])
      throw new RangeError(`matmul of x [${x.shape}] with a weight [${weight.shape}]: columns must agree`)
    const out = pool.take([n, weight.shape[0]], 'f32')
    if (add) sameShape(add, out)
    const complete = binding.matmul(
      handle,
      ...weightArguments(weight),
      f32(x),
      bias && f32(bias),
      add && f32(add),
      f32(out),
      int8,
    )
    finished(complete)
    return out
  },
  rmsNorm: (x, gain, eps) => {
    if (x.shape.at(-1) !== gain.shape[0])
      throw new RangeError(`rmsNorm of x [${x.shape}] with gain [${gain.shape}]: the last dimensions must agree`)
    const out = pool.take(x.shape, 'f32')
    finished(binding.rmsNorm(handle, f32(x), f32(gain), eps, f32(out)))
    return out
  },
  swiglu: (gate, up) => {
    sameShape(gate, up)
    const out = pool.take(gate.shape, 'f32')
    finished(binding.swiglu(handle, f32(gate), f32(up), f32(out)))
    return out
  },
  rope: (x, positions, { theta, layout }) => {
    const [, heads, headDim] = threeDimensions(x)
    const out = pool.take(x.shape, 'f32')
    const interleaved = layout === 'interleaved'
    finished(binding.rope(handle, f32(x), positions, heads, headDim, theta, interleaved, f32(out)))
    return out
  },
})

const segmentArguments = ({ k, v, starts, counts, bias, causalFrom }: Segment): SegmentArguments => ({
  k: cpu(k).data,
  v: cpu(v).data,
  starts,
  counts,
  bias: bias && f32(bias),
  causalFrom,
})

type CacheOps = Pick<Ops, 'attend' | 'store' | 'gather'>

const cacheOps = ({ binding, handle, pool }: Context): CacheOps => ({
  attend: (q, segments, { scale, firstIndex }) => {
    const [, heads, headDim] = threeDimensions(q)
    const kvHeads = segments[0]?.starts.length ?? heads
    for (const { k } of segments)
      if (k.shape.at(-1) !== headDim)
        throw new RangeError(`attend: q [${q.shape}] and a segment's k [${k.shape}] differ in headDim`)
    const out = pool.take(q.shape, 'f32')
    const all = segments.map(segmentArguments)
    finished(binding.attend(handle, f32(q), heads, kvHeads, headDim, all, scale, firstIndex, f32(out)))
    return out
  },
  store: (target, at, source) => {
    const [kvHeads, capacity, headDim] = threeDimensions(target)
    const [, sourceHeads, sourceDim] = threeDimensions(source)
    if (sourceHeads !== kvHeads || sourceDim !== headDim)
      throw new RangeError(`store of [${source.shape}] into [${target.shape}]: kvHeads and headDim must agree`)
    finished(binding.store(handle, cpu(target).data, capacity, at, f32(source), kvHeads, headDim))
  },
  gather: (source, picks) => {
    const width = dimension(source, 1)
    if (source.shape.length !== 2) throw new RangeError(`gather takes a matrix, got [${source.shape}]`)
    const out: CpuTensor = pool.take([picks.length, width], source.dtype)
    finished(binding.gather(handle, cpu(source).data, width, picks, out.data))
    return out
  },
})

type ScoringOps = Pick<
  Ops,
  'leverage' | 'chunkAttentionMass' | 'norms' | 'zScore' | 'addScaled' | 'multiply' | 'averagePool'
>

const scoringOps = ({ binding, handle, pool }: Context): ScoringOps => ({
  leverage: (k, { sketch, ridge, chunkTokens }) => {
    const [tokens, kvHeads, headDim] = threeDimensions(k)
    const out = pool.take([kvHeads, tokens], 'f32')
    const phi = sketch && f32(sketch)
    finished(binding.leverage(handle, f32(k), tokens, kvHeads, headDim, phi, ridge, chunkTokens ?? 0, f32(out)))
    return out
  },
  chunkAttentionMass: (q, k, { chunkTokens, scale }) => {
    const [tokens, heads, headDim] = threeDimensions(q)
    const [, kvHeads] = threeDimensions(k)
    const out = pool.take([kvHeads, tokens], 'f32')
    const sizes = [tokens, heads, kvHeads, headDim, chunkTokens] as const
    finished(binding.chunkAttentionMass(handle, f32(q), f32(k), ...sizes, scale, f32(out)))
    return out
  },
  norms: (x) => {
    const [tokens, kvHeads, headDim] = threeDimensions(x)
    const out = pool.take([kvHeads, tokens], 'f32')
    binding.norms(f32(x), tokens, kvHeads, headDim, f32(out))
    return out
  },
  zScore: (x) => {
    const out = pool.take(x.shape, 'f32')
    binding.zScore(f32(x), f32(out))
    return out
  },
  addScaled: (a, b, factor) => {
    sameShape(a, b)
    const out = pool.take(a.shape, 'f32')
    binding.addScaled(f32(a), f32(b), factor, f32(out))
    return out
  },
  multiply: (a, b) => {
    sameShape(a, b)
    const out = pool.take(a.shape, 'f32')
    binding.multiply(f32(a), f32(b), f32(out))
    return out
  },
  averagePool: (x, width) => {
    const out = pool.take(x.shape, 'f32')
    binding.averagePool(f32(x), x.shape.at(-1) ?? 1, width, f32(out))
    return out
  },
})
