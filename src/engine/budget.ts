/** What the caller may say about the size of a memory (`keep`), and what it means for one layer. */
import { CompactorError } from '../error.ts'

/** A share in (0, 1], or a size in document tokens per head, or in bytes of keys and values (the template's included). */
export type Keep = number | { readonly tokens: number } | { readonly bytes: number }

const units: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
}

const expected = 'a share above 0 up to 1 (0.25), a number of tokens (2000tok) or bytes (64MB)'

/** Reads "0.25", "2000tok", "64MB". Throws CompactorError('budget-invalid'). */
export const parseKeep = (text: string): Keep => {
  if (text === 'auto') throw new CompactorError('budget-invalid', `keep "auto" does not exist yet; give ${expected}`)
  const match = /^(\d+(?:\.\d+)?|\.\d+)\s*([a-z]*)$/i.exec(text.trim())
  const amount = Number(match?.[1])
  const unit = (match?.[2] ?? '').toLowerCase()
  if (!match || !Number.isFinite(amount))
    throw new CompactorError('budget-invalid', `keep takes ${expected}, got "${text}"`)
  if (unit === '') return checkKeep(amount, text)
  if (unit === 'tok' || unit === 'tokens') return checkKeep({ tokens: amount }, text)
  const bytes = units[unit]
  if (bytes === undefined) throw new CompactorError('budget-invalid', `keep takes ${expected}, got "${text}"`)
  return checkKeep({ bytes: amount * bytes }, text)
}

/** Throws CompactorError('budget-invalid') for anything that is not a Keep; `typed` is what a person wrote for it. */
export const checkKeep = (keep: unknown, typed?: string): Keep => {
  if (typeof keep === 'number' && keep > 0 && keep <= 1) return keep
  if (typeof keep === 'object' && keep !== null) {
    const { tokens, bytes } = keep as { tokens?: unknown; bytes?: unknown }
    const sizes = Object.keys(keep).length === 1
    if (sizes && typeof tokens === 'number' && Number.isInteger(tokens) && tokens > 0) return { tokens }
    if (sizes && typeof bytes === 'number' && Number.isFinite(bytes) && bytes > 0) return { bytes }
  }
  const came = typed ?? (typeof keep === 'object' ? JSON.stringify(keep) : String(keep))
  throw new CompactorError('budget-invalid', `keep takes ${expected}, got ${came}`)
}

export interface BudgetShape {
  readonly documentTokens: number
  readonly headTokens: number
  readonly layerCount: number // those that see everything
  readonly kvHeadCount: number
  readonly bytesPerPair: number // one key and one value of one head in one layer
  readonly windowBytes?: number // of the other layers, which keep their window; default 0
}

/** Pairs (token, KV head) that each layer keeps: a whole number from 1 to documentTokens × kvHeadCount. */
export const pairsPerLayer = (keep: Keep, shape: BudgetShape): number => {
  const all = shape.documentTokens * shape.kvHeadCount
  if (typeof keep === 'number') return keep === 1 ? all : Math.max(1, Math.round(keep * all))
  if ('tokens' in keep) {
    if (keep.tokens > shape.documentTokens)
      throw new CompactorError(
        'budget-invalid',
        `keep asks for ${keep.tokens} tokens but the document has only ${shape.documentTokens}; give at most that, or 1 to keep everything`,
      )
    return keep.tokens * shape.kvHeadCount
  }
  const { windowBytes = 0 } = shape
  const headBytes = shape.headTokens * shape.kvHeadCount * shape.layerCount * shape.bytesPerPair
  const pairs = Math.floor((keep.bytes - headBytes - windowBytes) / (shape.layerCount * shape.bytesPerPair))
  if (pairs < 1)
    throw new CompactorError(
      'budget-invalid',
      `keep asks for ${keep.bytes} bytes but what stands before the document alone takes ${headBytes}${windowBytes > 0 ? `, and the layers with a sliding window keep ${windowBytes}` : ''}; give more`,
    )
  return Math.min(all, pairs)
}

/** As a person would write it: "0.25", "2000tok", "64000000B". */
export const describeKeep = (keep: Keep): string => {
  if (typeof keep === 'number') return String(keep)
  return 'tokens' in keep ? `${keep.tokens}tok` : `${keep.bytes}B`
}
