/**
 * The backend that computes in C++ (kernels/): unwraps tensors, takes outputs from the pool of buffers, and turns an
 * aborted kernel into CompactorError('aborted'). What each op means is said in `ops.ts`; shapes are checked by
 * `checks.ts`, as for the reference, and again by the addon, which trusts nobody. Not here: which backend is chosen when
 * this one is absent.
 */
import { CompactorError } from '../error.ts'
import {
  type Binding,
  type FeedForwardArguments,
  loadBinding,
  type PoolHandle,
  type ProductArgument,
  type SegmentArguments,
  weightTypes,
} from './binding.ts'
import {
  checkAttend,
  checkAveragePool,
  checkChunkMass,
  checkCopy,
  checkEmbed,
  checkFeedForward,
  checkFinishLayer,
  checkGather,
  checkLeverage,
  checkMatmul,
  checkMatmulEach,
  checkNorms,
  checkPair,
  checkRmsNorm,
  checkRope,
  checkSoftCap,
  checkStore,
} from './checks.ts'
import { checkDigests, digestBytes, digests } from './digests.ts'
import { chooseIsa, type Isa } from './isa.ts'
import {
  type EachOf,
  type FeedForward,
  type Norm,
  type Ops,
  type ProductOptions,
  type RopeOptions,
  rowFigures,
  type Segment,
  type Tensor,
  type Weight,
} from './ops.ts'
import {
  checkArgmax,
  checkCosine,
  checkDescribeRows,
  checkExpected,
  checkLag,
  checkLagRanks,
  checkMeanOverHeads,
  checkReceived,
  checkSoftmax,
} from './scoring-checks.ts'
import { type CpuOps, type CpuWeight, cpu, cpuTensor, cpuWeight, f32, reshape, slice, TensorPool } from './tensor.ts'

export interface NativeOptions {
  readonly threads: number
  /** Default: COMPACTOR_ISA, else the best this processor has. */
  readonly isa?: Isa
  /**
   * int8 (default) lets quantised weights be multiplied with activations of 8 bits, or for many tokens with AMX both rounded to
   * bfloat16, and where the processor has such products, attention with keys and values rounded to bfloat16; f32 keeps all
   * arithmetic in f32.
   */
  readonly activations?: 'int8' | 'f32'
  /** One shared word: nonzero makes the running op, and each later one, throw CompactorError('aborted'). */
  readonly abortWord?: Int32Array
}

/** `dispose` ends the threads and frees the scratch memory; any later op throws. */
export interface NativeOps extends CpuOps {
  readonly isa: Isa
}

export type NativeAvailability =
  | {
      readonly available: true
      readonly isa: Isa
      readonly isas: readonly string[] // all that this processor can run, the best last
      readonly features: readonly string[]
      readonly refusal?: string // why an instruction set that the processor has is not among them
    }
  | { readonly available: false; readonly reason: string }

export const nativeAvailable = (): NativeAvailability => {
  const loaded = loadBinding()
  if ('reason' in loaded) return { available: false, reason: loaded.reason }
  const machine = loaded.binding.machine()
  return { available: true, isa: chooseIsa(machine, undefined), ...machine }
}

/** Throws CompactorError('backend-unavailable') where the addon cannot be loaded. */
export const createNativeOps = (options: NativeOptions): NativeOps => {
  const loaded = loadBinding()
  if ('reason' in loaded) throw new CompactorError('backend-unavailable', loaded.reason)
  const { binding } = loaded
  const { threads, activations = 'int8', abortWord } = options
  if (activations !== 'int8' && activations !== 'f32')
    throw new TypeError(`activations must be int8 or f32, got ${String(activations)}`)
  const isa = chooseIsa(binding.machine(), options.isa)
  const handle = binding.createPool(threads, isa)
  try {
    binding.watchAbort(handle, abortWord)
  } catch (error) {
    binding.disposePool(handle) // its threads would live until the garbage collector finds it
    throw error
  }
  const context: Context = { binding, handle, pool: new TensorPool(), isRounding: activations === 'int8' }
  return {
    name: 'native',
    isa,
    ...memoryOps(context),
    ...transformerOps(context),
    ...cacheOps(context),
    ...scoringOps(context),
    ...methodOps(context),
    ...rowOps(context),
    watchAbort: (words) => binding.watchAbort(context.handle, words),
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
  /** Whether kernels may round what they multiply: activations to 8 bits, keys and values to bfloat16. */
  readonly isRounding: boolean
}

const finished = (complete: boolean): void => {
  if (!complete) throw new CompactorError('aborted', 'the computation was aborted')
}

const weightArguments = (weight: Weight): [number, Uint8Array, number, number] => [
  weightTypes.indexOf(weight.type),
  (weight as CpuWeight).bytes,
  weight.shape[0],
  weight.shape[1],
]

type MemoryOps = Pick<Ops, 'scope' | 'zeros' | 'from' | 'read' | 'weight' | 'slice' | 'reshape' | 'copy' | 'digests'>

const memoryOps = ({ binding, handle, pool }: Context): MemoryOps => ({
  scope: (body) => pool.scope(body),
  zeros: (shape, dtype) => pool.zeros(shape, dtype),
  from: cpuTensor,
  read: async (tensor) => cpu(tensor).data.slice(),
  weight: cpuWeight,
  slice,
  reshape,
  copy: (target, source) => {
    checkCopy(target, source)
    if (target.dtype === source.dtype) cpu(target).data.set(cpu(source).data)
    else binding.convert(handle, cpu(source).data, cpu(target).data)
  },
  digests: binding.machine().features.includes('sha')
    ? (bytes, pieceBytes) => {
        const out = new Uint8Array(checkDigests(bytes, pieceBytes) * digestBytes)
        finished(binding.sha256(handle, bytes, pieceBytes, out))
        return out
      }
    : digests,
})

type TransformerOps = Pick<
  Ops,
  'embed' | 'matmul' | 'matmulEach' | 'feedForward' | 'finishLayer' | 'rmsNorm' | 'swiglu' | 'geglu' | 'rope'
>

const transformerOps = ({ binding, handle, pool, isRounding }: Context): TransformerOps => ({
  embed: (weight, ids) => {
    checkEmbed(weight, ids)
    const out = pool.take([ids.length, weight.shape[1]], 'f32')
    finished(binding.embed(handle, ...weightArguments(weight), ids, f32(out)))
    return out
  },
  matmul: (x, weight, options = {}) => {
    const { n } = checkMatmul(x, weight, options)
    const bias = options.bias && f32(options.bias)
    const add = options.add && f32(options.add)
    const out = pool.take([n, weight.shape[0]], 'f32')
    finished(binding.matmul(handle, ...weightArguments(weight), f32(x), bias, add, f32(out), isRounding))
    return out
  },
  matmulEach: <const W extends readonly Weight[]>(x: Tensor, weights: W, options: ProductOptions = {}): EachOf<W> => {
    const { n } = checkMatmulEach(x, weights, options)
    const { biases = [], norm } = options
    const normed = norm && f32(pool.take(x.shape, 'f32'))
    const products: ProductArgument[] = []
    const outs = weights.map((weight, i) => {
      const out = pool.take([n, weight.shape[0]], 'f32')
      products.push(...weightArguments(weight), biases[i] && f32(biases[i]), f32(out))
      return out
    })
    finished(binding.matmulEach(handle, f32(x), ...normArguments(norm), normed, isRounding, ...products))
    return outs as unknown as EachOf<W>
  },
  feedForward: (x, layer, { add } = {}) => {
    const { n, dim, hidden } = checkFeedForward(x, layer, add)
    const between = pool.take([n, dim + 2 * hidden], 'f32')
    const out = pool.take(x.shape, 'f32')
    const rest = [add && f32(add), f32(between), f32(out), isRounding] as const
    finished(binding.feedForward(handle, f32(x), ...feedForwardArguments(layer), ...rest))
    return out
  },
  finishLayer: (x, attended, output, layer) => {
    const { n, dim, hidden } = checkFinishLayer(x, attended, output, layer)
    const between = pool.take([n, 2 * dim + 2 * hidden], 'f32')
    const out = pool.take(x.shape, 'f32')
    const weights = [...weightArguments(output), ...feedForwardArguments(layer)] as const
    finished(binding.finishLayer(handle, f32(x), f32(attended), ...weights, f32(between), f32(out), isRounding))
    return out
  },
  rmsNorm: (x, gain, eps) => {
    checkRmsNorm(x, gain)
    const out = pool.take(x.shape, 'f32')
    finished(binding.rmsNorm(handle, f32(x), f32(gain), eps, f32(out)))
    return out
  },
  swiglu: (gate, up) => {
    checkPair('swiglu', gate, up)
    const out = pool.take(gate.shape, 'f32')
    finished(binding.swiglu(handle, f32(gate), f32(up), f32(out)))
    return out
  },
  geglu: (gate, up) => {
    checkPair('geglu', gate, up)
    const out = pool.take(gate.shape, 'f32')
    finished(binding.geglu(handle, f32(gate), f32(up), f32(out)))
    return out
  },
  rope: <const X extends readonly Tensor[]>(xs: X, positions: Uint32Array, options: RopeOptions): EachOf<X> => {
    const { headDim } = checkRope(xs, positions, options)
    const arrays: Float32Array[] = []
    const outs = xs.map((x) => {
      const out = pool.take(x.shape, 'f32')
      arrays.push(f32(x), f32(out))
      return out
    })
    const interleaved = options.layout === 'interleaved'
    finished(binding.rope(handle, positions, frequenciesOf(options, headDim), interleaved, ...arrays))
    return outs as unknown as EachOf<X>
  },
})

const feedForwardArguments = ({ norm, gate, up, down, activation }: FeedForward): FeedForwardArguments => [
  f32(norm.gain),
  norm.epsilon,
  ...weightArguments(gate),
  ...weightArguments(up),
  ...weightArguments(down),
  activation === 'geglu',
]

const normArguments = (norm: Norm | undefined): [gain: Float32Array | undefined, epsilon: number] =>
  norm ? [f32(norm.gain), norm.epsilon] : [undefined, 0]

const frequencies = new WeakMap<RopeOptions, Float64Array>()

/** [headDim / 2] angle of each pair at position 1, remembered with the options, which a model makes once. */
const frequenciesOf = (options: RopeOptions, headDim: number): Float64Array => {
  const known = frequencies.get(options)
  if (known?.length === headDim / 2) return known
  const factors = options.factors && f32(options.factors)
  const made = Float64Array.from(
    { length: headDim / 2 },
    (_, pair) => options.theta ** ((-2 * pair) / headDim) / (factors?.[pair] ?? 1),
  )
  frequencies.set(options, made)
  return made
}

// Pushed, here and above: flatMap takes a microsecond for each segment.
const segmentArguments = (segments: readonly Segment[]): SegmentArguments[number][] => {
  const all: SegmentArguments[number][] = []
  for (const { k, v, starts, counts, bias, causalFrom, window, firstQuery, queryCount } of segments) {
    const run: SegmentArguments = [
      cpu(k).data,
      cpu(v).data,
      starts,
      counts,
      bias && f32(bias),
      causalFrom,
      window,
      firstQuery,
      queryCount,
    ]
    all.push(...run)
  }
  return all
}

type CacheOps = Pick<Ops, 'attend' | 'store' | 'gather'>

const cacheOps = ({ binding, handle, pool, isRounding }: Context): CacheOps => ({
  attend: (q, segments, options) => {
    const { heads, kvHeads, headDim } = checkAttend(q, segments, options)
    const { scale, firstIndex } = options
    const out = pool.take(q.shape, 'f32')
    const runs = segmentArguments(segments)
    finished(binding.attend(handle, f32(q), heads, kvHeads, headDim, runs, scale, firstIndex, f32(out), isRounding))
    return out
  },
  store: (targets, at, sources) => {
    const { heads, capacity, headDim } = checkStore(targets, at, sources)
    const arrays: (Float32Array | Uint16Array)[] = []
    for (let i = 0; i < targets.length; i++) arrays.push(cpu(targets[i] as Tensor).data, f32(sources[i] as Tensor))
    finished(binding.store(handle, capacity, at, heads, headDim, ...arrays))
  },
  gather: (source, picks) => {
    const { width } = checkGather(source, picks)
    const out = pool.take([picks.length, width], source.dtype)
    if (width > 0) finished(binding.gather(handle, cpu(source).data, width, picks, out.data))
    return out
  },
})

type ScoringOps = Pick<
  Ops,
  'leverage' | 'chunkAttentionMass' | 'norms' | 'zScore' | 'addScaled' | 'softCap' | 'multiply' | 'averagePool'
>

const scoringOps = ({ binding, handle, pool }: Context): ScoringOps => ({
  leverage: (k, options) => {
    const { n, heads, headDim, chunk } = checkLeverage(k, options)
    const sketch = options.sketch && f32(options.sketch)
    const out = pool.take([heads, n], 'f32')
    finished(binding.leverage(handle, f32(k), n, heads, headDim, sketch, options.ridge, chunk, f32(out)))
    return out
  },
  chunkAttentionMass: (q, k, options) => {
    const { n, heads, kvHeads, headDim } = checkChunkMass(q, k, options)
    const out = pool.take([kvHeads, n], 'f32')
    const sizes = [n, heads, kvHeads, headDim, options.chunkTokens] as const
    finished(binding.chunkAttentionMass(handle, f32(q), f32(k), ...sizes, options.scale, f32(out)))
    return out
  },
  norms: (x) => {
    const { n, heads, headDim } = checkNorms(x)
    const out = pool.take([heads, n], 'f32')
    binding.norms(f32(x), n, heads, headDim, f32(out))
    return out
  },
  zScore: (x) => {
    const out = pool.take(x.shape, 'f32')
    binding.zScore(f32(x), f32(out))
    return out
  },
  addScaled: (a, b, factor) => {
    checkPair('addScaled', a, b)
    const out = pool.take(a.shape, 'f32')
    binding.addScaled(f32(a), f32(b), factor, f32(out))
    return out
  },
  softCap: (x, cap) => {
    checkSoftCap(x, cap)
    const out = pool.take(x.shape, 'f32')
    binding.softCap(f32(x), cap, f32(out))
    return out
  },
  multiply: (a, b) => {
    checkPair('multiply', a, b)
    const out = pool.take(a.shape, 'f32')
    binding.multiply(f32(a), f32(b), f32(out))
    return out
  },
  averagePool: (x, width) => {
    const { length } = checkAveragePool(x, width)
    const out = pool.take(x.shape, 'f32')
    binding.averagePool(f32(x), length, width, f32(out))
    return out
  },
})

type MethodOps = Pick<
  Ops,
  'attentionReceived' | 'cosineToMean' | 'lagSpread' | 'lagRanks' | 'expectedAttention' | 'meanOverHeads'
>

const methodOps = ({ binding, handle, pool, isRounding }: Context): MethodOps => ({
  attentionReceived: (q, segments, options) => {
    const { heads, kvHeads, headDim, count } = checkReceived(q, segments, options)
    const { scale, firstIndex, reduce } = options
    const out = pool.take([kvHeads, count], 'f32')
    const runs = segmentArguments(segments)
    const sizes = [heads, kvHeads, headDim] as const
    const places = [scale, firstIndex, reduce === 'max'] as const
    finished(binding.attentionReceived(handle, f32(q), ...sizes, runs, ...places, f32(out), isRounding))
    return out
  },
  cosineToMean: (x) => {
    const { n, heads, headDim } = checkCosine(x)
    const out = pool.take([heads, n], 'f32')
    finished(binding.cosineToMean(handle, f32(x), n, heads, headDim, f32(out)))
    return out
  },
  lagSpread: (x, options) => {
    const { n, heads, headDim } = checkLag(x, options)
    const out = pool.take([heads, n], 'f32')
    finished(binding.lagSpread(handle, f32(x), n, heads, headDim, options.first, options.partitionTokens, f32(out)))
    return out
  },
  lagRanks: (x, options) => {
    const { n, heads } = checkLagRanks(x, options)
    const out = pool.take([heads, n], 'f32')
    finished(binding.lagRanks(handle, f32(x), n, heads, options.first, options.partitionTokens, f32(out)))
    return out
  },
  expectedAttention: (q, k, options) => {
    const { n, heads, kvHeads, headDim } = checkExpected(q, k, options)
    const { rotation, scale, first } = options
    const out = pool.take([kvHeads, n], 'f32')
    const sizes = [n, heads, kvHeads, headDim] as const
    finished(binding.expectedAttention(handle, f32(q), f32(k), ...sizes, f32(rotation), scale, first, f32(out)))
    return out
  },
  meanOverHeads: (x) => {
    const { heads, n } = checkMeanOverHeads(x)
    const out = pool.take(x.shape, 'f32')
    binding.meanOverHeads(f32(x), heads, n, f32(out))
    return out
  },
})

const rowOps = ({ binding, handle, pool }: Context): Pick<Ops, 'softmax' | 'argmax' | 'describeRows'> => ({
  softmax: (x) => {
    const { width } = checkSoftmax(x)
    const out = pool.take(x.shape, 'f32')
    finished(binding.softmax(handle, f32(x), width, f32(out)))
    return out
  },
  argmax: (x) => {
    const { n, width } = checkArgmax(x)
    const out = pool.take([n], 'f32')
    finished(binding.argmax(handle, f32(x), width, f32(out)))
    return out
  },
  describeRows: (x, weights, picks) => {
    const { n, width } = checkDescribeRows(x, weights, picks)
    const out = pool.take([n, rowFigures], 'f32')
    finished(binding.describeRows(handle, f32(x), width, f32(weights), picks, f32(out)))
    return out
  },
})
