/** Seeded uniform numbers (sfc32): the same seed and streams give the same numbers on every machine. */

const scramble = (value: number): number => {
  let mixed = Math.imul(value ^ (value >>> 16), 0x21f0aaad)
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
  return (mixed ^ (mixed >>> 15)) >>> 0
}

/** A generator of numbers in [0, 1) for a seed and any number of stream numbers (layer, purpose …). */
export const uniformNumbers = (seed: number, ...streams: readonly number[]): (() => number) => {
  let state = scramble(seed >>> 0)
  for (const stream of streams) state = scramble((state + 0x9e3779b9 + stream) >>> 0)
  // Kept within 32 bits with a sign, which the runtime computes with as integers.
  let [a, b, c, counter] = [state | 0, scramble(state + 1) | 0, scramble(state + 2) | 0, 1]
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + sum) | 0
    return (sum >>> 0) / 2 ** 32
  }
  for (let i = 0; i < 12; i++) next()
  return next
}
