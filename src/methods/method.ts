/**
 * What a compression method is: numbers for the worth of every token to every KV head of one layer. It holds no budget,
 * touches no cache and sees one document; who stays is decided in `cache/selection.ts`.
 */
import type { Ops, Segment, Tensor } from '../backends/ops.ts'
import type { OptionDescription } from './options.ts'

/**
 * Tokens that read the document after it, each seeing all of it and its own stream so far; their keys and values are
 * dropped afterwards. `about`: the document tokens this stream is to score.
 */
export interface Stream {
  readonly about: { readonly from: number; readonly count: number }
  readonly q: Tensor // [n, heads, headDim], after RoPE
  readonly own: Segment // the stream's keys and values; causalFrom 0
}

/** One layer of one document, without what stands before it (template head, system text). */
export interface View {
  readonly layer: number
  readonly tokenCount: number
  readonly headCount: number
  readonly kvHeadCount: number
  readonly headDim: number
  readonly raw: { readonly q: Tensor; readonly k: Tensor } // [tokens, heads | kvHeads, headDim], before RoPE (after q- and k-norm where the model has them); q only with needs.rawQueries
  readonly rotated: { readonly q: Tensor; readonly k: Tensor } // [tokens, heads | kvHeads, headDim]; q only with needs.queries
  readonly v: Tensor // [tokens, kvHeads, headDim]
  /** Keys and values as a query sees them, at the cache's precision. Index 0 of `causalFrom` is the first token of all. */
  readonly stored: {
    /** What stands before the document (0 rows if nothing), visible to every query. */
    readonly head: Segment
    readonly headTokens: number
    /** Document tokens `from` … `from + count`, visible to every query; `causalFrom: headTokens + from` makes them causal. */
    document(from: number, count: number): Segment
  }
  /** What needs.repeat or needs.question asked for; empty otherwise. */
  readonly streams: readonly Stream[]
  /** The model's rotary embedding: x [n, anyHeads, headDim], positions [n] → rotated copy */
  rotate(x: Tensor, positions: Uint32Array): Tensor
  /** A fresh generator of uniform numbers in [0, 1), determined by seed, layer and `stream` alone. */
  random(stream?: number): () => number
  /** Share kept; only for methods with `nested: false`. */
  readonly keep: number | undefined
}

/** Tokens at the document's ends that always stay, and how heads share a layer's budget. Part of the budget, not of the score. */
export interface SelectionDefaults {
  readonly protectFirst: number
  readonly protectLast: number
  /** Best pairs of the layer together, the same count for each head, or best pairs of all layers together. */
  readonly heads: 'across' | 'apart' | 'model'
}

/**
 * The document read again in pieces: each stream is the words of a request, the last tokens of the piece before (`tail`,
 * not for the first), the end of the user's turn, then the piece itself.
 */
export interface Repeat {
  readonly chunkTokens: number
  readonly first: string
  readonly next: string
  readonly tailTokens: number
}

export interface Needs {
  readonly queries?: boolean // rotated.q
  readonly rawQueries?: boolean // raw.q
  readonly repeat?: Repeat // streams that say the document again
  readonly question?: boolean // one stream with a question: not to be had when nobody has asked yet
}

export interface Method {
  readonly name: string
  /** Ranking does not depend on the budget, so a smaller budget is a prefix of a larger one. */
  readonly nested: boolean
  readonly needs: Needs
  readonly selection: SelectionDefaults
  /** Larger is more worth keeping. NaN counts as least. → [kvHeads, tokens] f32 */
  score(ops: Ops, view: View): Tensor
}

/** An entry of the table in index.ts: makes a method from user options; unknown or wrong options throw a RangeError or TypeError. */
export interface MethodEntry {
  readonly name: string
  readonly summary: string
  readonly options: Readonly<Record<string, OptionDescription>>
  create(options?: Readonly<Record<string, unknown>>): Method
}
