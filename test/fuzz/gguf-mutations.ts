/** What can be wrong with a GGUF file: its counts, keys, arrays and tensors. Vocabulary and template: gguf-texts.ts. */
import type { Chance, Mutator } from './chance.ts'
import {
  ARRAY,
  type GgufParts,
  type Pair,
  STRING,
  type TensorPart,
  type Text,
  type Value,
  widths,
} from './gguf-parts.ts'
import { textMutators } from './gguf-texts.ts'

type Change = Mutator<GgufParts>

const nameOf = ({ bytes }: Text): string => bytes.toString('latin1').slice(0, 40)

/** A key: one of the architecture as often as any other. */
const pickPair = ({ pairs }: GgufParts, chance: Chance): Pair | undefined => {
  const own = pairs.filter(({ key }) => !/^(tokenizer|general)\./.test(key.bytes.toString('latin1')))
  return pairs.length === 0 ? undefined : chance.of(chance.oneIn(2) && own.length > 0 ? own : pairs)
}

const onPair =
  (change: (pair: Pair, chance: Chance, parts: GgufParts) => string | undefined): Change =>
  (parts, chance) => {
    const pair = pickPair(parts, chance)
    const name = pair && nameOf(pair.key)
    const what = pair && change(pair, chance, parts)
    return what === undefined ? undefined : `${name}: ${what}`
  }

const onTensor =
  (change: (tensor: TensorPart, chance: Chance, parts: GgufParts) => string | undefined): Change =>
  (parts, chance) => {
    if (parts.tensors.length === 0) return undefined
    const tensor = chance.of(parts.tensors)
    const name = nameOf(tensor.name)
    const what = change(tensor, chance, parts)
    return what === undefined ? undefined : `${name}: ${what}`
  }

const ofNumber = (type: number, value: number | bigint): Buffer => {
  const bytes = Buffer.alloc(8)
  if (type === 6) bytes.writeFloatLE(Number(value))
  else if (type === 12) bytes.writeDoubleLE(Number(value))
  else bytes.writeBigUInt64LE(BigInt.asUintN(64, typeof value === 'bigint' ? value : 0n))
  return bytes.subarray(0, widths[type])
}

const numberOf = ({ fixed }: Value): bigint =>
  fixed && fixed.length >= 4 && fixed.length <= 8 ? BigInt(fixed.readUInt32LE(0)) : 0n

const floats = [Number.NaN, Infinity, -Infinity, 0, -0, -1, 1e-45, 1e-30, 3e38, 0.5]

const header: Change = (parts, chance) => {
  switch (chance.below(5)) {
    case 0:
      parts.magic = chance.of([Buffer.from('GGML'), Buffer.from('FUGG'), Buffer.from('gguf'), Buffer.alloc(4)])
      return 'magic'
    case 1:
      parts.version = chance.of([0, 1, 2, 2, 4, 3 << 24, 0xffffffff])
      return `version ${parts.version}`
    case 2:
    case 3:
      parts.keyCount = chance.edge(BigInt(parts.pairs.length))
      return `${parts.keyCount} keys`
    default:
      parts.tensorCount = chance.edge(BigInt(parts.tensors.length))
      return `${parts.tensorCount} tensors`
  }
}

const number = onPair(({ value }, chance) => {
  if (!value.fixed || value.array) return undefined
  const isFloat = value.type === 6 || value.type === 12
  value.fixed = ofNumber(value.type, isFloat ? chance.of(floats) : chance.edge(numberOf(value)))
  return `number ${value.fixed.toString('hex')}`
})

/** The same bytes called something else. */
const typeCode = onPair(({ value }, chance) => {
  value.type = chance.of([0, 1, 2, 3, 4, 5, 6, 7, STRING, ARRAY, 10, 11, 12, 13, 255, 0xffffffff])
  return `called type ${value.type}`
})

/** Another type, written as such. */
const otherValue = onPair((pair, chance) => {
  const numbers = (type: number, count: number): Value => ({
    type,
    array: {},
    fixed: Buffer.concat(Array.from({ length: count }, () => ofNumber(type, chance.edge(24n)))),
  })
  pair.value = chance.of<() => Value>([
    () => ({ type: STRING, texts: [{ bytes: chance.text() }] }),
    () => ({ type: 7, fixed: Buffer.from([chance.of([0, 1, 2, 255])]) }),
    () => ({ type: 6, fixed: ofNumber(6, chance.of(floats)) }),
    () => ({ type: 10, fixed: ofNumber(10, chance.edge(24n)) }),
    () => ({ type: 11, fixed: ofNumber(11, chance.edge(24n)) }),
    () => ({ type: 12, fixed: ofNumber(12, chance.of(floats)) }),
    () => numbers(chance.of([0, 4, 5, 6, 10]), chance.of([0, 1, 2, 1024, 1025])),
    () => ({
      type: STRING,
      array: {},
      texts: Array.from({ length: chance.of([0, 1, 300]) }, () => ({ bytes: chance.text() })),
    }),
  ])()
  return `now of type ${pair.value.type}${pair.value.array ? '[]' : ''}`
})

const keyName = onPair((pair, chance, { pairs }) => {
  const other = chance.of(pairs).key.bytes
  pair.key = chance.of<() => Text>([
    () => ({ bytes: chance.text() }),
    () => ({ bytes: other }), // twice
    () => ({ bytes: Buffer.concat([pair.key.bytes, Buffer.from('x')]) }),
    () => ({ bytes: pair.key.bytes, length: chance.edge(BigInt(pair.key.bytes.length)) }),
  ])()
  return 'another name'
})

const textLength = onPair(({ value }, chance) => {
  if (!value.texts || value.texts.length === 0) return undefined
  const text = chance.of(value.texts)
  text.length = chance.edge(BigInt(text.bytes.length))
  return `a length of ${text.length}`
})

const textBytes = onPair(({ value }, chance) => {
  if (!value.texts || value.array) return undefined
  value.texts = [{ bytes: chance.text() }]
  return 'another text'
})

const arrayCount = onPair(({ value }, chance) => {
  if (!value.array) return undefined
  const count = BigInt(value.texts?.length ?? Math.floor((value.fixed?.length ?? 0) / (widths[value.type] || 1)))
  if (chance.oneIn(4)) value.array.nested = true
  else value.array.count = chance.edge(count)
  return value.array.nested ? 'an array of arrays' : `${value.array.count} values`
})

const pairList: Change = (parts, chance) => {
  const { pairs } = parts
  if (pairs.length < 2) return undefined
  const at = chance.below(pairs.length)
  const pair = pairs[at] as Pair
  switch (chance.below(4)) {
    case 0:
    case 1:
      pairs.splice(at, 1)
      return `${nameOf(pair.key)}: missing`
    case 2: {
      const other = chance.of(pairs)
      ;[pair.value, other.value] = [other.value, pair.value]
      return `${nameOf(pair.key)}: value of ${nameOf(other.key)}`
    }
    default:
      pairs.push(pair)
      return `${nameOf(pair.key)}: twice`
  }
}

// What the architectures read where it is there, and what must not be there.
const optionalKeys = [
  'attention.key_length',
  'attention.value_length',
  'attention.causal',
  'attention.sliding_window',
  'attention.sliding_window_pattern',
  'attention.head_count_kv',
  'expert_count',
  'final_logit_softcapping',
  'rope.dimension_count',
  'rope.freq_base_swa',
  'rope.scaling.type',
  'rope.scaling.factor',
  'vocab_size',
  'rope.scaling.yarn_log_multiplier',
]
const globalKeys = [
  'general.alignment',
  'split.count',
  'split.no',
  'split.tensors.count',
  'tokenizer.ggml.add_bos_token',
  'tokenizer.ggml.add_space_prefix',
  'tokenizer.ggml.eot_token_id',
  'tokenizer.ggml.eom_token_id',
  'tokenizer.ggml.scores',
]

const newKey: Change = (parts, chance) => {
  const architecture = /^([a-z0-9]+)\.block_count$/m.exec(parts.pairs.map(({ key }) => nameOf(key)).join('\n'))?.[1]
  const name = chance.oneIn(2) ? chance.of(globalKeys) : `${architecture}.${chance.of(optionalKeys)}`
  const value = chance.of<() => Value>([
    () => ({ type: 4, fixed: ofNumber(4, chance.edge(8n)) }),
    () => ({ type: 4, fixed: ofNumber(4, BigInt(1 + chance.below(16))) }),
    () => ({ type: 6, fixed: ofNumber(6, chance.of(floats)) }),
    () => ({ type: 7, fixed: Buffer.from([chance.below(2)]) }),
    () => ({ type: 11, fixed: ofNumber(11, -1n) }),
    () => ({ type: STRING, texts: [{ bytes: chance.oneIn(2) ? Buffer.from('linear') : chance.text() }] }),
  ])()
  parts.pairs.push({ key: { bytes: Buffer.from(name) }, value })
  return `${name}: new`
}

const dimensions = onTensor((tensor, chance) => {
  const at = chance.below(tensor.dimensions.length)
  switch (chance.below(4)) {
    case 0:
      tensor.dimensions.reverse()
      return 'dimensions swapped'
    case 1:
      tensor.rank = chance.of([0, 1, 2, 3, 4, 5, 1000, 0xffffffff])
      return `rank ${tensor.rank}`
    case 2:
      tensor.dimensions = Array.from({ length: 1 + chance.below(4) }, () => chance.edge(24n))
      break
    default:
      tensor.dimensions[at] = chance.edge(tensor.dimensions[at])
  }
  return `dimensions ${tensor.dimensions}`
})

/** Another size, with as many bytes as that takes. */
const resized = onTensor((tensor, chance) => {
  const at = chance.below(tensor.dimensions.length)
  tensor.dimensions[at] = BigInt(chance.of([1, 2, 8, 23, 25, 48, 268, 270, 400]))
  const values = Number(tensor.dimensions.reduce((product, size) => product * size, 1n))
  const grown = Buffer.alloc(values * 4)
  for (let from = 0; from < grown.length && tensor.data.length > 0; from += tensor.data.length)
    tensor.data.copy(grown, from)
  tensor.data = grown
  return `resized to ${tensor.dimensions}`
})

const tensorType = onTensor((tensor, chance) => {
  tensor.type = chance.of([0, 1, 2, 3, 4, 8, 12, 14, 24, 26, 27, 30, 30, 31, 39, 255, 0xffffffff])
  if (chance.oneIn(2)) return `called type ${tensor.type}`
  if (tensor.type === 1 || tensor.type === 30) tensor.data = tensor.data.subarray(0, tensor.data.length / 2)
  return `made type ${tensor.type}`
})

const offset = onTensor((tensor, chance, { tensors }) => {
  const sum = tensors.reduce((bytes, { data }) => bytes + data.length, 0)
  tensor.offset = chance.of([
    chance.edge(32n),
    0n,
    32n,
    1n,
    4n,
    BigInt(sum),
    BigInt(sum - 32),
    chance.edge(BigInt(sum)),
  ])
  return `offset ${tensor.offset}`
})

const values = onTensor((tensor, chance) => {
  tensor.data = Buffer.from(tensor.data)
  const count = Math.min(tensor.data.length >> 2, chance.of([1, 1, 8, 1 << 20]))
  for (let done = 0; done < count; done++)
    tensor.data.writeFloatLE(chance.of(floats), 4 * (count > 8 ? done : chance.below(tensor.data.length >> 2)))
  return `${count} odd values`
})

const tensorName = onTensor((tensor, chance, { tensors }) => {
  tensor.name = chance.of<() => Text>([
    () => ({ bytes: chance.text() }),
    () => ({ bytes: chance.of(tensors).name.bytes }),
    () => ({ bytes: Buffer.from(chance.of(['output.weight', 'rope_freqs.weight', 'blk.9.attn_q.weight'])) }),
    () => ({ bytes: tensor.name.bytes, length: chance.edge(BigInt(tensor.name.bytes.length)) }),
  ])()
  return 'another name'
})

const tensorList: Change = ({ tensors }, chance) => {
  if (tensors.length < 2) return undefined
  const at = chance.below(tensors.length)
  const tensor = tensors[at] as TensorPart
  if (chance.oneIn(3)) {
    const other = chance.of(tensors)
    ;[tensor.data, other.data] = [other.data, tensor.data]
    return `${nameOf(tensor.name)}: data of ${nameOf(other.name)}`
  }
  if (chance.oneIn(2)) tensors.push({ ...tensor, name: { bytes: Buffer.from(`${nameOf(tensor.name)}2`) } })
  else tensors.splice(at, 1)
  return `${nameOf(tensor.name)}: more or missing`
}

/** A model of fewer layers, right in everything else. */
const fewerLayers: Change = (parts, chance) => {
  const count = parts.pairs.find(({ key }) => nameOf(key).endsWith('.block_count'))
  if (!count?.value.fixed || count.value.fixed.length < 4) return undefined
  const layers = 1 + chance.below(2)
  count.value.fixed = ofNumber(count.value.type, BigInt(layers))
  parts.tensors = parts.tensors.filter(({ name }) => Number(/^blk\.(\d+)/.exec(nameOf(name))?.[1] ?? 0) < layers)
  return `${layers} layers`
}

export const ggufMutators: readonly Change[] = [
  header,
  number,
  number,
  number,
  typeCode,
  otherValue,
  otherValue,
  keyName,
  textLength,
  textBytes,
  arrayCount,
  pairList,
  pairList,
  newKey,
  newKey,
  dimensions,
  resized,
  tensorType,
  offset,
  values,
  tensorName,
  tensorList,
  fewerLayers,
  ...textMutators,
]
