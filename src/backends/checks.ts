/**
 * What each op asks of its arguments, said once for both CPU backends. A check gives the sizes it found and throws a
 * RangeError (sizes) or TypeError (kinds) that names op, expectation and what came. Values are not looked at, but for
 * indices that would read outside an array.
 */
import {
  type AttendOptions,
  type ChunkMassOptions,
  type FeedForward,
  type LeverageOptions,
  mostChunkKeys,
  mostChunkTokens,
  mostHeadDim,
  mostSegments,
  type Precision,
  type ProductOptions,
  type RopeOptions,
  type Segment,
  type Tensor,
  type Weight,
} from './ops.ts'
import { elementCount } from './tensor.ts'

/** What is refused: made only then, where it takes longer to say than to check. */
type Name = string | (() => string)
type Naming = (part: string) => string

const named = (what: Name): string => (typeof what === 'string' ? what : what())

/** The sizes of a tensor of a given rank and dtype, e.g. `shapeOf('rope: x', x, ['n', 'heads', 'headDim'])`. */
export const shapeOf = (
  what: Name,
  tensor: Tensor,
  names: readonly string[],
  dtype: Precision = 'f32',
): readonly number[] => {
  if (tensor.dtype !== dtype)
    throw new TypeError(`${named(what)} must be ${dtype}, got ${tensor.dtype} [${tensor.shape}]`)
  if (tensor.shape.length !== names.length)
    throw new RangeError(`${named(what)} must be [${names.join(', ')}], got [${tensor.shape}]`)
  return tensor.shape
}

export const expectShape = (what: Name, tensor: Tensor, shape: readonly number[], dtype: Precision = 'f32'): void => {
  if (tensor.dtype !== dtype)
    throw new TypeError(`${named(what)} must be ${dtype}, got ${tensor.dtype} [${tensor.shape}]`)
  if (!isShape(tensor, shape)) throw new RangeError(`${named(what)} must be [${shape}], got [${tensor.shape}]`)
}

// A loop: this is asked thousands of times a token.
const isShape = (tensor: Tensor, shape: readonly number[]): boolean => {
  if (tensor.shape.length !== shape.length) return false
  for (let axis = 0; axis < shape.length; axis++) if (tensor.shape[axis] !== shape[axis]) return false
  return true
}

export const expectBelow = (what: string, indices: Uint32Array, limit: number): void => {
  const wrong = indices.find((index) => index >= limit)
  if (wrong !== undefined) throw new RangeError(`${what} must be below ${limit}, got ${wrong}`)
}

export const expectMultiple = (what: string, value: number, divisor: number): void => {
  if (divisor === 0 || value % divisor !== 0)
    throw new RangeError(`${what} must be a multiple of ${divisor}, got ${value}`)
}

export const expectPositiveInteger = (what: Name, value: number): void => {
  if (!Number.isSafeInteger(value) || value < 1)
    throw new RangeError(`${named(what)} must be a whole number above 0, got ${value}`)
}

export const expectHeadDim = (op: string, headDim: number): void => {
  if (headDim < 1 || headDim > mostHeadDim)
    throw new RangeError(`${op}: headDim must be from 1 to ${mostHeadDim}, got ${headDim}`)
}

export const checkCopy = (target: Tensor, source: Tensor): void =>
  expectShape('copy: source', source, target.shape, source.dtype)

export const checkEmbed = (weight: Weight, ids: Uint32Array): void =>
  expectBelow('embed: a token id', ids, weight.shape[0])

const mostProducts = 3

export const checkMatmulEach = (
  x: Tensor,
  weights: readonly Weight[],
  { biases = [], norm }: ProductOptions = {},
): { n: number } => {
  if (weights.length < 1 || weights.length > mostProducts)
    throw new RangeError(`matmulEach takes 1 to ${mostProducts} weights, got ${weights.length}`)
  if (biases.length > weights.length)
    throw new RangeError(`matmulEach: ${biases.length} biases for ${weights.length} weights`)
  for (const [i, weight] of weights.entries()) checkMatmul(x, weight, biases[i] && { bias: biases[i] })
  if (norm) checkRmsNorm(x, norm.gain)
  return { n: x.shape[0] ?? 0 }
}

export const checkFeedForward = (
  x: Tensor,
  { norm, gate, up, down, activation }: FeedForward,
  add: Tensor | undefined,
): { n: number; dim: number; hidden: number } => {
  const { n, dim } = checkRmsNorm(x, norm.gain)
  checkMatmul(x, gate)
  checkMatmul(x, up)
  const hidden = gate.shape[0]
  if (up.shape[0] !== hidden)
    throw new RangeError(`feedForward: gate and up must have as many rows, got ${hidden} and ${up.shape[0]}`)
  if (down.shape[0] !== dim || down.shape[1] !== hidden)
    throw new RangeError(`feedForward: down must be [${dim},${hidden}], got [${down.shape}]`)
  if (activation !== 'swiglu' && activation !== 'geglu')
    throw new TypeError(`feedForward: activation must be 'swiglu' or 'geglu', got '${activation}'`)
  if (add) expectShape('feedForward: add', add, x.shape)
  return { n, dim, hidden }
}

export const checkFinishLayer = (
  x: Tensor,
  attended: Tensor,
  output: Weight,
  layer: FeedForward,
): { n: number; dim: number; hidden: number } => {
  checkMatmul(attended, output, { add: x })
  return checkFeedForward(x, layer, undefined)
}

export const checkMatmul = (
  x: Tensor,
  weight: Weight,
  options: { bias?: Tensor; add?: Tensor } = {},
): { n: number } => {
  const n = x.shape[0] ?? 0
  const [rows, columns] = weight.shape
  expectShape('matmul: x', x, [n, columns])
  if (options.bias) expectShape('matmul: bias', options.bias, [rows])
  if (options.add) expectShape('matmul: add', options.add, [n, rows])
  expectPositiveInteger('matmul: columns', columns)
  return { n }
}

export const checkRmsNorm = (x: Tensor, gain: Tensor): { n: number; dim: number } => {
  const [n = 0, dim = 0] = shapeOf('rmsNorm: x', x, ['n', 'dim'])
  expectShape('rmsNorm: gain', gain, [dim])
  return { n, dim }
}

/** Two f32 tensors of one shape. */
export const checkPair = (op: string, a: Tensor, b: Tensor): { count: number } => {
  expectShape(`${op}: first argument`, a, a.shape)
  expectShape(`${op}: second argument`, b, a.shape)
  return { count: elementCount(a.shape) }
}

export interface HeadSizes {
  readonly n: number
  readonly heads: number
  readonly headDim: number
}

const mostRotated = 4
const headNames = ['n', 'heads', 'headDim']

export const checkRope = (
  xs: readonly Tensor[],
  positions: Uint32Array,
  options: RopeOptions,
): { readonly headDim: number } => {
  const [x] = xs
  if (x === undefined || xs.length > mostRotated)
    throw new RangeError(`rope takes 1 to ${mostRotated} tensors, got ${xs.length}`)
  const [n = 0, , headDim = 0] = shapeOf('rope: x', x, headNames)
  for (const other of xs) expectShape('rope: x', other, [n, other.shape[1] ?? 0, headDim])
  if (positions.length !== n) throw new RangeError(`rope: expected ${n} positions, got ${positions.length}`)
  expectHeadDim('rope', headDim)
  expectMultiple('rope: headDim', headDim, 2)
  if (!(options.theta > 0)) throw new RangeError(`rope: theta must be above 0, got ${options.theta}`)
  if (options.layout !== 'interleaved' && options.layout !== 'halves')
    throw new TypeError(`rope: layout must be 'interleaved' or 'halves', got '${options.layout}'`)
  if (options.factors) expectShape('rope: factors', options.factors, [headDim / 2])
  return { headDim }
}

/** For `attend` and what else looks at segments, which gives its name as `op`. */
export const checkAttend = (
  q: Tensor,
  segments: readonly Segment[],
  options: AttendOptions,
  op = 'attend',
): HeadSizes & { readonly kvHeads: number } => {
  const [n = 0, heads = 0, headDim = 0] = shapeOf(`${op}: q`, q, ['n', 'heads', 'headDim'])
  expectHeadDim(op, headDim)
  const kvHeads = segments[0]?.starts.length
  if (kvHeads === undefined) throw new RangeError(`${op}: expected at least one segment, got none`)
  if (segments.length > mostSegments)
    throw new RangeError(`${op}: expected at most ${mostSegments} segments, got ${segments.length}`)
  expectMultiple(`${op}: query heads`, heads, kvHeads)
  expectIndex(`${op}: firstIndex`, options.firstIndex)
  for (const [index, segment] of segments.entries()) {
    checkSegment((part) => `${op}: segment ${index}${part}`, segment, { n, kvHeads, headDim })
  }
  return { n, heads, headDim, kvHeads }
}

const checkSegment = (
  what: Naming,
  segment: Segment,
  { n, kvHeads, headDim }: { readonly n: number; readonly kvHeads: number; readonly headDim: number },
): void => {
  const { k, v, starts, counts, bias, causalFrom, window } = segment
  const rows = k.shape[0] ?? 0
  expectShape(() => what(': k'), k, [rows, headDim], k.dtype)
  expectShape(() => what(': v'), v, [rows, headDim], k.dtype)
  if (bias) expectShape(() => what(': bias'), bias, [rows])
  if (causalFrom !== undefined) expectIndex(() => what(': causalFrom'), causalFrom)
  if (window !== undefined) expectWindow(what, window, causalFrom)
  if (starts.length !== kvHeads || counts.length !== kvHeads)
    throw new RangeError(
      `${what('')}: expected ${kvHeads} runs, got ${starts.length} starts and ${counts.length} counts`,
    )
  for (let head = 0; head < kvHeads; head++) {
    const end = (starts[head] ?? 0) + (counts[head] ?? 0)
    if (end > rows) throw new RangeError(`${what('')}: the run of head ${head} ends at row ${end} of ${rows}`)
  }
  checkQueries(what, segment, n)
}

const checkQueries = (what: Naming, { firstQuery, queryCount }: Segment, n: number): void => {
  if (firstQuery === undefined && queryCount === undefined) return
  if (firstQuery === undefined || queryCount === undefined)
    throw new RangeError(`${what('')}: firstQuery and queryCount go together, got ${firstQuery} and ${queryCount}`)
  expectIndex(() => what(': firstQuery'), firstQuery)
  expectPositiveInteger(() => what(': queryCount'), queryCount)
  if (firstQuery + queryCount > n)
    throw new RangeError(`${what('')}: queries ${firstQuery} to ${firstQuery + queryCount} asked of ${n}`)
}

const expectWindow = (what: Naming, window: number, causalFrom: number | undefined): void => {
  expectPositiveInteger(() => what(': window'), window)
  expectIndex(() => what(': window'), window)
  if (causalFrom === undefined) throw new RangeError(`${what('')}: a window of ${window} needs causalFrom`)
}

export const expectIndex = (what: Name, value: number): void => {
  if (!Number.isInteger(value) || value < 0 || value > 0xffffffff)
    throw new RangeError(`${named(what)} must be a whole number from 0 to 4294967295, got ${value}`)
}

const mostStored = 2

/** All have the sizes that are given. */
export const checkStore = (
  targets: readonly Tensor[],
  at: number,
  sources: readonly Tensor[],
): HeadSizes & { readonly capacity: number } => {
  const [target] = targets
  const [source] = sources
  if (!target || !source || targets.length !== sources.length || targets.length > mostStored)
    throw new RangeError(
      `store takes 1 to ${mostStored} targets and as many sources, got ${targets.length} and ${sources.length}`,
    )
  const [n = 0, heads = 0, headDim = 0] = shapeOf('store: source', source, ['n', 'kvHeads', 'headDim'])
  expectHeadDim('store', headDim)
  const capacity = target.shape[1] ?? 0
  for (const each of targets) expectShape('store: target', each, [heads, capacity, headDim], target.dtype)
  for (const each of sources) expectShape('store: source', each, [n, heads, headDim])
  if (!Number.isInteger(at) || at < 0 || at + n > capacity)
    throw new RangeError(`store: rows ${at} to ${at + n} asked of a target of ${capacity} rows`)
  return { n, heads, headDim, capacity }
}

export const checkGather = (source: Tensor, picks: Uint32Array): { width: number } => {
  const [rows = 0, width = 0] = shapeOf('gather: source', source, ['rows', 'width'], source.dtype)
  expectBelow('gather: a pick', picks, rows)
  return { width }
}

export const checkLeverage = (k: Tensor, options: LeverageOptions): HeadSizes & { readonly chunk: number } => {
  const [n = 0, heads = 0, headDim = 0] = shapeOf('leverage: k', k, ['tokens', 'kvHeads', 'headDim'])
  expectHeadDim('leverage', headDim)
  if (options.sketch) {
    const [, size = 0] = shapeOf('leverage: sketch', options.sketch, ['headDim', 'sketchSize'])
    expectShape('leverage: sketch', options.sketch, [headDim, size])
  }
  if (!(options.ridge > 0 && options.ridge < Number.POSITIVE_INFINITY))
    throw new RangeError(`leverage: ridge must be above 0, got ${options.ridge}`)
  if (options.chunkTokens !== undefined) expectPositiveInteger('leverage: chunkTokens', options.chunkTokens)
  return { n, heads, headDim, chunk: options.chunkTokens ?? Math.max(n, 1) }
}

export const checkChunkMass = (
  q: Tensor,
  k: Tensor,
  options: ChunkMassOptions,
): HeadSizes & { readonly kvHeads: number } => {
  const [n = 0, heads = 0, headDim = 0] = shapeOf('chunkAttentionMass: q', q, ['tokens', 'heads', 'headDim'])
  expectHeadDim('chunkAttentionMass', headDim)
  const [, kvHeads = 0] = shapeOf('chunkAttentionMass: k', k, ['tokens', 'kvHeads', 'headDim'])
  expectShape('chunkAttentionMass: k', k, [n, kvHeads, headDim])
  expectMultiple('chunkAttentionMass: query heads', heads, kvHeads)
  expectPositiveInteger('chunkAttentionMass: chunkTokens', options.chunkTokens)
  const chunk = Math.min(options.chunkTokens, n)
  if (chunk > mostChunkTokens || chunk * kvHeads > mostChunkKeys)
    throw new RangeError(
      `chunkAttentionMass: chunks of ${chunk} tokens for ${kvHeads} KV heads are too long, at most ${mostChunkTokens} tokens and ${mostChunkKeys} over all KV heads; use a smaller chunkTokens`,
    )
  return { n, heads, headDim, kvHeads }
}

export const checkSoftCap = (x: Tensor, cap: number): void => {
  expectShape('softCap: x', x, x.shape)
  if (!(cap > 0 && cap < Number.POSITIVE_INFINITY)) throw new RangeError(`softCap: cap must be above 0, got ${cap}`)
}

export const checkNorms = (x: Tensor): HeadSizes => {
  const [n = 0, heads = 0, headDim = 0] = shapeOf('norms: x', x, ['tokens', 'kvHeads', 'headDim'])
  return { n, heads, headDim }
}

export const checkAveragePool = (x: Tensor, width: number): { rows: number; length: number } => {
  expectShape('averagePool: x', x, x.shape)
  expectPositiveInteger('averagePool: width', width)
  if (width % 2 === 0) throw new RangeError(`averagePool: width must be odd, got ${width}`)
  const length = x.shape.at(-1) ?? 1
  return { rows: length === 0 ? 0 : elementCount(x.shape) / length, length }
}
