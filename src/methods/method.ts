/**
 * What a compression method is: numbers for the worth of every token to every KV head of one layer. It holds no budget,
 * touches no cache and sees one document; who stays is decided in `cache/selection.ts`.
 */
import type { Ops, Tensor } from '../backends/ops.ts'
import type { OptionDescription } from './options.ts'

/** One layer of one document, without what stands before it (template head, system text). */
export interface View {
  readonly layer: number
  readonly tokenCount: number
  readonly headCount: number
  readonly kvHeadCount: number
  readonly headDim: number
  readonly raw: { readonly k: Tensor } // [tokens, kvHeads, headDim], before RoPE (after k-norm where the model has one)
  readonly rotated: { readonly q: Tensor; readonly k: Tensor } // [tokens, heads | kvHeads, headDim]; q only with needs.queries
  readonly v: Tensor // [tokens, kvHeads, headDim]
  /** A fresh generator of uniform numbers in [0, 1), determined by seed, layer and `stream` alone. */
  random(stream?: number): () => number
  /** Share kept; only for methods with `nested: false`. */
  readonly keep: number | undefined
}

/** Tokens at the document's ends that always stay, and how heads share a layer's budget. Part of the budget, not of the score. */
export interface SelectionDefaults {
  readonly protectFirst: number
  readonly protectLast: number
  readonly heads: 'across' | 'apart' // best pairs of the whole layer together, or the same count for each head
}

export interface Method {
  readonly name: string
  /** Ranking does not depend on the budget, so a smaller budget is a prefix of a larger one. */
  readonly nested: boolean
  readonly needs: { readonly queries?: boolean }
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
