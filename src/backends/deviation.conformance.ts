/** How far a result is from the reference, in the unit of its family. Not here: which distance is too far. */
import { f32FromF16 } from './half.ts'
import type { CpuTensor } from './tensor.ts'
import type { Family } from './tolerances.ts'

export interface Deviation {
  readonly error: number
  /** The worst value, in words. */
  readonly where: string
}

export interface Measure {
  readonly family: Family
  readonly magnitude: Float64Array | undefined
  readonly terms: number
}

const smallestNormal = 2 ** -126

export const compare = (got: CpuTensor, want: CpuTensor, measure: Measure): Deviation => {
  const [a, b] = [numbersOf(got), numbersOf(want)]
  let worst: Deviation = { error: 0, where: 'no value differs' }
  for (let i = 0; i < b.length; i++) {
    const error = distance(a[i] as number, b[i] as number, measure.magnitude?.[i], measure)
    if (error > worst.error || Number.isNaN(error))
      worst = {
        error: Number.isNaN(error) ? Number.POSITIVE_INFINITY : error,
        where: `value ${i} of [${want.shape}] is ${a[i]}, expected ${b[i]}`,
      }
  }
  return worst
}

export const numbersOf = ({ data }: CpuTensor): Float32Array =>
  data instanceof Float32Array ? data : Float32Array.from(data, f32FromF16)

const distance = (got: number, want: number, magnitude: number | undefined, { family, terms }: Measure): number => {
  if (Object.is(got, want) || (got === want && family !== 'exact')) return 0
  if (Number.isNaN(got) && Number.isNaN(want)) return 0
  if (family === 'exact') return 1
  if (!Number.isFinite(want) || !Number.isFinite(got))
    return isSameKind(got, want, family) ? 0 : Number.POSITIVE_INFINITY
  const size = family === 'rounded' ? (magnitude ?? 0) : Math.max(magnitude ?? 0, Math.abs(want), smallestNormal)
  const share = Math.abs(got - want) / size
  if (family === 'elementwise') return Math.abs(got - want) / ulp(size)
  if (family === 'reduction') return share / (Math.sqrt(terms) * 2 ** -24)
  return share
}

/** Sums may meet an infinity in another order: there, what is not finite matches what is not finite. */
const isSameKind = (got: number, want: number, family: Family): boolean =>
  family !== 'elementwise' && !Number.isFinite(got) && !Number.isFinite(want)

const ulp = (value: number): number => 2 ** (Math.floor(Math.log2(value)) - 23)
