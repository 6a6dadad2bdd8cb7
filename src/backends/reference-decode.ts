/**
 * GGUF blocks to numbers, one value at a time: what each tensor type means. Not fast and not meant to be.
 *
 * A product of a half, an integer scale and a code has at most 24 significant bits, so every value below is exact in f64
 * up to the one rounding to f32 at the end, as in ggml.
 */
import { f32FromF16 } from './half.ts'
import type { WeightType } from './ops.ts'
import { blockLayout, type CpuWeight } from './tensor.ts'

/** Value `index` of the block that starts at byte `at`. */
type ReadValue = (bytes: Bytes, at: number, index: number) => number

interface Bytes {
  u8(at: number): number
  i8(at: number): number
  u32(at: number): number
  f16(at: number): number
  f32(at: number): number
  bf16(at: number): number
}

const word = new DataView(new ArrayBuffer(4))

const f32OfBits = (bits: number): number => {
  word.setInt32(0, bits)
  return word.getFloat32(0)
}

const bytesOf = (source: Uint8Array): Bytes => {
  const view = new DataView(source.buffer, source.byteOffset, source.byteLength)
  return {
    u8: (at) => view.getUint8(at),
    i8: (at) => view.getInt8(at),
    u32: (at) => view.getUint32(at, true),
    f16: (at) => f32FromF16(view.getUint16(at, true)),
    f32: (at) => view.getFloat32(at, true),
    bf16: (at) => f32OfBits(view.getUint16(at, true) << 16),
  }
}

// In blocks of 32, byte i of the codes holds value i in its low half and value i + 16 in its high half.
const nibble32 = (bytes: Bytes, at: number, index: number): number =>
  index < 16 ? bytes.u8(at + index) & 15 : bytes.u8(at + index - 16) >> 4

const bit = (bits: number, index: number): number => (bits >>> index) & 1

// Q4_K and Q5_K: eight groups of 32, each with a 6-bit scale and a 6-bit minimum packed into 12 bytes: groups 0 to 3 in
// the low 6 bits of bytes 0-3 (scales) and 4-7 (minima); groups 4 to 7 have their low 4 bits in bytes 8-11 and their
// high 2 bits on top of bytes 0-3 and 4-7.
const groupScale = (bytes: Bytes, at: number, group: number): number =>
  group < 4 ? bytes.u8(at + group) & 63 : (bytes.u8(at + group + 4) & 15) | ((bytes.u8(at + group - 4) >> 6) << 4)

const groupMinimum = (bytes: Bytes, at: number, group: number): number =>
  group < 4 ? bytes.u8(at + group + 4) & 63 : (bytes.u8(at + group + 4) >> 4) | ((bytes.u8(at + group) >> 6) << 4)

// In Q4_K and Q5_K, 32 bytes hold two groups of 32: the even one in the low halves, the odd one in the high halves.
const nibbleK = (bytes: Bytes, at: number, group: number, index: number): number => {
  const byte = bytes.u8(at + 32 * (group >> 1) + (index % 32))
  return group % 2 === 0 ? byte & 15 : byte >> 4
}

const readers: Record<WeightType, ReadValue> = {
  F32: (bytes, at) => bytes.f32(at),
  F16: (bytes, at) => bytes.f16(at),
  BF16: (bytes, at) => bytes.bf16(at),
  // half d; 16 bytes of codes
  Q4_0: (bytes, at, i) => bytes.f16(at) * (nibble32(bytes, at + 2, i) - 8),
  // half d, half minimum; 16 bytes of codes
  Q4_1: (bytes, at, i) => bytes.f16(at) * nibble32(bytes, at + 4, i) + bytes.f16(at + 2),
  // half d; 32 fifth bits; 16 bytes of codes
  Q5_0: (bytes, at, i) => bytes.f16(at) * (nibble32(bytes, at + 6, i) + 16 * bit(bytes.u32(at + 2), i) - 16),
  // half d, half minimum; 32 fifth bits; 16 bytes of codes
  Q5_1: (bytes, at, i) =>
    bytes.f16(at) * (nibble32(bytes, at + 8, i) + 16 * bit(bytes.u32(at + 4), i)) + bytes.f16(at + 2),
  // half d; 32 signed bytes
  Q8_0: (bytes, at, i) => bytes.f16(at) * bytes.i8(at + 2 + i),
  // half d, half dmin; 12 bytes of scales and minima; 128 bytes of codes
  Q4_K: (bytes, at, i) => {
    const group = i >> 5
    const code = nibbleK(bytes, at + 16, group, i)
    return (
      bytes.f16(at) * groupScale(bytes, at + 4, group) * code - bytes.f16(at + 2) * groupMinimum(bytes, at + 4, group)
    )
  },
  // as Q4_K with 32 bytes between, whose byte i % 32 has the fifth bit of group g in bit g
  Q5_K: (bytes, at, i) => {
    const group = i >> 5
    const code = nibbleK(bytes, at + 48, group, i) + 16 * bit(bytes.u8(at + 16 + (i % 32)), group)
    return (
      bytes.f16(at) * groupScale(bytes, at + 4, group) * code - bytes.f16(at + 2) * groupMinimum(bytes, at + 4, group)
    )
  },
  // 128 bytes of low 4 bits, 64 of high 2 bits, 16 signed scales (one per 16 values), half d. Per half of 128 values, in
  // quarters of 32: quarters 0 and 1 are the low nibbles of 64 bytes, 2 and 3 the high ones; a byte of high bits serves
  // the four quarters, lowest first.
  Q6_K: (bytes, at, i) => {
    const [half, quarter, lane] = [i >> 7, (i >> 5) % 4, i % 32]
    const low = bytes.u8(at + 64 * half + 32 * (quarter % 2) + lane) >> (quarter < 2 ? 0 : 4)
    const high = bytes.u8(at + 128 + 32 * half + lane) >> (2 * quarter)
    const code = (low & 15) + 16 * (high & 3) - 32
    return bytes.f16(at + 208) * bytes.i8(at + 192 + (i >> 4)) * code
  },
}

/** Row `row` of a matrix. */
export const decodeRow = (weight: CpuWeight, row: number): Float32Array => {
  const { values: blockValues, bytes: blockBytes } = blockLayout[weight.type]
  const columns = weight.shape[1]
  const rowStart = ((row * columns) / blockValues) * blockBytes
  const bytes = bytesOf(weight.bytes)
  const readValue = readers[weight.type]
  const out = new Float32Array(columns)
  for (let column = 0; column < columns; column++)
    out[column] = readValue(bytes, rowStart + Math.floor(column / blockValues) * blockBytes, column % blockValues)
  return out
}
