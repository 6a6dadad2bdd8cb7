/**
 * What a .cctx says about itself: the JSON header, field by field. Unknown and missing fields are refused: this format has
 * a version for that. Not here: the bytes around it (cctx-prologue.ts) and where arrays lie (cctx-layout.ts).
 */
import type { Precision } from '../backends/ops.ts'
import { type BlockShape, wholeLayerCount } from './block.ts'
import {
  boolean,
  fields,
  integer,
  list,
  matching,
  nothing,
  number,
  oneOf,
  type Reader,
  record,
  text,
} from './cctx-fields.ts'
import type { ScoreMoments } from './score-code.ts'
import type { SelectionOptions } from './selection.ts'

export const formatVersion = 2
/** Version 1 is version 2 without `document.places`. */
export const oldestVersion = 1

export type OptionValue = string | number | boolean

/** What the cache cannot know: where the block came from. */
export interface ContextOrigin {
  readonly model: {
    readonly fingerprint: string // sha256 of the GGUF, hex
    readonly name: string
    readonly source: string
    readonly architecture: string
  }
  readonly document: {
    readonly name: string
    readonly sha256: string
    /** By which a byte of the document's text can be named; absent if it was plain text without a source, or by version 1. */
    readonly places?: DocumentPlaces
  }
  /** Ids of the chat template's pieces by name, system text included, and a hash of them. */
  readonly template: { readonly hash: string; readonly pieces: Readonly<Record<string, readonly number[]>> }
  readonly method: { readonly name: string; readonly options: Readonly<Record<string, OptionValue>> }
  readonly keep: { readonly given: string; readonly share: number } // nominal; the effective one follows from `block`
  readonly nextPosition: number // rotary position of the first token after the document
  readonly createdAt: string // ISO 8601
  readonly compactorVersion: string
  readonly fidelity: null // room for the expected quality and how it was estimated
}

/** What `documents/stored-places.ts` writes and reads; to the cache only its shape matters. */
export interface DocumentPlaces {
  readonly marks: readonly {
    readonly offset: number // UTF-8 bytes
    readonly kind: 'file' | 'chapter' | 'page' | 'heading' | 'line'
    readonly label: string
    readonly level?: number
  }[]
  /** Bytes between the starts of lines, the first from the beginning. */
  readonly lineLengths: readonly number[]
  readonly lineStep: number // lines for each start
}

export interface TierHeader {
  readonly offset: number // bytes from the first tier's start, a multiple of the page
  readonly bytes: number
  readonly counts: readonly (readonly number[])[] // [layer][kvHeads], pairs in this tier
}

export interface BlockHeader {
  readonly layerCount: number
  readonly kvHeadCount: number
  readonly headDim: number
  readonly precision: Precision
  readonly windows?: readonly (number | null)[] // [layer] of a model with sliding windows; null: sees everything
  readonly originalTokens: number // of the document
  readonly headTokens: number // before it
  readonly selection: SelectionOptions
  readonly nested: boolean
  readonly order: 'importance' | 'position'
  readonly biased: boolean
  readonly scoreMoments: readonly ScoreMoments[]
  readonly tiers: readonly TierHeader[]
}

export interface ContextHeader extends ContextOrigin {
  readonly block: BlockHeader
}

/** In all layers: above what any model has, and few enough to lay out before a size is checked. */
const mostHeads = 2 ** 16

/** Throws RangeError naming the first field that is not as expected. */
export const readHeader = (json: unknown): ContextHeader => {
  const header = headerReader(json, 'header')
  const { block } = header
  const at = 'header.block'
  if (block.layerCount * block.kvHeadCount > mostHeads)
    throw new RangeError(
      `${at}: expected at most ${mostHeads} KV heads, got ${block.layerCount} × ${block.kvHeadCount}`,
    )
  if (block.tiers.some(({ counts }) => counts.length !== block.layerCount))
    throw new RangeError(`${at}.tiers: expected counts of ${block.layerCount} layers`)
  if (block.tiers.some(({ counts }) => counts.some(({ length }) => length !== block.kvHeadCount)))
    throw new RangeError(`${at}.tiers: expected counts of ${block.kvHeadCount} KV heads in each layer`)
  for (let layer = 0; layer < block.layerCount; layer++)
    for (let head = 0; head < block.kvHeadCount; head++) {
      const kept = block.tiers.reduce((total, { counts }) => total + (counts[layer]?.[head] ?? 0), 0)
      if (kept > block.originalTokens)
        throw new RangeError(
          `${at}.tiers: layer ${layer}, head ${head} keeps ${kept} of ${block.originalTokens} tokens`,
        )
    }
  requireWindows(block, at)
  const scored = block.order === 'importance' ? wholeLayerCount(shapeOf(block)) : 0
  if (block.scoreMoments.length !== scored)
    throw new RangeError(`${at}.scoreMoments: expected ${scored} layers, got ${block.scoreMoments.length}`)
  return header
}

const requireWindows = ({ windows = [], layerCount, tiers }: BlockHeader, at: string): void => {
  if (windows.length > 0 && windows.length !== layerCount)
    throw new RangeError(`${at}.windows: expected ${layerCount} layers, got ${windows.length}`)
  const ranked = windows.findIndex(
    (window, layer) => window !== null && tiers.some(({ counts }) => counts[layer]?.some((count) => count > 0)),
  )
  if (ranked >= 0) throw new RangeError(`${at}.tiers: layer ${ranked} has a window and keeps tokens by rank as well`)
}

/** The shape of the block that the header describes. */
export const shapeOf = ({
  layerCount,
  kvHeadCount,
  headDim,
  precision,
  windows,
}: Pick<BlockHeader, 'layerCount' | 'kvHeadCount' | 'headDim' | 'precision' | 'windows'>): BlockShape => ({
  layerCount,
  kvHeadCount,
  headDim,
  precision,
  ...(windows && { windows: windows.map((window) => window ?? undefined) }),
})

const line = text(4096)
const sha256 = matching(/^[0-9a-f]{64}$/, 'a sha256 in lower-case hex')
const count = integer(0, 2 ** 31)

const optionValue: Reader<OptionValue> = (value, at) => {
  if (typeof value === 'string' || typeof value === 'boolean') return value
  return number(value, at)
}

const windowOrNull: Reader<number | null> = (value, at) => (value === null ? null : integer(1, 2 ** 31)(value, at))

const headerReader: Reader<ContextHeader> = fields({
  model: fields({ fingerprint: sha256, name: line, source: line, architecture: line }),
  document: fields(
    { name: line, sha256 },
    {
      places: fields<DocumentPlaces>({
        marks: list(
          fields(
            {
              offset: count,
              kind: oneOf('file', 'chapter', 'page', 'heading', 'line'),
              label: line,
            },
            { level: integer(1, 9) },
          ),
          2 ** 16,
        ),
        lineLengths: list(count, 2 ** 20),
        lineStep: integer(1, 2 ** 31),
      }),
    },
  ),
  template: fields({ hash: line, pieces: record(list(integer(0, 2 ** 32 - 1), 2 ** 20), 64) }),
  method: fields({ name: line, options: record(optionValue, 256) }),
  keep: fields({ given: line, share: number }),
  nextPosition: count,
  createdAt: matching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/, 'a time as 2026-01-31T12:00:00Z'),
  compactorVersion: line,
  fidelity: nothing,
  block: fields(
    {
      layerCount: integer(1, 4096),
      kvHeadCount: integer(1, 4096),
      headDim: integer(1, 65536),
      precision: oneOf<Precision>('f16', 'f32'),
      originalTokens: integer(1, 2 ** 31),
      headTokens: count,
      selection: fields({
        protectFirst: count,
        protectLast: count,
        heads: oneOf<'across' | 'apart' | 'model'>('across', 'apart', 'model'),
      }),
      nested: boolean,
      order: oneOf<'importance' | 'position'>('importance', 'position'),
      biased: boolean,
      scoreMoments: list(fields({ mean: number, deviation: number }), 4096),
      tiers: list(
        fields({ offset: integer(0, 2 ** 52), bytes: integer(0, 2 ** 52), counts: list(list(count, 4096), 4096) }),
        64,
      ),
    },
    { windows: list(windowOrNull, 4096) },
  ),
})
