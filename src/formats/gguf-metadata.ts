/**
 * The key-value part of a GGUF header. Values stay in the file and are decoded when asked for; long arrays (vocabulary,
 * merges) are handed out as views. Not here: what any key means.
 */
import { shown } from '../shown.ts'
import type { Cursor, StringTable } from './gguf-cursor.ts'
import { LENGTH_BYTES } from './gguf-cursor.ts'

export type GgufValue = string | number | bigint | boolean | readonly GgufValue[]

/** Above this an array is not turned into JS values by `get`. */
export const LONGEST_SHORT_ARRAY = 1024

const scalarNames = [
  'u8',
  'i8',
  'u16',
  'i16',
  'u32',
  'i32',
  'f32',
  'bool',
  'string',
  'array',
  'u64',
  'i64',
  'f64',
] as const
type ValueType = (typeof scalarNames)[number]
type FixedType = Exclude<ValueType, 'string' | 'array'>

const sizes: Record<FixedType, number> = {
  u8: 1,
  i8: 1,
  u16: 2,
  i16: 2,
  u32: 4,
  i32: 4,
  f32: 4,
  bool: 1,
  u64: 8,
  i64: 8,
  f64: 8,
}

interface Entry {
  readonly type: Exclude<ValueType, 'array'>
  readonly count: number | undefined // of an array
  readonly start: number // of the first value; of a scalar string, its length word
  readonly strings?: StringTable
}

export class GgufMetadata {
  readonly #cursor: Cursor
  readonly #entries = new Map<string, Entry>()

  /** Reads `count` pairs at the cursor. */
  constructor(cursor: Cursor, count: number) {
    this.#cursor = cursor
    for (let index = 0; index < count; index++) {
      const key = cursor.string(`key ${index}`)
      if (this.#entries.has(key)) throw cursor.corrupt(`key ${shown(key)} appears twice`)
      this.#entries.set(key, readEntry(cursor, shown(key)))
    }
  }

  keys(): Iterable<string> {
    return this.#entries.keys()
  }

  /** For listings: 'u32', 'string', 'string[49152]'; undefined for a key that is not there. */
  typeOf(key: string): string | undefined {
    const entry = this.#entries.get(key)
    return entry && (entry.count === undefined ? entry.type : `${entry.type}[${entry.count}]`)
  }

  /**
   * A scalar or an array of at most 1024 values; undefined if the key is not there. 64-bit integers beyond 2^53 are bigint.
   * Throws CompactorError('model-corrupt') for a longer array, which strings(), integers() and floats() give.
   */
  get(key: string): GgufValue | undefined {
    const entry = this.#entries.get(key)
    if (!entry) return undefined
    const { count, strings } = entry
    const called = shown(key)
    if (count === undefined) return this.#value(entry, called)
    if (count > LONGEST_SHORT_ARRAY)
      throw this.#cursor.corrupt(
        `${shown(key)} is an array of ${count}, expected one value or at most ${LONGEST_SHORT_ARRAY}`,
      )
    if (strings) return Array.from({ length: count }, (_, index) => stringAt(this.#cursor, strings, index, called))
    const type = entry.type as FixedType
    return Array.from({ length: count }, (_, index) => this.#number(type, entry.start + index * sizes[type], called))
  }

  /** An array of strings of any length, as a view; undefined if the key is not there. */
  strings(key: string): StringTable | undefined {
    const entry = this.#entries.get(key)
    if (entry && !entry.strings)
      throw this.#cursor.corrupt(`${key} is ${this.typeOf(key)}, expected an array of strings`)
    return entry?.strings
  }

  /** An array of 32-bit integers of any length, copied; undefined if the key is not there. */
  integers(key: string): Int32Array | undefined {
    const words = this.#words(key, ['i32', 'u32'], 'integers')
    return words && new Int32Array(words)
  }

  /** An array of 32-bit floats of any length, copied; undefined if the key is not there. */
  floats(key: string): Float32Array | undefined {
    const words = this.#words(key, ['f32'], 'floats')
    return words && new Float32Array(words)
  }

  #words(key: string, types: readonly string[], what: string): ArrayBuffer | undefined {
    const entry = this.#entries.get(key)
    if (!entry) return undefined
    const { count, type, start } = entry
    if (count === undefined || !types.includes(type))
      throw this.#cursor.corrupt(`${key} is ${this.typeOf(key)}, expected an array of 32-bit ${what}`)
    // Copied, because the file aligns nothing before the tensors.
    return this.#cursor.bytes.slice(start, start + 4 * count).buffer as ArrayBuffer
  }

  #value({ type, start }: Entry, key: string): GgufValue {
    if (type !== 'string') return this.#number(type, start, key)
    const length = Number(this.#cursor.view.getBigUint64(start, true))
    return this.#cursor.text(start + LENGTH_BYTES, length, `the value of ${key}`)
  }

  #number(type: FixedType, at: number, key: string): number | bigint | boolean {
    const { view } = this.#cursor
    switch (type) {
      case 'u8':
        return view.getUint8(at)
      case 'i8':
        return view.getInt8(at)
      case 'u16':
        return view.getUint16(at, true)
      case 'i16':
        return view.getInt16(at, true)
      case 'u32':
        return view.getUint32(at, true)
      case 'i32':
        return view.getInt32(at, true)
      case 'f32':
        return view.getFloat32(at, true)
      case 'f64':
        return view.getFloat64(at, true)
      case 'u64':
        return narrow(view.getBigUint64(at, true))
      case 'i64':
        return narrow(view.getBigInt64(at, true))
      case 'bool': {
        const byte = view.getUint8(at)
        if (byte > 1) throw this.#cursor.corrupt(`${key} is a boolean of value ${byte}, expected 0 or 1`)
        return byte === 1
      }
    }
  }
}

const narrow = (value: bigint): number | bigint => (Number.isSafeInteger(Number(value)) ? Number(value) : value)

const stringAt = (cursor: Cursor, { starts }: StringTable, index: number, key: string): string => {
  const start = starts[index] ?? 0
  return cursor.text(start, (starts[index + 1] ?? 0) - LENGTH_BYTES - start, `value ${index} of ${key}`)
}

const readType = (cursor: Cursor, key: string): ValueType => {
  const code = cursor.u32(`the type of ${key}`)
  const type = scalarNames[code]
  if (!type) throw cursor.corrupt(`${key} has value type ${code}, expected 0 to ${scalarNames.length - 1}`)
  return type
}

const readEntry = (cursor: Cursor, key: string): Entry => {
  const type = readType(cursor, key)
  if (type === 'array') return readArray(cursor, key)
  if (type !== 'string') return { type, count: undefined, start: cursor.take(sizes[type], key) }
  const start = cursor.at
  cursor.take(cursor.count(`the length of ${key}`, 1), key)
  return { type, count: undefined, start }
}

const readArray = (cursor: Cursor, key: string): Entry => {
  const type = readType(cursor, key)
  if (type === 'array') throw cursor.corrupt(`${key} is an array of arrays, expected an array of numbers or strings`)
  const count = cursor.count(`the length of ${key}`, type === 'string' ? LENGTH_BYTES : sizes[type])
  const start = cursor.at
  if (type === 'string') return { type, count, start, strings: cursor.strings(count, key) }
  cursor.take(count * sizes[type], key)
  return { type, count, start }
}
