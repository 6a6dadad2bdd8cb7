/**
 * What a backend computes: coarse functions on opaque tensors. Not here: what a tensor's bytes are (`tensor.ts` for the
 * two CPU backends), which method or model calls them, who owns the cache. `reference.ts` is the definition of each op;
 * `ops.conformance.ts` holds every other backend against it.
 *
 * Row-major throughout; shapes in brackets. All ops are synchronous but `read`, so that a GPU backend fits.
 */

/** The widest head that the ops on queries and keys take. */
export const mostHeadDim = 1024

/** The longest chunk that chunkAttentionMass takes, alone and times KV heads. */
export const mostChunkTokens: number = 2 ** 18
export const mostChunkKeys: number = 2 ** 20

export type Precision = 'f32' | 'f16'

/** An array that lives in a backend. f16 is IEEE half. */
export interface Tensor {
  readonly shape: readonly number[]
  readonly dtype: Precision
}

/** GGUF tensor types that `weight` takes. */
export type WeightType =
  | ('F32' | 'F16' | 'BF16')
  | ('Q4_0' | 'Q4_1' | 'Q5_0' | 'Q5_1' | 'Q8_0')
  | ('Q4_K' | 'Q5_K' | 'Q6_K')

/** A matrix [rows, columns] in its GGUF blocks (one row = `columns` values, in blocks of 32 or 256). */
export interface Weight {
  readonly shape: readonly [rows: number, columns: number]
  readonly type: WeightType
}

/** Rotary embedding. `interleaved` rotates pairs (2i, 2i+1) (llama GGUFs), `halves` pairs (i, i + headDim/2) (qwen2). */
export interface RopeOptions {
  readonly theta: number
  readonly layout: 'interleaved' | 'halves'
  readonly factors?: Tensor // [headDim / 2] f32, above 0: what the angle of each pair is divided by
}

/**
 * Keys and values that a query may look at: for each KV head a run of rows. Rows of `k`, `v` and `bias` belong together.
 * `causalFrom` undefined: every row is visible to every query. Else row j of a run has index causalFrom + j, and query i
 * (of index `firstIndex` + i) sees it only if causalFrom + j ≤ firstIndex + i; with a `window`, only the last so many of
 * these, its own index among them: causalFrom + j > firstIndex + i − window. `firstQuery` and `queryCount` undefined: for every
 * query. Else only for so many of them: those of one sequence among several that are computed together.
 */
export interface Segment {
  readonly k: Tensor // [rows, headDim], f16 or f32
  readonly v: Tensor // [rows, headDim], same dtype as k
  readonly starts: Uint32Array // [kvHeads], first row of each head's run
  readonly counts: Uint32Array // [kvHeads], rows in each head's run (0 allowed)
  readonly bias?: Tensor // [rows] f32, added to the scaled logit
  readonly causalFrom?: number
  readonly window?: number // at least 1, only with causalFrom
  readonly firstQuery?: number // both or none
  readonly queryCount?: number
}

/** What an op does first to its rows, as rmsNorm. */
export interface Norm {
  readonly gain: Tensor // [dim]
  readonly epsilon: number
}

export interface ProductOptions {
  readonly biases?: readonly Tensor[] // [rows] of the weight of the same index
  readonly norm?: Norm
}

/** The gated feed-forward network of a layer. */
export interface FeedForward {
  readonly norm: Norm
  readonly gate: Weight // [hidden, dim]
  readonly up: Weight // [hidden, dim]
  readonly down: Weight // [dim, hidden]
  readonly activation: 'swiglu' | 'geglu' // the op of that name
}

export interface AttendOptions {
  readonly scale: number // multiplies q·k, usually 1/√headDim
  readonly firstIndex: number // index of query 0, see Segment
}

/** Statistical leverage of keys, ALGORITHMS "Compactor score" (arXiv 2507.08143, section 3). */
export interface LeverageOptions {
  readonly sketch?: Tensor // Φ [headDim, sketchSize] f32; absent = exact (Φ = I)
  readonly ridge: number // added to the diagonal of the Gram matrix, > 0
  readonly chunkTokens?: number // compute over chunks of this many tokens; absent = over all
}

export interface ChunkMassOptions {
  readonly chunkTokens: number
  readonly scale: number // 1 or 1/√headDim
}

/** The most segments that an op takes. */
export const mostSegments = 256

/** The most keys, over all KV heads, and query heads that attentionReceived takes. */
export const mostReceivedKeys: number = 2 ** 22
export const mostReceivingHeads: number = 2 ** 16
/** The longest document that lagSpread, lagRanks and expectedAttention take. */
export const mostScoredTokens: number = 2 ** 21
/** The longest row that argmax and describeRows take: its index must be exact as f32. */
export const mostRowValues: number = 2 ** 24

/** As for `attend`, and what is taken over the queries that see a key. */
export interface ReceivedOptions extends AttendOptions {
  readonly reduce: 'sum' | 'max' // over queries and the query heads of a KV head
}

/** LagKV (arXiv 2504.04704): whole partitions from `first` on; each is judged by the next one. */
export interface LagOptions {
  readonly first: number // tokens before it belong to no partition
  readonly partitionTokens: number
}

/** Expected Attention (arXiv 2510.00636). */
export interface ExpectedAttentionOptions {
  readonly rotation: Tensor // [headDim, headDim] f32: row i is the mean over future positions of rotated unit vector i
  readonly scale: number // 1/√headDim
  readonly first: number // tokens before it are left out: their queries of mean and covariance, their keys of the softmax
}

/** How many numbers describeRows gives for a row. */
export const rowFigures = 4

/** A tensor for each of them. */
export type EachOf<W extends readonly unknown[]> = { readonly [I in keyof W]: Tensor }

export interface Ops {
  readonly name: string

  // -- memory ---------------------------------------------------------------------------------------------------
  /** Tensors made inside `body` are recycled when it ends; what must outlive it is copied into a tensor made outside. */
  scope<T>(body: () => T): T
  /** Zero-filled. */
  zeros(shape: readonly number[], dtype: Precision): Tensor
  /** A tensor over the caller's values (Float32Array = f32, Uint16Array = f16 bits); no copy on CPU backends. */
  from(values: Float32Array | Uint16Array, shape: readonly number[]): Tensor
  /** A copy of the values. */
  read(tensor: Tensor): Promise<Float32Array | Uint16Array>
  /** A quantised matrix over the caller's bytes; no copy on CPU backends. Throws if the byte count is wrong. */
  weight(type: WeightType, shape: readonly [rows: number, columns: number], bytes: Uint8Array): Weight
  /** Rows `start` … `start + count` of the first dimension, sharing memory. */
  slice(tensor: Tensor, start: number, count: number): Tensor
  /** The same values under another shape, sharing memory. */
  reshape(tensor: Tensor, shape: readonly number[]): Tensor
  /** target ← source, same shape; converts between f32 and f16 (round to nearest even). */
  copy(target: Tensor, source: Tensor): void
  /** SHA-256 of every `pieceBytes` bytes of a file, the last piece being what is left. → [pieces, 32] */
  digests(bytes: Uint8Array, pieceBytes: number): Uint8Array

  // -- transformer ----------------------------------------------------------------------------------------------
  /** Rows of an embedding matrix. ids [n] → [n, columns] f32 */
  embed(weight: Weight, ids: Uint32Array): Tensor
  /** x [n, columns] · Wᵀ (+ bias [rows]) (+ add [n, rows]) → [n, rows] f32 */
  matmul(x: Tensor, weight: Weight, options?: { readonly bias?: Tensor; readonly add?: Tensor }): Tensor
  /**
   * As matmul of x (or of its norm) with each of one to three weights, to the bit: a few tokens take less time than one product
   * after another.
   */
  matmulEach<const W extends readonly Weight[]>(x: Tensor, weights: W, options?: ProductOptions): EachOf<W>
  /**
   * x [n, dim] → activation(normed · gateᵀ, normed · upᵀ) · downᵀ (+ add [n, dim]), the bits of the ops that it is made of, in less time
   * for a few tokens and with less memory for many.
   */
  feedForward(x: Tensor, layer: FeedForward, options?: { readonly add?: Tensor }): Tensor
  /**
   * What follows attention in a layer: x + attended · outputᵀ, and to that its feed-forward network. x [n, dim],
   * attended [n, width], output [dim, width] → [n, dim], the bits of matmul and feedForward.
   */
  finishLayer(x: Tensor, attended: Tensor, output: Weight, layer: FeedForward): Tensor
  /** x [n, dim] → x / √(mean(x²) + eps) · gain [dim] */
  rmsNorm(x: Tensor, gain: Tensor, eps: number): Tensor
  /** silu(gate) · up, same shapes [n, m]; silu(gate) = gate / (1 + e^−gate) may be 0 for gates below −87.3 (1.1e-36) */
  swiglu(gate: Tensor, up: Tensor): Tensor
  /** gelu(gate) · up, same shapes [n, m]; gelu(g) = g / (1 + e^−s) with s = √(8/π)·(g + 0.044715·g³) may be 0 for s below −87.3 */
  geglu(gate: Tensor, up: Tensor): Tensor
  /** One to four tensors [n, heads, headDim] of one n and headDim, positions [n] → a rotated copy of each */
  rope<const X extends readonly Tensor[]>(xs: X, positions: Uint32Array, options: RopeOptions): EachOf<X>
  /** Softmax attention over all segments together. q [n, heads, headDim] → [n, heads, headDim]; heads a multiple of kvHeads. */
  attend(q: Tensor, segments: readonly Segment[], options: AttendOptions): Tensor
  /**
   * One or two targets [kvHeads, capacity, headDim] (f32 or f16), such as keys and values: rows at … at + n of every head ← the
   * source of the same index [n, kvHeads, headDim] f32
   */
  store(targets: readonly Tensor[], at: number, sources: readonly Tensor[]): void
  /** Rows of a matrix: source [rows, width] → [picks.length, width], same dtype */
  gather(source: Tensor, picks: Uint32Array): Tensor

  // -- scoring --------------------------------------------------------------------------------------------------
  /** k [tokens, kvHeads, headDim] → leverage [kvHeads, tokens]; Gram matrix and Cholesky in f64. */
  leverage(k: Tensor, options: LeverageOptions): Tensor
  /**
   * Attention that each key receives inside its own chunk, without causal mask: softmax of every query over the chunk's
   * keys, summed over the chunk's queries and the query heads of the KV head. The last chunk may be shorter.
   * q [tokens, heads, headDim], k [tokens, kvHeads, headDim] → [kvHeads, tokens]
   */
  chunkAttentionMass(q: Tensor, k: Tensor, options: ChunkMassOptions): Tensor
  /**
   * How much attention the keys of the first segment receive: softmax of every query over all segments together, as in
   * `attend`, then sum or maximum over the queries and the query heads of the KV head. A query gives 0 to keys that it
   * does not see or whose logit is −∞; if one of its logits is NaN or +∞, it gives NaN to all others. Values are not
   * read. Runs of the first segment have one length for all heads; all segments are for every query. q [n, heads, headDim] → [kvHeads, count]
   */
  attentionReceived(q: Tensor, segments: readonly Segment[], options: ReceivedOptions): Tensor
  /**
   * Cosine of each vector with its head's anchor, the mean of the vectors after each is divided by its norm, which counts
   * as at least 1e-12 there and 1e-8 in the cosine: 0 for a zero vector. In f64. x [tokens, kvHeads, headDim] → [kvHeads, tokens]
   */
  cosineToMean(x: Tensor): Tensor
  /**
   * Softmax over a partition's tokens of each vector's spread: channels are shifted by their minimum in the *next*
   * partition and divided by their range there (not divided if that is 0), and the spread is the deviation over the
   * channels with headDim − 1 below (0 for one channel). Tokens without a next whole partition get 0. In f64.
   * x [tokens, kvHeads, headDim] → [kvHeads, tokens]
   */
  lagSpread(x: Tensor, options: LagOptions): Tensor
  /**
   * Share of its partition that each token beats, an earlier one of equals and any number a NaN; 0 for tokens without a
   * next partition. x [kvHeads, tokens] → [kvHeads, tokens]
   */
  lagRanks(x: Tensor, options: LagOptions): Tensor
  /**
   * Attention that keys can expect from queries like those seen, at later positions: with mean μ and population
   * covariance Σ of each head's queries before RoPE, and the averaged rotation R, softmax over tokens from `first` on of
   * scale·kᵀRμ + scale²/2·kᵀRΣRᵀk, averaged over the query heads of the KV head; 0 before `first`. In f64.
   * q [tokens, heads, headDim] before, k [tokens, kvHeads, headDim] after RoPE → [kvHeads, tokens]
   */
  expectedAttention(q: Tensor, k: Tensor, options: ExpectedAttentionOptions): Tensor
  /** Mean over all heads, given to every head: x [heads, tokens] → [heads, tokens]. In f64. */
  meanOverHeads(x: Tensor): Tensor
  /** Euclidean norm over the last dimension: x [tokens, kvHeads, headDim] → [kvHeads, tokens] */
  norms(x: Tensor): Tensor
  /** (x − mean) / deviation over all values (population deviation, f64); all zero if the deviation is 0 */
  zScore(x: Tensor): Tensor
  /** a + factor · b */
  addScaled(a: Tensor, b: Tensor, factor: number): Tensor
  /** cap · tanh(x / cap) */
  softCap(x: Tensor, cap: number): Tensor
  /** a · b */
  multiply(a: Tensor, b: Tensor): Tensor
  /**
   * Softmax of every row: x [n, m] → [n, m]. A row of −∞ gives zeros, one with NaN or +∞ gives NaN. Results below 2e-38
   * may be 0.
   */
  softmax(x: Tensor): Tensor
  /** Index of the largest of every row: x [n, m] → [n]; the first of equals, NaN passed over, 0 if nothing is above −∞. m from 1 to 2^24 */
  argmax(x: Tensor): Tensor
  /**
   * What comparing distributions needs of their logits, without copying them out. Row i of x [n, m] is described with row
   * i mod r of `weights` [r, m] and `picks` [r] (n a multiple of r, m from 1 to 2^24) → [n, 4]: log-sum-exp; argmax; Σ weights·x over the weights that are not
   * 0; x at the pick. Sums in f64.
   */
  describeRows(x: Tensor, weights: Tensor, picks: Uint32Array): Tensor
  /** Mean over a centred window of odd `width` along the last dimension; the window is cut at the ends. */
  averagePool(x: Tensor, width: number): Tensor
}
