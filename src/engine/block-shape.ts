/** The shape of a model's memory, as the cache wants it. */
import type { Precision } from '../backends/ops.ts'
import type { BlockShape } from '../cache/block.ts'
import type { ModelConfig } from '../models/model.ts'

export const blockShapeOf = (
  { layerCount, kvHeadCount, headDim, windows }: ModelConfig,
  precision: Precision,
): BlockShape => ({ layerCount, kvHeadCount, headDim, precision, ...(windows && { windows }) })
