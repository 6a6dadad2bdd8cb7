/** Cases of decoding and multiplying quantised matrices: every type, sizes around tiles, codes and scales at their ends. */
import { normals, randomBytes } from './draw.conformance.ts'
import { f16FromF32 } from './half.ts'
import type { OpCase } from './ops.conformance.ts'
import type { Ops, WeightType } from './ops.ts'
import { decodeRow } from './reference-decode.ts'
import { blockLayout, cpuWeight } from './tensor.ts'

/** Where a block of each type has its halves: scale first, then minimum. */
const halvesAt: Record<WeightType, readonly number[]> = {
  F32: [],
  F16: [0],
  BF16: [],
  Q4_0: [0],
  Q4_1: [0, 2],
  Q5_0: [0],
  Q5_1: [0, 2],
  Q8_0: [0],
  Q4_K: [0, 2],
  Q5_K: [0, 2],
  Q6_K: [208],
}

export const types: readonly WeightType[] = Object.keys(halvesAt) as WeightType[]
const isQuantised = (type: WeightType): boolean => !['F32', 'F16', 'BF16'].includes(type)

export interface Matrix {
  readonly type: WeightType
  readonly rows: number
  readonly columns: number
  /** What a block holds, but for its halves; absent: random bytes. */
  readonly fill?: number
  /** Scale and minimum of every block; absent: about 0.01, of either sign. */
  readonly halves?: readonly [scale: number, minimum: number]
  /** The last block is all ones, as damaged files have it: NaN in every type. */
  readonly damaged?: boolean
  readonly seed: number
}

export const bytesOf = (matrix: Matrix): Uint8Array => {
  const bytes = soundBytesOf(matrix)
  return matrix.damaged ? bytes.fill(0xff, bytes.length - blockLayout[matrix.type].bytes) : bytes
}

const soundBytesOf = ({ type, rows, columns, fill, halves, seed }: Matrix): Uint8Array => {
  if (type === 'F32') return new Uint8Array(normals(rows * columns, seed).buffer)
  if (type === 'BF16') {
    const words = new Uint16Array(normals(rows * columns, seed).buffer).filter((_, i) => i % 2 === 1) // upper halves
    return new Uint8Array(words.buffer)
  }
  const layout = blockLayout[type]
  const blockCount = (rows * columns) / layout.values
  const bytes = randomBytes(blockCount * layout.bytes, seed)
  if (fill !== undefined) bytes.fill(fill)
  const drawn = normals(2 * blockCount, seed + 1, 0.01)
  const view = new DataView(bytes.buffer)
  for (let block = 0; block < blockCount; block++)
    for (const [which, at] of halvesAt[type].entries())
      view.setUint16(block * layout.bytes + at, f16FromF32(halves?.[which] ?? drawn[2 * block + which] ?? 0), true)
  return bytes
}

interface Product {
  readonly matrix: Matrix
  readonly x: () => Float32Array
  readonly n: number
  readonly added?: boolean
  /** Rounding errors point any way: √n of them add up, not n, and six deviations of a sum of 8-bit ones bound it. */
  readonly independent?: boolean
}

/** Σ over columns of a term, for every value of the product. */
const sums = ({ matrix, n }: Product, term: (token: number, w: Float32Array) => number): Float64Array => {
  const weight = cpuWeight(matrix.type, [matrix.rows, matrix.columns], bytesOf(matrix))
  const rows = Array.from({ length: matrix.rows }, (_, row) => decodeRow(weight, row))
  return Float64Array.from({ length: n * matrix.rows }, (_, i) =>
    term(Math.floor(i / matrix.rows), rows[i % matrix.rows] as Float32Array),
  )
}

const termsOf = (product: Product): Float64Array => {
  const { matrix } = product
  const x = product.x()
  const [bias, add] = [biasOf(product), addOf(product)]
  const terms = sums(product, (token, w) =>
    w.reduce((sum, value, c) => sum + Math.abs(value * (x[token * matrix.columns + c] ?? 0)), 0),
  )
  return terms.map((sum, i) => sum + Math.abs(bias[i % matrix.rows] ?? 0) + Math.abs(add[i] ?? 0))
}

// A block of 32 activations in 8 bits has steps of largest / 127, so each is off by half a step at most; spread evenly
// over a step, errors have a deviation of step / √12.
const int8BoundOf = (product: Product): Float64Array => {
  const { matrix, independent } = product
  const x = product.x()
  const steps = Array.from({ length: x.length / 32 }, (_, block) => {
    const values = x.subarray(32 * block, 32 * block + 32)
    return values.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0) / 127
  })
  const stepAt = (token: number, c: number): number => steps[Math.floor((token * matrix.columns + c) / 32)] ?? 0
  const worst = sums(product, (token, w) =>
    w.reduce((sum, value, c) => sum + Math.abs(value) * (stepAt(token, c) / 2), 0),
  )
  const square = sums(product, (token, w) => w.reduce((sum, value, c) => sum + (value * stepAt(token, c)) ** 2 / 12, 0))
  const terms = termsOf(product)
  return worst.map((bound, i) => {
    const likely = independent ? Math.min(bound, 6 * Math.sqrt(square[i] ?? 0)) : bound
    return likely * 1.001 + (terms[i] ?? 0) * Math.sqrt(matrix.columns) * 2 ** -23
  })
}

const biasOf = ({ matrix, added }: Product): Float32Array => (added ? normals(matrix.rows, 31) : new Float32Array(0))
const addOf = ({ matrix, n, added }: Product): Float32Array =>
  added ? normals(n * matrix.rows, 32) : new Float32Array(0)

const multiply = (ops: Ops, product: Product): ReturnType<Ops['matmul']> => {
  const { matrix, x, n, added } = product
  const { type, rows, columns } = matrix
  const options = {
    bias: ops.from(biasOf(product), [added ? rows : 0]),
    add: ops.from(addOf(product), added ? [n, rows] : [0]),
  }
  return ops.matmul(
    ops.from(x(), [n, columns]),
    ops.weight(type, [rows, columns], bytesOf(matrix)),
    added ? options : {},
  )
}

const matmul = (name: string, product: Product): OpCase => {
  const { type, columns } = product.matrix
  return {
    op: 'matmul',
    name,
    family: 'reduction',
    terms: product.independent ? columns + 2 : (columns + 2) ** 2,
    run: (ops) => multiply(ops, product),
    magnitude: () => termsOf(product),
    ...(isQuantised(type) ? { roundedBound: () => int8BoundOf(product) } : {}),
  }
}

/** [tokens, rows, columns]; whole blocks where a type has blocks of 32 or 256. */
const sizesOf = (type: WeightType): readonly (readonly [number, number, number])[] => {
  const unit = blockLayout[type].values
  const odd = unit === 1 ? 33 : unit
  const wide = unit === 256 ? 1280 : 1312 // no multiple of a slice
  const counts = [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33].map(
    (n) => [n, 19, odd * (unit === 256 ? 1 : 3)] as const,
  )
  return [
    ...counts,
    [257, 7, odd],
    [1, 1, odd],
    [1, 130, odd * 2],
    [6, 67, unit === 1 ? 1 : odd],
    [64, 100, unit === 1 ? 300 : 512],
    // Columns of several slices, for which sums are added up: for few tokens, more rows than a panel has, more tokens than a task has.
    [6, 67, wide],
    [20, 33, wide],
    [65, 600, wide],
    // From the count on that goes by tiles: several panels to a task; more tokens than a task has.
    [20, 33, unit === 256 ? 512 : 288],
    [32, 130, odd],
    [513, 3, wide],
    [513, 3, odd],
  ]
}

const sizeCases: OpCase[] = types.flatMap((type) =>
  sizesOf(type).map(([n, rows, columns]) => {
    const name = `${type} [${rows}, ${columns}], ${n} tokens${n % 2 ? ', with bias and add' : ''}`
    const matrix = { type, rows, columns, seed: n + rows }
    return matmul(name, { matrix, n, x: () => normals(n * columns, columns), added: n % 2 === 1, independent: true })
  }),
)

/** Activations that are all at an end of their 8-bit range, or nearly none of them. */
const extremeActivations: Readonly<Record<string, (i: number) => number>> = {
  'all at the largest': () => 1000,
  'all at the smallest': () => -1000,
  'signs in turn': (i) => (i % 2 === 0 ? 1000 : -1000),
  'one far above the rest': (i) => (i % 32 === 7 ? 1e4 : 39.3),
}

const extremeCases: OpCase[] = types.filter(isQuantised).flatMap((type) =>
  [0x00, 0x80, 0x7f, 0xff].flatMap((fill) =>
    Object.entries(extremeActivations).flatMap(([what, value]) =>
      [1, 17, 20].map((n) => {
        const matrix: Matrix = { type, rows: 9, columns: 512, fill, halves: [fill % 2 ? 1000 : -1000, 900], seed: 41 }
        const x = (): Float32Array => Float32Array.from({ length: n * 512 }, (_, i) => value(i))
        return matmul(`${type}, bytes of ${fill}, activations ${what}, ${n} tokens`, { matrix, n, x })
      }),
    ),
  ),
)

const notFiniteCases: OpCase[] = types.flatMap((type) =>
  [1, 17, 33].flatMap((n) =>
    [Number.NaN, Number.POSITIVE_INFINITY].map((value) => {
      const matrix: Matrix = { type, rows: 9, columns: 512, seed: 51 }
      const x = (): Float32Array => normals(n * 512, 52).fill(value, (n - 1) * 512 + 100, (n - 1) * 512 + 101)
      return matmul(`${type}, ${value} in the last of ${n} tokens`, { matrix, n, x })
    }),
  ),
)

const damagedCases: OpCase[] = types.flatMap((type) =>
  [1, 17, 20].flatMap((n) =>
    [9, 32].map((rows) => {
      const matrix: Matrix = { type, rows, columns: 256, damaged: true, seed: 53 }
      const x = (): Float32Array => normals(n * 256, 54)
      return matmul(`${type}, the last of ${rows} rows damaged, ${n} tokens`, { matrix, n, x, independent: true })
    }),
  ),
)

/** A matrix between others of other types and sizes, all multiplied with the same tokens. */
const eachCases: OpCase[] = types.flatMap((type, i) =>
  [1, 3, 17, 33].map((n): OpCase => {
    const columns = 512
    const matrix: Matrix = { type, rows: 19, columns, seed: 71 }
    const around = [-1, 1].map((step, seed): Matrix => {
      const other = types[(i + step + types.length) % types.length] ?? type
      return { type: other, rows: 40 * seed + 1, columns, seed: 72 + seed }
    })
    const product = { matrix, n, x: () => normals(n * columns, columns), independent: true }
    const weightOf = (ops: Ops, each: Matrix) => ops.weight(each.type, [each.rows, columns], bytesOf(each))
    return {
      ...matmul(`${type} between ${around.map((each) => each.type).join(' and ')}, ${n} tokens`, product),
      op: 'matmulEach',
      run: (ops) => {
        const weights = [around[0], matrix, around[1]].map((each) => weightOf(ops, each as Matrix))
        const [, out] = ops.matmulEach(ops.from(product.x(), [n, columns]), weights)
        return out as ReturnType<Ops['matmul']>
      },
    }
  }),
)

const decodeCases: OpCase[] = types.flatMap((type) =>
  [0, 1, 2].map((seed) => ({
    op: 'embed',
    name: `${type}, 17 rows of 512, ${seed === 0 ? 'any bytes, halves too' : 'sane scales'}`,
    family: 'exact',
    run: (ops) => {
      const layout = blockLayout[type]
      const bytes =
        seed === 0
          ? randomBytes((17 * 512 * layout.bytes) / layout.values, 61)
          : bytesOf({ type, rows: 17, columns: 512, seed })
      return ops.embed(
        ops.weight(type, [17, 512], bytes),
        Uint32Array.from({ length: 17 }, (_, i) => (i * 5) % 17),
      )
    },
  })),
)

export const matmulCases: readonly OpCase[] = [
  ...decodeCases,
  ...sizeCases,
  ...eachCases,
  ...extremeCases,
  ...notFiniteCases,
  ...damagedCases,
]
