/** How fast this machine reads memory, plainly. */
import { loadBinding } from '../src/backends/binding.ts'

const readableBytes = 2 ** 28
const rounds = 5

/** Bytes per second that all threads together read of far more memory than caches hold; the best of some rounds. */
export const readBandwidth = (threads: number): number => {
  const loaded = loadBinding()
  if ('reason' in loaded) throw new Error(loaded.reason)
  const { binding } = loaded
  const { isas } = binding.machine()
  const pool = binding.createPool(threads, isas.at(-1) ?? 'scalar')
  const memory = new Uint8Array(readableBytes).fill(1)
  const seconds = Array.from({ length: rounds }, () => {
    const start = performance.now()
    binding.measureRead(pool, memory)
    return (performance.now() - start) / 1000
  })
  binding.disposePool(pool)
  return readableBytes / Math.min(...seconds)
}
