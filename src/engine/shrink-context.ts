/** A context cut to a smaller budget without its document: the prefix of every head's run. Shares what stays with the first. */
import type { Ops } from '../backends/ops.ts'
import { wholeLayerCount } from '../cache/block.ts'
import { shrink } from '../cache/shrink.ts'
import { CompactorError } from '../error.ts'
import { percentText } from '../number-text.ts'
import { describeKeep, type Keep, pairsPerLayer } from './budget.ts'
import { type ContextState, raisedBudget, sizesOf } from './context-state.ts'
import { Shared } from './shared.ts'

/** Throws CompactorError('budget-invalid') where it would have to grow, or was not ranked for smaller budgets. */
export const shrinkContext = (ops: Ops, state: ContextState, keep: Keep): ContextState => {
  const { block, origin, model } = state
  const { documentTokens, headTokens, shape } = block
  const tokens = { headTokens, documentTokens }
  const pairs = pairsPerLayer(keep, { ...tokens, ...sizesOf(model.model.config, shape.precision, tokens) })
  const stats = block.stats()
  const kept = Math.floor(stats.pairs / wholeLayerCount(shape))
  if (pairs > kept)
    throw new CompactorError(
      'budget-invalid',
      `keep ${describeKeep(keep)} is more than the ${percentText(stats.keptShare)} that this context has, and what was left out is gone: compress the document again with keep ${describeKeep(keep)}`,
    )
  const smaller = pairs === kept ? block : shrink(ops, block, pairs)
  const held = Math.floor(smaller.stats().pairs / wholeLayerCount(shape))
  const raisedFrom = held > pairs ? pairs : undefined
  state.owners.retain()
  return {
    ...state,
    block: smaller,
    origin: {
      ...origin,
      keep: { given: describeKeep(keep), share: pairs / (documentTokens * shape.kvHeadCount) },
    },
    warnings: raisedBudget({ raisedFrom, block: smaller }, shape.kvHeadCount),
    owners: new Shared(() => state.owners.release()),
  }
}
