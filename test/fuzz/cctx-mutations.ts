/** What can be wrong with a .cctx whose checksums hold: its prologue, each field of its header, each array. */
import type { PieceLayout, Section, TierPieceLayout } from '../../src/cache/cctx-layout.ts'
import { type CctxParts, fitArrays, type Json } from './cctx-parts.ts'
import type { Chance, Mutator } from './chance.ts'

type Change = Mutator<CctxParts>
type Holder = { [name: string]: Json } | Json[]

const word = (value: bigint | number, width: 2 | 4 | 8): Buffer => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)))
  return bytes.subarray(0, width)
}

const prologue: Change = (parts, chance) => {
  const [at, bytes, what] = chance.of<() => readonly [number, Buffer, string]>([
    () => [8, word(chance.of([0, 1, 1, 1, 3, 255, 0xffffffff]), 4), 'version'],
    () => [12, word(chance.edge(1500n), 4), 'header bytes'],
    () => [16, word(chance.edge(20_000n), 8), 'file bytes'],
    () => [24, word(chance.edge(1n), 4), 'chunk count'],
    () => [28, word(1, 4), 'zeros of the prologue'],
    () => [64 + chance.below(64), chance.bytes(4), 'table'],
    () => [64 + chance.below(4000), word(1, 2), 'padding behind the table'],
  ])()
  const list = chance.oneIn(5) ? parts.afterwards : parts.prologue
  list.push([at, bytes])
  return `${what} ${bytes.toString('hex')}`
}

/** A place in the header, with the names that lead there. */
const pick = (
  root: Holder,
  chance: Chance,
): { readonly holder: Holder; readonly name: string; readonly path: string } => {
  let holder = root
  const path: string[] = []
  for (;;) {
    const names = Object.keys(holder)
    if (names.length === 0) return { holder, name: 'new', path: [...path, 'new'].join('.') }
    const name = chance.of(names)
    path.push(name)
    const value = (holder as { [name: string]: Json })[name]
    if (typeof value !== 'object' || value === null || chance.oneIn(4)) return { holder, name, path: path.join('.') }
    holder = value
  }
}

const oddText = (chance: Chance): string => (chance.oneIn(4) ? '\ud800\u0007' : chance.text().toString())

const oddJson = (chance: Chance, old: Json | undefined): Json => {
  const number = Number(
    BigInt.asIntN(64, chance.edge(typeof old === 'number' && Number.isSafeInteger(old) ? BigInt(old) : 1n)),
  )
  return chance.of<() => Json>([
    () => number,
    () => number,
    () => (typeof old === 'number' ? old + chance.of([1, -1, 0.5, 64]) : -1),
    () => chance.of([0, 1, 2, 4, 16, 100, 512, 4096, 65_536, 1e300, -0.5]),
    () => oddText(chance),
    () => null,
    () => chance.oneIn(2),
    () => [],
    () => ({}),
    () => Array.from({ length: chance.of([1, 3, 64, 70, 5000]) }, () => chance.below(9)),
    () => (Array.isArray(old) ? [...old, ...old].slice(chance.below(2)) : [old ?? null]),
    () => (Array.isArray(old) ? old.slice(1) : { [oddText(chance)]: 1 }),
  ])()
}

const field: Change = (parts, chance) => {
  const { holder, name, path } = pick(parts.header, chance)
  const object = holder as { [name: string]: Json }
  object[name] = oddJson(chance, object[name])
  const isFitted = chance.oneIn(2) && fitArrays(parts)
  return `${path.slice(0, 80)} changed${isFitted ? ', arrays fitted' : ''}`
}

const missing: Change = (parts, chance) => {
  const { holder, name, path } = pick(parts.header, chance)
  if (Array.isArray(holder)) holder.splice(Number(name), 1)
  else delete holder[name]
  return `${path.slice(0, 80)} missing`
}

const unknown: Change = (parts, chance) => {
  const { holder, path } = pick(parts.header, chance)
  if (Array.isArray(holder)) holder.push(oddJson(chance, holder[0]))
  else
    Object.defineProperty(holder, oddText(chance), {
      value: oddJson(chance, 1),
      enumerable: true,
      configurable: true,
      writable: true,
    })
  return `${path.slice(0, 80)} beside something new`
}

const blockOf = ({ header }: CctxParts): { [name: string]: Json } =>
  typeof header.block === 'object' && header.block !== null && !Array.isArray(header.block) ? header.block : {}

/** Sizes of the block, changed together with everything that follows from them. */
const sizes: Change = (parts, chance) => {
  const block = blockOf(parts)
  const name = chance.of([
    'layerCount',
    'kvHeadCount',
    'headDim',
    'originalTokens',
    'headTokens',
    'precision',
    'biased',
    'order',
  ])
  const old = block[name] as Json
  block[name] =
    typeof old === 'boolean'
      ? !old
      : typeof old === 'string'
        ? flipped(old)
        : chance.of([1, 2, 3, 4, 8, 24, 100, 200, 511, 600])
  if (name === 'layerCount' || name === 'kvHeadCount') regroup(block, chance)
  if (name === 'originalTokens' || name === 'headTokens')
    parts.header.nextPosition = Number(block.headTokens) + Number(block.originalTokens)
  return fitArrays(parts) ? `${name} is ${block[name]}, all fitted` : undefined
}

const flipped = (text: string): string =>
  ({ f16: 'f32', f32: 'f16', importance: 'position', position: 'importance' })[text] ?? ''

const regroup = (block: { [name: string]: Json }, chance: Chance): void => {
  const [layers, heads] = [Number(block.layerCount), Number(block.kvHeadCount)]
  const most = Number(block.originalTokens)
  const row = (): Json => Array.from({ length: heads }, () => chance.below(Math.min(most, 30)))
  block.tiers = [{ offset: 0, bytes: 0, counts: Array.from({ length: layers }, row) }]
  if (Array.isArray(block.scoreMoments))
    block.scoreMoments = Array.from({ length: layers }, () => ({ mean: 0, deviation: 1 }))
}

/** Other counts of a tier, the rest fitted. */
const budgets: Change = (parts, chance) => {
  const { tiers, originalTokens } = blockOf(parts)
  if (!Array.isArray(tiers) || tiers.length === 0) return undefined
  const { counts } = chance.of(tiers) as { counts?: number[][] }
  if (!Array.isArray(counts) || counts.length === 0) return undefined
  const heads = chance.of(counts)
  if (!Array.isArray(heads) || heads.length === 0) return undefined
  heads[chance.below(heads.length)] = chance.of([0, 1, 3, Number(originalTokens), Number(originalTokens) + 1, 4000])
  return fitArrays(parts) ? 'counts of a tier' : undefined
}

const fill = (parts: CctxParts, { at, rows, rowBytes }: Section, word: Buffer, chance: Chance): string => {
  const end = Math.min(parts.arrays.length, at + rows * rowBytes)
  if (chance.oneIn(3)) parts.arrays.fill(word, at, end)
  else
    for (let count = 1 + chance.below(6); count > 0 && end - at >= word.length; count--)
      word.copy(parts.arrays, at + word.length * chance.below(Math.floor((end - at) / word.length)))
  return word.toString('hex')
}

const halves = [0x7e00, 0x7c00, 0xfc00, 0x0001, 0x8000, 0x7bff, 0xffff]

/** Keys, values, biases: what is no number, or too large. */
const vectors: Change = (parts, chance) => {
  const { layout } = parts
  const windows = layout.windowPart.filter((piece) => piece !== undefined)
  const tiers = layout.tiers.flatMap(({ layers }) => layers)
  const piece = chance.of<PieceLayout | TierPieceLayout>([...layout.headPart, ...windows, ...tiers])
  const section = chance.of([piece.k, piece.v, ...('bias' in piece && piece.bias ? [piece.bias, piece.bias] : [])])
  const value = chance.of([
    word(chance.of(halves), 2),
    word(chance.of([0x7fc00000, 0x7f800000, 0xff800000, 0xff7fffff]), 4),
  ])
  return `keys, values or biases ${fill(parts, section, value, chance)}`
}

const indices: Change = (parts, chance) => {
  const pieces = parts.layout.tiers.flatMap(({ layers }) => layers)
  if (pieces.length === 0) return undefined
  const { positions, codes } = chance.of(pieces)
  const section = codes && chance.oneIn(3) ? codes : positions
  return `positions or codes ${fill(parts, section, word(chance.of([0, 1, 99, 100, 101, 0xfffe, 0xffff]), 2), chance)}`
}

/** Ids beyond the vocabulary; offsets that fall or leave the document. */
const tokens: Change = (parts, chance) => {
  const section = chance.of([parts.layout.tokenIds, parts.layout.sourceOffsets])
  return `ids or offsets ${fill(parts, section, word(chance.edge(269n), 4), chance)}`
}

const padding: Change = (parts, chance) => {
  if (parts.arrays.length === 0) return undefined
  parts.arrays[chance.below(parts.arrays.length)] = 1 + chance.below(255)
  return 'a byte of the arrays'
}

const length: Change = (parts, chance) => {
  const by = chance.of([-4096, -64, -4, -1, 1, 64, 4096, 65_536])
  if (parts.arrays.length + by < 0) return undefined
  const arrays = Buffer.alloc(parts.arrays.length + by)
  parts.arrays.copy(arrays)
  parts.arrays = arrays
  return `arrays by ${by}`
}

/** JSON that JSON.stringify would not write. */
const rawText: Change = (parts, chance) => {
  const text = JSON.stringify(parts.header)
  parts.headerText = chance.of([
    () => '',
    () => 'null',
    () => '[]',
    () => `${text}x`,
    () => text.slice(0, chance.below(text.length)),
    () => text.replace(/:(\d+)/, chance.of([':NaN', ':1e999', ':-0', ':0x10', ':1.0', ':01'])),
    () => text.replace('{', '{"block":{},'),
    () => text.replace('"nested"', '"__proto__":{"polluted":1},"nested"'),
    () => '['.repeat(200_000),
    () => `{"a":${'['.repeat(50_000)}${']'.repeat(50_000)}}`,
    () => text.replace('"given":"', `"given":${'{"a":'.repeat(9000)}1${'}'.repeat(9000)},"x":"`),
    () => text.replace('toy', chance.of(['\u0000', '\u001b[31m', '\\ud800', '\\u0007'])),
  ])()
  return 'other JSON'
}

export const cctxMutators: readonly Change[] = [
  prologue,
  field,
  field,
  field,
  missing,
  unknown,
  sizes,
  sizes,
  budgets,
  budgets,
  vectors,
  indices,
  indices,
  tokens,
  padding,
  length,
  rawText,
]
