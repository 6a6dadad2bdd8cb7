/** How fast this machine reads memory and multiplies, plainly: what kernels are held against. */
import { type Binding, loadBinding, type PoolHandle } from '../src/backends/binding.ts'

const readableBytes = 2 ** 28
const rounds = 5
const chainLength = 4000

const withPool = <T>(threads: number, body: (binding: Binding, pool: PoolHandle) => T): T => {
  const loaded = loadBinding()
  if ('reason' in loaded) throw new Error(loaded.reason)
  const { binding } = loaded
  const pool = binding.createPool(threads, binding.machine().isas.at(-1) ?? 'scalar')
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
  withPool(threads, (binding, pool) => {
    let operations = 0
    const seconds = leastSeconds(() => {
      operations = binding.measureFma(pool, chainLength)
    })
    return operations / seconds
  })
