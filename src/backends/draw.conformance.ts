/** Seeded numbers for the suite: the same on every machine and in every run. */

/** Uniform in [0, 1) (mulberry32). */
export const uniform = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** About normal, mean 0, deviation `deviation`. */
export const normals = (count: number, seed: number, deviation = 1): Float32Array => {
  const draw = uniform(seed)
  const values = new Float32Array(count)
  for (let i = 0; i < count; i++) values[i] = (draw() + draw() + draw() + draw() - 2) * Math.sqrt(3) * deviation
  return values
}

export const randomBytes = (count: number, seed: number): Uint8Array => {
  const draw = uniform(seed)
  return Uint8Array.from({ length: count }, () => Math.floor(draw() * 256))
}
