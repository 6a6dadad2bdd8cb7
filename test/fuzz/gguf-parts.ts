/**
 * A GGUF file taken apart so that each part can be made wrong and the rest written as before: counts, lengths and offsets
 * follow from what is there unless a mutator says another number. Reads only files that are right.
 */
import type { Marked } from './byte-mutations.ts'

export interface Text {
  bytes: Buffer
  length?: bigint // as written; absent: the right one
}

export interface Value {
  type: number // scalar type, or that of an array's values
  /** Of an array; the number of values as written. */
  array?: { count?: bigint; nested?: boolean }
  /** Numbers and booleans as they stand; strings one by one. */
  fixed?: Buffer
  texts?: Text[]
}

export interface Pair {
  key: Text
  value: Value
}

export interface TensorPart {
  name: Text
  dimensions: bigint[] // columns first
  rank?: number
  type: number
  offset?: bigint
  data: Buffer
}

export interface GgufParts {
  magic: Buffer
  version: number
  tensorCount?: bigint
  keyCount?: bigint
  pairs: Pair[]
  tensors: TensorPart[]
}

export const STRING = 8
export const ARRAY = 9
const ALIGNMENT = 32
/** Bytes of a value, by type. */
export const widths: readonly number[] = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8]

export const takeApart = (bytes: Buffer): GgufParts => {
  let at = 24
  const take = (length: number): Buffer => {
    const piece = bytes.subarray(at, at + length)
    at += length
    return piece
  }
  const u32 = (): number => take(4).readUInt32LE()
  const u64 = (): bigint => take(8).readBigUInt64LE()
  const text = (): Text => ({ bytes: take(Number(u64())) })
  const value = (): Value => {
    const type = u32()
    if (type === STRING) return { type, texts: [text()] }
    if (type !== ARRAY) return { type, fixed: take(widths[type] as number) }
    const [of, count] = [u32(), Number(u64())]
    if (of === STRING) return { type: of, array: {}, texts: Array.from({ length: count }, text) }
    return { type: of, array: {}, fixed: take(count * (widths[of] as number)) }
  }
  const [tensorCount, keyCount] = [Number(bytes.readBigUInt64LE(8)), Number(bytes.readBigUInt64LE(16))]
  const pairs = Array.from({ length: keyCount }, (): Pair => ({ key: text(), value: value() }))
  const infos = Array.from({ length: tensorCount }, () => {
    const [name, rank] = [text(), u32()]
    return { name, dimensions: Array.from({ length: rank }, u64), type: u32(), offset: Number(u64()) }
  })
  const start = Math.ceil(at / ALIGNMENT) * ALIGNMENT
  const ends = infos.map(({ offset }) => offset).concat(bytes.length - start)
  const tensors = infos.map(({ offset, ...info }, index) => ({
    ...info,
    data: bytes.subarray(start + offset, start + (ends[index + 1] as number)),
  }))
  return { magic: bytes.subarray(0, 4), version: bytes.readUInt32LE(4), pairs, tensors }
}

/** Parts that can be changed without the others' noticing; the bytes of large ones are shared until replaced. */
export const copyParts = ({ pairs, tensors, ...rest }: GgufParts): GgufParts => ({
  ...rest,
  pairs: pairs.map(({ key, value }) => ({
    key: { ...key },
    value: {
      ...value,
      ...(value.array && { array: { ...value.array } }),
      ...(value.texts && { texts: value.texts.map((text) => ({ ...text })) }),
    },
  })),
  tensors: tensors.map((tensor) => ({ ...tensor, name: { ...tensor.name }, dimensions: [...tensor.dimensions] })),
})

class Writer {
  readonly #pieces: Buffer[] = []
  readonly boundaries: number[] = []
  length = 0

  raw(piece: Buffer): void {
    this.#pieces.push(piece)
    this.length += piece.length
  }

  number(value: number | bigint, width: 4 | 8): void {
    const piece = Buffer.alloc(width)
    if (width === 4) piece.writeUInt32LE(Number(BigInt.asUintN(32, BigInt(value))))
    else piece.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)))
    this.raw(piece)
  }

  text({ bytes, length }: Text): void {
    this.number(length ?? BigInt(bytes.length), 8)
    this.raw(bytes)
  }

  mark(): void {
    this.boundaries.push(this.length)
  }

  pad(): void {
    this.raw(Buffer.alloc((ALIGNMENT - (this.length % ALIGNMENT)) % ALIGNMENT))
  }

  finish(): Marked {
    return { bytes: Buffer.concat(this.#pieces), boundaries: this.boundaries }
  }
}

export const putTogether = (parts: GgufParts): Marked => {
  const out = new Writer()
  out.raw(parts.magic)
  out.number(parts.version, 4)
  out.mark()
  out.number(parts.tensorCount ?? BigInt(parts.tensors.length), 8)
  out.number(parts.keyCount ?? BigInt(parts.pairs.length), 8)
  for (const pair of parts.pairs) writePair(out, pair)
  let offset = 0n
  for (const tensor of parts.tensors) {
    writeInfo(out, tensor, offset)
    offset += BigInt(Math.ceil(tensor.data.length / ALIGNMENT) * ALIGNMENT)
  }
  for (const { data } of parts.tensors) {
    out.pad()
    out.mark()
    out.raw(data)
  }
  out.pad()
  return out.finish()
}

const writePair = (out: Writer, { key, value: { type, array, fixed, texts } }: Pair): void => {
  out.mark()
  out.text(key)
  out.mark()
  if (array) out.number(ARRAY, 4)
  if (array?.nested) {
    out.number(ARRAY, 4)
    out.number(1n, 8)
  }
  out.number(type, 4)
  if (array)
    out.number(array.count ?? BigInt(texts ? texts.length : Math.floor((fixed?.length ?? 0) / (widths[type] || 1))), 8)
  out.mark()
  if (fixed) out.raw(fixed)
  for (const text of texts ?? []) out.text(text)
}

const writeInfo = (out: Writer, { name, rank, dimensions, type, offset }: TensorPart, follows: bigint): void => {
  out.mark()
  out.text(name)
  out.number(rank ?? dimensions.length, 4)
  for (const size of dimensions) out.number(size, 8)
  out.mark()
  out.number(type, 4)
  out.number(offset ?? follows, 8)
}
