/** How fast this machine reads memory and multiplies, plainly: what kernels are held against. */
import { type Binding, loadBinding, type PoolHandle, weightTypes } from '../src/backends/binding.ts'
import { nativeAvailable } from '../src/backends/native.ts'

const readableBytes = 2 ** 28
const rounds = 5
const chainLength = 4000

const withPool = <T>(threads: number, body: (binding: Binding, pool: PoolHandle) => T): T => {
  const [loaded, native] = [loadBinding(), nativeAvailable()]
  if ('reason' in loaded) throw new Error(loaded.reason)
  if (!native.available) throw new Error(native.reason)
  const { binding } = loaded
  const pool = binding.createPool(threads, native.isa)
  try {
    return body(binding, pool)
  } finally {
    binding.disposePool(pool)
  }
}

const leastSeconds = (body: () => void): number =>
  Math.min(
    ...Array.from({ length: rounds }, () => {
      const start = performance.now()
      body()
      return (performance.now() - start) / 1000
    }),
  )

/** Bytes per second that all threads together read of far more memory than caches hold; the best of some rounds. */
export const readBandwidth = (threads: number): number =>
  withPool(threads, (binding, pool) => {
    const memory = new Uint8Array(readableBytes).fill(1)
    return readableBytes / leastSeconds(() => binding.measureRead(pool, memory))
  })

/** f32 operations per second of multiply-adds that read nothing; the best of some rounds. */
export const multiplyPeak = (threads: number): number =>
  withPool(threads, (binding, pool) => peakOf(() => binding.measureFma(pool, chainLength)))

/** The same of the instructions that products of most types for many tokens are made of. */
export const productPeak = (threads: number): number =>
  withPool(threads, (binding, pool) =>
    peakOf(() => binding.measureProducts(pool, chainLength, weightTypes.indexOf('Q4_0'))),
  )

const peakOf = (measure: () => number): number => {
  let operations = 0
  const seconds = leastSeconds(() => {
    operations = measure()
  })
  return operations / seconds
}
