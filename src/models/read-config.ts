/** Typed reading of GGUF keys for the config readers, and refusal of what nobody read. Knows no architecture. */
import { mostHeadDim } from '../backends/ops.ts'
import { CompactorError } from '../error.ts'
import { shown } from '../shown.ts'
import type { Metadata } from './model.ts'

const corrupt = (key: string, expected: string, came: unknown): CompactorError =>
  new CompactorError('model-corrupt', `model key ${key}: expected ${expected}, got ${shown(came)}; get the file again`)

export interface Heads {
  readonly headCount: number
  readonly kvHeadCount: number
  readonly headDim: number
}

/** Tokens, heads, widths: what indices of 32 bits reach. */
const mostOfAnything = 2 ** 31

/** A whole number from 1 to 2^31; `fallback` when the key is absent, else the key is required. */
export const readCount = (metadata: Metadata, key: string, fallback?: number): number => {
  const value = metadata.get(key) ?? fallback
  if (Array.isArray(value))
    throw new CompactorError(
      'model-unsupported',
      `model key ${key} differs from layer to layer, which is not supported; take another model`,
    )
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1 || value > mostOfAnything)
    throw corrupt(key, `a whole number from 1 to ${mostOfAnything}`, value)
  return value
}

/** Above what any model has; each layer costs memory before its tensors are looked for. */
const mostLayers = 4096

export const readLayerCount = (metadata: Metadata, architecture: string): number => {
  const key = `${architecture}.block_count`
  const layers = readCount(metadata, key)
  if (layers > mostLayers) throw corrupt(key, `at most ${mostLayers} layers`, layers)
  return layers
}

/** Heads, with their absent keys' defaults: as many KV heads as heads, and dim split evenly. */
export const readHeads = (metadata: Metadata, architecture: string, dim: number): Heads => {
  const at = (key: string): string => `${architecture}.attention.${key}`
  const headCount = readCount(metadata, at('head_count'))
  const kvHeadCount = readCount(metadata, at('head_count_kv'), headCount)
  if (metadata.get(at('key_length')) === undefined && dim % headCount !== 0)
    throw corrupt(at('head_count'), `a divisor of embedding_length ${dim}`, headCount)
  const headDim = readCount(metadata, at('key_length'), dim / headCount)
  if (headCount % kvHeadCount !== 0) throw corrupt(at('head_count_kv'), `a divisor of ${headCount} heads`, kvHeadCount)
  if (headDim % 2 !== 0) throw corrupt(at('key_length'), 'an even number, for rotary pairs', headDim)
  if (headDim > mostHeadDim)
    throw new CompactorError(
      'model-unsupported',
      `model key ${at('key_length')} (by default embedding_length / head_count) is ${headDim}; only up to ${mostHeadDim} is supported; take another model`,
    )
  return { headCount, kvHeadCount, headDim }
}

/** A finite number above 0; `fallback` when the key is absent, else the key is required. */
export const readPositive = (metadata: Metadata, key: string, fallback?: number): number => {
  const value = metadata.get(key) ?? fallback
  if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0) throw corrupt(key, 'a number above 0', value)
  return value
}

/**
 * Linear scaling of rotary positions: what they are divided by, 1 where nothing is scaled. A factor alone means linear.
 * Throws CompactorError('model-unsupported') for another kind of scaling.
 */
export const readRopeFactor = (metadata: Metadata, architecture: string): number => {
  const at = (key: string): string => `${architecture}.rope.scaling.${key}`
  const type = metadata.get(at('type')) ?? 'linear'
  if (type !== 'none' && type !== 'linear')
    throw new CompactorError(
      'model-unsupported',
      `model key ${at('type')} is ${shown(type)}; only none or linear is supported; take another model`,
    )
  if (type === 'none') requireValue(metadata, at('factor'), 1)
  return readPositive(metadata, at('factor'), 1)
}

/** A key that may be there as long as it says what this code does anyway. */
export const requireValue = (metadata: Metadata, key: string, expected: string | number | boolean): void => {
  const value = metadata.get(key)
  if (value !== undefined && value !== expected)
    throw new CompactorError(
      'model-unsupported',
      `model key ${key} is ${shown(value)}; only ${expected} is supported; take another model`,
    )
}

/** Any other key of the architecture may change the mathematics, so it is refused rather than ignored. */
export const refuseOtherKeys = (metadata: Metadata, architecture: string, understood: readonly string[]): void => {
  for (const key of metadata.keys())
    if (key.startsWith(`${architecture}.`) && !understood.includes(key.slice(architecture.length + 1)))
      throw new CompactorError(
        'model-unsupported',
        `model key ${shown(key)} is not understood and may change what the model computes, so it is refused; take another model`,
      )
}
