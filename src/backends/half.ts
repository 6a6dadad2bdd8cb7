/** IEEE half precision in TypeScript: bits (0 … 65535) to and from numbers. Not for bulk work, that is a kernel's. */

const word = new DataView(new ArrayBuffer(4))

const smallest = 2 ** -24

export const f32FromF16 = (bits: number): number => {
  const sign = bits & 0x8000
  const exponent = (bits >> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0) return (sign ? -fraction : fraction) * smallest
  word.setUint32(0, (sign << 16) | ((exponent === 31 ? 255 : exponent + 112) << 23) | (fraction << 13))
  return word.getFloat32(0)
}

/** Rounds a number that is an f32 to the nearest half, ties to even; too large becomes infinity, NaN stays NaN. */
export const f16FromF32 = (value: number): number => {
  word.setFloat32(0, value)
  const sign = word.getUint8(0) & 0x80 ? 0x8000 : 0
  if (Number.isNaN(value)) return sign | 0x7e00
  const magnitude = Math.abs(value)
  if (magnitude >= 65520) return sign | 0x7c00
  // The spacing of halves around `magnitude`: 2^-24 below the smallest normal one. Division by it is exact in f64.
  const exponent = magnitude < 2 ** -14 ? -14 : Math.floor(Math.log2(magnitude))
  const steps = roundToEven(magnitude / 2 ** (exponent - 10))
  return sign | (steps + ((exponent + 14) << 10))
}

const roundToEven = (value: number): number => {
  const below = Math.floor(value)
  const rest = value - below
  if (rest === 0.5) return below % 2 === 0 ? below : below + 1
  return rest < 0.5 ? below : below + 1
}
