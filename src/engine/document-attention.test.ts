import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toyBlock, toyRequest } from '../../test/fixtures/toy-context.ts'
import { toyModel } from '../../test/toy-model.ts'
import type { Ops, Segment } from '../backends/ops.ts'
import { createReferenceOps } from '../backends/reference.ts'
import type { Block } from '../cache/block.ts'
import { Control } from './control.ts'
import { documentAttention } from './document-attention.ts'
import { Sequence } from './sequence.ts'

const shape = { layerCount: 2, kvHeadCount: 2, headDim: 16, precision: 'f32' } as const
const heads = 4
const nextPosition = 107
const ids = Uint32Array.from({ length: 9 }, (_, i) => 3 + 5 * i)
const control = new Control()

const toy = (ops: Ops): { readonly block: Block; readonly sequence: () => Sequence } => {
  const model = toyModel(ops, { layers: 2, heads, kvHeads: 2, headDim: 16, vocabulary: 64 })
  const block = toyBlock(ops, toyRequest({ shape }), { biased: true })
  return { block, sequence: () => new Sequence(ops, model, { block, nextPosition, precision: 'f32', pageTokens: 4 }) }
}

/** Row by row, as the formula says it. → [row of the ids][document token], over layers and heads */
const byHand = async ({ block, sequence }: ReturnType<typeof toy>): Promise<Float64Array[]> => {
  const rows = Array.from(ids, () => new Float64Array(block.documentTokens))
  const sights: { q: number[]; segments: { k: number[]; bias: number[]; segment: Segment }[] }[] = []
  const values = (tensor: Parameters<Ops['read']>[0]): number[] =>
    Array.from((tensor as unknown as { data: Float32Array }).data)
  sequence().watch(ids, control, ({ layer, q, own }) => {
    const segments = [...block.segments(layer), ...own].map((segment) => ({
      k: values(segment.k),
      bias: segment.bias ? values(segment.bias) : [],
      segment,
    }))
    sights.push({ q: values(q), segments })
  })
  for (const [layer, { q, segments }] of sights.entries()) {
    const positions = block.tiers.map((tier) => tier[layer]?.positions ?? [])
    for (const row of ids.keys())
      for (let head = 0; head < heads; head++) {
        const seen: { readonly logit: number; readonly token: number | undefined }[] = []
        segments.forEach(({ k, bias, segment }, index) => {
          const kvHead = head >> 1
          const start = segment.starts[kvHead] ?? 0
          for (let j = 0; j < (segment.counts[kvHead] ?? 0); j++) {
            if (segment.causalFrom !== undefined && segment.causalFrom + j > nextPosition + row) continue
            let dot = 0
            for (let d = 0; d < 16; d++) dot += (q[(row * heads + head) * 16 + d] ?? 0) * (k[(start + j) * 16 + d] ?? 0)
            seen.push({ logit: dot / 4 + (bias[start + j] ?? 0), token: positions[index - 1]?.[start + j] })
          }
        })
        const total = seen.reduce((sum, { logit }) => sum + Math.exp(logit), 0)
        for (const { logit, token } of seen)
          if (token !== undefined && rows[row]) rows[row][token] = (rows[row][token] ?? 0) + Math.exp(logit) / total
      }
  }
  return rows
}

test('document attention: within 1e-5 of the formula for 2 spans of 9 tokens, over tiers with biases, the head part and pages', async () => {
  const ops = createReferenceOps()
  const it = toy(ops)
  const expected = await byHand(it)
  const spans = [
    { from: 1, count: 3 },
    { from: 4, count: 5 },
  ]
  const found = await documentAttention(ops, it.block, { sequence: it.sequence(), ids, spans }, control)
  for (const [index, { from, count }] of spans.entries())
    for (let token = 0; token < it.block.documentTokens; token++) {
      const mean = expected.slice(from, from + count).reduce((sum, row) => sum + (row[token] ?? 0), 0) / count
      assert.ok(Math.abs((found[index]?.[token] ?? -1) - mean) < 1e-5, `span ${index}, token ${token}`)
    }
  const kept = new Set(it.block.tiers.flatMap((tier) => [...(tier[0]?.positions ?? []), ...(tier[1]?.positions ?? [])]))
  assert.ok(kept.size < it.block.documentTokens)
  assert.ok(found.every((masses) => masses.every((mass, token) => kept.has(token) === mass > 0)))
})

test('document attention: a span over two panels of 256 tokens is the mean over all its queries', async () => {
  const ops = createReferenceOps()
  const { block, sequence } = toy(ops)
  const long = Uint32Array.from({ length: 260 }, (_, i) => (7 * i) % 64)
  const observe = async (spans: readonly { from: number; count: number }[]): Promise<Float64Array[]> =>
    documentAttention(ops, block, { sequence: sequence(), ids: long, spans }, control)
  const [whole, first, second] = await observe([
    { from: 252, count: 8 },
    { from: 252, count: 4 },
    { from: 256, count: 4 },
  ])
  whole?.forEach((mass, token) => {
    assert.ok(Math.abs(mass - ((first?.[token] ?? 0) + (second?.[token] ?? 0)) / 2) < 1e-7)
  })
})
