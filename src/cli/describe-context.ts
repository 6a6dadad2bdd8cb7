/** What a .cctx says about itself, for `context show` and `inspect context`. Reads the header; the arrays stay unread. */
import type { ContextHeader } from '../index.ts'
import { bytesText, countText, factsText, percentText, windowsText } from './figures.ts'
import type { Terminal } from './terminal.ts'

export const describeContext = async (
  path: string,
  { json }: { readonly json: boolean },
  terminal: Terminal,
): Promise<void> => {
  const { readContextHeader } = await import('../index.ts')
  const { header, fileBytes } = await readContextHeader(path)
  const kept = keptOf(header)
  if (json) {
    const { template, document, ...rest } = header
    const { places, ...named } = document
    const marks = places?.marks.length ?? 0
    const shown = { document: { ...named, marks }, template: { hash: template.hash } }
    terminal.printJson({ path, fileBytes, kept, ...rest, ...shown })
  } else terminal.print(factsText(factsOf(path, header, { fileBytes, ...kept })))
}

export interface Kept {
  readonly share: number
  readonly tokens: number // mean over layers and KV heads
  readonly bytes: number // of keys and values, what stands before the document included
  readonly fullBytes: number
  readonly windowBytes: number // in both: layers that keep their sliding window
}

export const keptOf = ({ block }: Pick<ContextHeader, 'block'>): Kept => {
  const { layerCount, kvHeadCount, headDim, originalTokens, headTokens, precision, windows = [] } = block
  const windowed = windows.filter((window) => window !== null)
  const windowTokens = windowed.reduce((sum, window) => sum + Math.min(window, headTokens + originalTokens), 0)
  const pairs = block.tiers.reduce(
    (sum, { counts }) => sum + counts.flat().reduce((total, count) => total + count, 0),
    0,
  )
  const heads = (layerCount - windowed.length) * kvHeadCount
  const pairBytes = 2 * headDim * (precision === 'f16' ? 2 : 4)
  const windowBytes = windowTokens * kvHeadCount * pairBytes
  return {
    share: pairs / (heads * originalTokens),
    tokens: pairs / heads,
    bytes: (pairs + heads * headTokens) * pairBytes + windowBytes,
    fullBytes: heads * (originalTokens + headTokens) * pairBytes + windowBytes,
    windowBytes,
  }
}

const factsOf = (
  path: string,
  header: ContextHeader,
  { fileBytes, share, tokens, bytes, fullBytes, windowBytes }: Kept & { fileBytes: number },
): [string, string][] => {
  const { block, document, model, method, keep, createdAt, compactorVersion } = header
  const options = Object.entries(method.options).map(([name, value]) => `${name}=${value}`)
  const { protectFirst, protectLast, heads } = block.selection
  return [
    ['file', `${path} (${bytesText(fileBytes)})`],
    [
      'document',
      `${document.name}, ${countText(block.originalTokens)} tokens (sha256 ${document.sha256.slice(0, 12)}…)`,
    ],
    ['model', `${model.name}, ${model.architecture} (sha256 ${model.fingerprint.slice(0, 12)}…)`],
    ['kept', `${percentText(share)} (asked: ${keep.given}), on average ${countText(tokens)} tokens a head`],
    [
      'memory',
      `${bytesText(bytes)} instead of ${bytesText(fullBytes)}: ${(fullBytes / bytes).toFixed(1)} times smaller, ${block.precision}${windowsText(windowBytes)}`,
    ],
    ['method', [method.name, ...options].join(' ')],
    ['selection', `heads ${heads}, first ${protectFirst} and last ${protectLast} tokens always kept`],
    ['tiers', `${block.tiers.length}, in order of ${block.order}${block.nested ? '' : ' (cannot be shrunk)'}`],
    ['made', `${createdAt} by Compactor ${compactorVersion}`],
  ]
}
