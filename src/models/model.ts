/**
 * What a model architecture is: a config reader and a forward pass, one layer at a time, over a panel of tokens. It owns
 * no cache and knows no method: keys and values leave through `attend`, the one door, and attention's output comes back.
 */
import type { Ops, Tensor, Weight } from '../backends/ops.ts'

export type MetadataValue = string | number | bigint | boolean | readonly MetadataValue[]

/** Scalar and short array keys of a GGUF header. */
export interface Metadata {
  get(key: string): MetadataValue | undefined
  keys(): Iterable<string>
}

/** Weights by GGUF tensor name. `matrix` and `vector` throw CompactorError('model-corrupt') naming a missing tensor. */
export interface Weights {
  has(name: string): boolean
  names(): Iterable<string>
  matrix(name: string): Weight
  vector(name: string): Tensor // [length] f32
}

export interface ModelConfig {
  readonly architecture: string
  readonly layerCount: number
  readonly dim: number
  readonly headCount: number
  readonly kvHeadCount: number
  readonly headDim: number
  readonly vocabularySize: number
  readonly contextLength: number // trained, tokens
  /** [layer] tokens that a query of the layer sees, its own among them; undefined: all before it. Absent: all in every layer. */
  readonly windows?: readonly (number | undefined)[]
}

/** q and k before and after rotary embedding, token-major: q [n, heads, headDim], k and v [n, kvHeads, headDim]. */
export interface Attention {
  readonly raw: { readonly q: Tensor; readonly k: Tensor }
  readonly rotated: { readonly q: Tensor; readonly k: Tensor }
  readonly v: Tensor
}

/** Takes one layer's q, k, v; gives [n, heads, headDim], or undefined when nobody needs what follows in this layer. */
export type Attend = (layer: number, attention: Attention) => Tensor | undefined

export interface Model {
  readonly config: ModelConfig
  /** ids [n] → [n, dim] */
  embed(ids: Uint32Array): Tensor
  /** Rotary embedding of the layers that see everything: x [n, anyHeads, headDim], positions [n] → rotated copy */
  rotate(x: Tensor, positions: Uint32Array): Tensor
  /** x [n, dim] → [n, dim]; undefined when `attend` gave undefined. */
  layer(index: number, x: Tensor, positions: Uint32Array, attend: Attend): Tensor | undefined
  /** x [n, dim] after the last layer → [n, vocabulary] */
  logits(x: Tensor): Tensor
}

/** An entry of the table in index.ts, found by `general.architecture`. */
export interface Architecture {
  readonly name: string
  /** Throws CompactorError('model-unsupported') on a key that changes the mathematics and is not understood. */
  readConfig(metadata: Metadata, weights: Weights): ModelConfig
  create(ops: Ops, config: ModelConfig, weights: Weights): Model
}
