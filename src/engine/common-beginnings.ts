/**
 * Sequences that begin with the same tokens (a chat template, an instruction before the question) compute them once: the
 * first to read them does, the others take over its keys and values. Not here: how these are copied (forward.ts).
 */
import type { Part } from './forward.ts'

/**
 * The same step with every token that an earlier part reads too, behind the same beginning, read once. Each part keeps at least
 * one token: the logits after it are its own.
 */
export const withoutRepeats = <P extends Part>(parts: readonly P[]): P[] => {
  const read: Read[] = []
  let start = 0
  return parts.map((part) => {
    const { sequence, ids } = part
    const [count, like] = longestBeginning(part, read)
    const copies = like?.rows.slice(0, count) ?? new Uint32Array()
    const own = Uint32Array.from({ length: ids.length - count }, (_, i) => start + i)
    start += own.length
    read.push({ sequence, ids, rows: Uint32Array.from([...copies, ...own]) })
    return count === 0 ? part : { ...part, ids: ids.subarray(count), copies }
  })
}

/** A part before anything was left out, and the row of the step where each of its tokens is computed. */
interface Read extends Part {
  readonly rows: Uint32Array
}

const longestBeginning = ({ sequence, ids }: Part, read: readonly Read[]): [count: number, like: Read | undefined] => {
  let best: [number, Read | undefined] = [0, undefined]
  for (const one of read) {
    if (!sequence.beginsLike(one.sequence)) continue
    const count = equalTokens(ids.subarray(0, -1), one.ids)
    if (count > best[0]) best = [count, one]
  }
  return best
}

const equalTokens = (a: Uint32Array, b: Uint32Array): number => {
  const differs = a.findIndex((id, i) => id !== b[i])
  return differs < 0 ? a.length : differs
}
