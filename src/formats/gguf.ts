/**
 * A GGUF file (version 2 or 3, little-endian) as metadata and named tensors. Nothing is copied: tensors and long arrays are
 * views of the bytes given, which stay the caller's (usually a memory map) and must outlive the result. Written here
 * rather than taken from a library because the libraries build one JS string per token: 0.4 to 1.9 s at every start.
 */

import type { WeightType } from '../backends/ops.ts'
import { blockLayout } from '../backends/tensor.ts'
import { CompactorError } from '../error.ts'
import { shown } from '../shown.ts'
import { Cursor } from './gguf-cursor.ts'
import { GgufMetadata } from './gguf-metadata.ts'

export interface GgufTensor {
  readonly name: string
  readonly type: WeightType
  readonly shape: readonly number[] // rows first: the reverse of the order in the file
  readonly bytes: Uint8Array
}

export interface Gguf {
  readonly name: string
  readonly metadata: GgufMetadata
  readonly tensors: ReadonlyMap<string, GgufTensor>
}

// ggml's numbering; gaps are types that were removed from it.
const tensorTypes: Readonly<Record<number, string>> = {
  0: 'F32',
  1: 'F16',
  2: 'Q4_0',
  3: 'Q4_1',
  6: 'Q5_0',
  7: 'Q5_1',
  8: 'Q8_0',
  9: 'Q8_1',
  10: 'Q2_K',
  11: 'Q3_K',
  12: 'Q4_K',
  13: 'Q5_K',
  14: 'Q6_K',
  15: 'Q8_K',
  16: 'IQ2_XXS',
  17: 'IQ2_XS',
  18: 'IQ3_XXS',
  19: 'IQ1_S',
  20: 'IQ4_NL',
  21: 'IQ3_S',
  22: 'IQ2_S',
  23: 'IQ4_XS',
  24: 'I8',
  25: 'I16',
  26: 'I32',
  27: 'I64',
  28: 'F64',
  29: 'IQ1_M',
  30: 'BF16',
  34: 'TQ1_0',
  35: 'TQ2_0',
  39: 'MXFP4',
}

const MAGIC = 0x46554747 // "GGUF"
const VERSIONS: readonly number[] = [2, 3] // the same bytes; 3 only allows big-endian files besides
const LARGEST_RANK = 4
// key length, type, one byte of value; name length, rank, one dimension, type, offset
const SMALLEST_PAIR = 13
const SMALLEST_TENSOR = 32

/** @param name what errors call the file. */
export const readGguf = (bytes: Uint8Array, name: string): Gguf => {
  const cursor = new Cursor(bytes, name)
  readMagic(cursor)
  const tensorCount = cursor.u64('the number of tensors')
  const metadata = new GgufMetadata(cursor, cursor.count('the number of keys', SMALLEST_PAIR))
  if (tensorCount * SMALLEST_TENSOR > cursor.remaining)
    throw cursor.corrupt(`it announces ${tensorCount} tensors, but only ${cursor.remaining} bytes follow the metadata`)
  const infos = Array.from({ length: tensorCount }, (_, index) => readInfo(cursor, index))
  return { name, metadata, tensors: placeTensors(cursor, infos, readAlignment(cursor, metadata)) }
}

const readMagic = (cursor: Cursor): void => {
  const magic = cursor.remaining >= 4 ? cursor.u32('the magic number') : undefined
  if (magic !== MAGIC)
    throw new CompactorError(
      'model-unsupported',
      `${cursor.name} is not a GGUF file: it does not begin with the letters GGUF`,
    )
  const version = cursor.u32('the version')
  if (VERSIONS.includes(version)) return
  const found = version === 3 << 24 ? 'a big-endian file' : `version ${version}`
  throw new CompactorError(
    'model-unsupported',
    `${cursor.name} is ${found} of GGUF, only little-endian versions 2 and 3 can be read; convert it again`,
  )
}

const readAlignment = (cursor: Cursor, metadata: GgufMetadata): number => {
  const alignment = metadata.get('general.alignment') ?? 32
  if (typeof alignment !== 'number' || alignment < 8 || alignment > 2 ** 20 || !Number.isInteger(Math.log2(alignment)))
    throw cursor.corrupt(`general.alignment is ${shown(alignment)}, expected a power of two from 8 to 2^20`)
  return alignment
}

interface TensorInfo {
  readonly name: string
  readonly type: WeightType
  readonly shape: readonly number[]
  readonly offset: number // from the start of the data
  readonly byteCount: number
}

const readInfo = (cursor: Cursor, index: number): TensorInfo => {
  const name = cursor.string(`the name of tensor ${index}`)
  const called = shown(name)
  const rank = cursor.u32(`the rank of ${called}`)
  if (rank < 1 || rank > LARGEST_RANK)
    throw cursor.corrupt(`tensor ${called} has ${rank} dimensions, expected 1 to ${LARGEST_RANK}`)
  const shape = Array.from({ length: rank }, () => cursor.u64(`a dimension of ${called}`)).reverse()
  const type = readTensorType(cursor, called)
  const offset = cursor.u64(`the offset of ${called}`)
  return { name, type, shape, offset, byteCount: tensorBytes(cursor, called, shape, type) }
}

const readTensorType = (cursor: Cursor, name: string): WeightType => {
  const code = cursor.u32(`the type of ${name}`)
  const type = tensorTypes[code]
  if (type === undefined) throw cursor.corrupt(`tensor ${name} has type ${code}, which GGUF does not define`)
  if (Object.hasOwn(blockLayout, type)) return type as WeightType
  throw new CompactorError(
    'model-unsupported',
    `tensor ${name} of ${cursor.name} is of type ${type}, which is not supported; take a file with only ${Object.keys(blockLayout).join(', ')}`,
  )
}

/** shape: rows first. */
const tensorBytes = (cursor: Cursor, name: string, shape: readonly number[], type: WeightType): number => {
  const layout = blockLayout[type]
  const columns = shape.at(-1) ?? 0
  const bytes = (shape.reduce((product, size) => product * size, 1) / layout.values) * layout.bytes
  if (bytes < 1 || !Number.isSafeInteger(Math.ceil(bytes)))
    throw cursor.corrupt(
      `tensor ${name} has shape [${shape}], expected dimensions of at least 1 and fewer than 2^53 bytes in all`,
    )
  if (columns % layout.values !== 0)
    throw cursor.corrupt(
      `a row of ${name} has ${columns} values, expected a multiple of ${layout.values} for type ${type}`,
    )
  return bytes
}

const placeTensors = (cursor: Cursor, infos: readonly TensorInfo[], alignment: number): Map<string, GgufTensor> => {
  const dataStart = Math.ceil(cursor.at / alignment) * alignment
  const tensors = new Map<string, GgufTensor>()
  for (const { name, type, shape, offset, byteCount } of infos) {
    const start = dataStart + offset
    if (tensors.has(name)) throw cursor.corrupt(`tensor ${shown(name)} appears twice`)
    if (offset % alignment !== 0)
      throw cursor.corrupt(`tensor ${shown(name)} starts at offset ${offset}, expected a multiple of ${alignment}`)
    if (start + byteCount > cursor.bytes.length)
      throw cursor.corrupt(
        `tensor ${shown(name)} ends at byte ${start + byteCount}, but the file has ${cursor.bytes.length} bytes`,
      )
    tensors.set(name, { name, type, shape, bytes: cursor.bytes.subarray(start, start + byteCount) })
  }
  refuseOverlap(cursor, infos)
  return tensors
}

const refuseOverlap = (cursor: Cursor, infos: readonly TensorInfo[]): void => {
  const ordered = infos.toSorted((a, b) => a.offset - b.offset)
  for (const [index, tensor] of ordered.entries()) {
    const next = ordered[index + 1]
    if (next && tensor.offset + tensor.byteCount > next.offset)
      throw cursor.corrupt(
        `tensors ${shown(tensor.name)} and ${shown(next.name)} share bytes from offset ${next.offset}`,
      )
  }
}
