/** Who kept what, token by token: for people who want to see it. Not here: how it is shown (eval/report/shaded-text.ts). */
import { type Block, windowTokens } from './block.ts'

/** → [layer][token], how many KV heads keep the token */
export const keptHeadCounts = (block: Block): Uint16Array[] =>
  block.headPart.map((_, layer) => {
    const counts = new Uint16Array(block.documentTokens)
    const window = windowTokens(block.shape, layer, block.documentTokens)
    if (window !== undefined) return counts.fill(block.shape.kvHeadCount, block.documentTokens - window)
    for (const position of block.ranking(layer).positions) counts[position] = (counts[position] ?? 0) + 1
    return counts
  })
