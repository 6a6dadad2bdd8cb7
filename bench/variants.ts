/**
 * What a document is compressed into for a comparison: `METHOD@KEEP`, with options as `METHOD?lambda=0.5&heads=apart@KEEP`.
 * Budgets of one method come from one prefill, as prefixes of one ranking; everything kept is the ranking itself.
 */
import type { Ops } from '../src/backends/ops.ts'
import type { Block } from '../src/cache/block.ts'
import { shrink } from '../src/cache/shrink.ts'
import { Control } from '../src/engine/control.ts'
import { prefill } from '../src/engine/prefill.ts'
import { createMethod } from '../src/methods/index.ts'
import type { SelectionDefaults } from '../src/methods/method.ts'
import type { Model } from '../src/models/model.ts'

export interface Variant {
  readonly name: string
  readonly method: string // with its options: what shares a prefill
  readonly keep: number
}

export const readVariant = (name: string): Variant => {
  const [, method, keep] = /^(.+)@([\d.]+)$/.exec(name) ?? []
  const share = Number(keep)
  if (method === undefined || !(share > 0 && share <= 1))
    throw new RangeError(`a variant is METHOD@KEEP with a keep above 0 up to 1, got ${name}`)
  return { name, method, keep: share }
}

const value = (text: string): string | number | boolean => {
  if (text === 'true' || text === 'false') return text === 'true'
  return text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : text
}

/** "compactor?lambda=0.5&heads=apart" → the method and how it shares a layer. */
const readMethod = (text: string) => {
  const [name = '', query = ''] = text.split('?')
  const given = [...new URLSearchParams(query)].map(([key, word]) => [key, value(word)] as const)
  const isSelection = (key: string): boolean => ['protectFirst', 'protectLast', 'heads'].includes(key)
  const method = createMethod(name, Object.fromEntries(given.filter(([key]) => !isSelection(key))))
  const own = Object.fromEntries(given.filter(([key]) => isSelection(key))) as Partial<SelectionDefaults>
  return { method, selection: { ...method.selection, ...own } }
}

/** One block for each variant of one method; `whole` holds every token, in order of importance. */
export const compressVariants = async (
  { ops, model }: { readonly ops: Ops; readonly model: Model },
  ids: { readonly head: Uint32Array; readonly document: Uint32Array },
  variants: readonly Variant[],
): Promise<{ readonly whole: Block; readonly blocks: ReadonlyMap<string, Block> }> => {
  const { method, selection } = readMethod(variants[0]?.method ?? '')
  if (!method.nested)
    throw new RangeError(`${variants[0]?.method} ranks for one budget only and cannot be compared here`)
  const all = ids.document.length * model.config.kvHeadCount
  const { block: whole } = await prefill(ops, model, {
    ...ids,
    method,
    selection,
    pairs: all,
    precision: 'f16',
    seed: 42,
    control: new Control(),
    order: 'importance',
  })
  const blocks = variants.map(({ name, keep }) => {
    const pairs = Math.max(1, Math.round(keep * all))
    return [name, pairs === all ? whole : shrink(ops, whole, pairs)] as const
  })
  return { whole, blocks: new Map(blocks) }
}
