/**
 * What a run leaves on disk: a folder with run.json (all that determines the numbers) and contexts.jsonl (one line for each
 * finished context, appended as it is done). The report is drawn from these alone. No times of day or durations in them,
 * so that an interrupted and resumed run leaves the same bytes as an uninterrupted one.
 */
import type { OptionValue } from '../methods/options.ts'

/** `context-only`: the document is compressed alone. `joint-prefill`: the question is read with it (published tables). */
export type Protocol = 'context-only' | 'joint-prefill'

/** `distance`: teacher-forced on the whole cache's own answer. `score`: answers generated and judged. */
export type Measure = 'distance' | 'score'

/** Lines beside the compressed variants: the whole cache, and no document at all. */
export const fullName = 'full'
export const closedBookName = 'closed-book'

export interface VariantSettings {
  readonly name: string // "compactor?lambda=0.5@0.25": unique in a run
  readonly method: string // "compactor"
  readonly options: Readonly<Record<string, OptionValue>> // complete, defaults filled in
  readonly selection: { readonly protectFirst: number; readonly protectLast: number; readonly heads: string }
  readonly keep: number // nominal
}

export interface DataSettings {
  readonly name: string // "squad_multi", "ruler/niah_single_1@4096"
  readonly sha256: string // of the file, or of the generated examples
  readonly contexts: readonly string[] // ids of the subset, in the order they are run
}

export interface RunSettings {
  readonly version: 1
  readonly protocol: Protocol
  readonly measures: readonly Measure[]
  readonly model: { readonly name: string; readonly sha256: string; readonly templateHash: string }
  readonly data: readonly DataSettings[]
  readonly seed: number
  readonly questionsPerContext: number
  readonly maxNewTokens: number // no task's own limit is exceeded
  readonly shaded?: number // contexts of each data set whose results hold their tokens; absent: none
  readonly precision: string
  readonly activations: string
  readonly variants: readonly VariantSettings[]
  readonly machine: { readonly cpu: string; readonly features: readonly string[]; readonly threads: number }
  readonly commit: string
}

/** How far one variant is from the whole cache on one question: sums over the `tokens` of the whole cache's answer. */
export interface Distance {
  readonly tokens: number // the answer's tokens and its end
  readonly kl: number // nats
  readonly flips: number // positions whose most likely token changed
  readonly nll: number // of the whole cache's answer, nats
}

export interface Judged {
  readonly answer: string
  readonly score: number // 0 … 1
}

export interface QuestionResult {
  readonly qid: string
  readonly results: Readonly<Record<string, Partial<Distance> & Partial<Judged>>> // by variant name, full and closed-book
}

export interface Kept {
  readonly share: number // effective: pairs kept of all pairs of the document, in layers that see all of it
  readonly bytes: number // keys and values kept: of the document, and of windows
  /** Part of `bytes`: what layers with a sliding window keep, whatever the budget is. Absent: the model has none. */
  readonly windowBytes?: number
  readonly heads?: readonly (readonly number[])[] // [layer][kvHead] share kept
}

/** Keys and values of the whole document beside what a variant keeps of it; 0 where nothing is known of it. */
export const fullBytesOf = ({ share, bytes, windowBytes = 0 }: Kept): number =>
  share > 0 ? (bytes - windowBytes) / share + windowBytes : 0

/** Who kept which token, for the shaded text of the report. It holds the document itself, so it is there only when asked for. */
export interface KeptTokens {
  readonly texts: readonly string[] // of each token; '' where a character ends in a later one
  readonly kvHeads: number
  readonly kept: Readonly<Record<string, readonly (readonly number[])[]>> // by variant name: [layer][token], KV heads that keep it
}

export interface ContextResult {
  readonly data: string // name of its DataSettings
  readonly id: string
  readonly dataset: string
  readonly metric: string
  readonly documentTokens: number
  readonly depth?: number
  readonly targetTokens?: number
  readonly kept: Readonly<Record<string, Kept>> // by variant name
  readonly questions: readonly QuestionResult[]
  readonly tokens?: KeptTokens
}
