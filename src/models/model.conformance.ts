/**
 * What every architecture must do on every backend, on its toy models of test/fixtures: give the logits of an independent
 * forward pass, whatever the panels its tokens come in. A new architecture needs a toy (scripts/make-*-toys.py).
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { Ops, Segment, Tensor } from '../backends/ops.ts'
import { readGguf } from '../formats/gguf.ts'
import { ggufWeights } from '../formats/gguf-weights.ts'
import { architectureOf, architectures } from './index.ts'
import type { Attend, Model } from './model.ts'

/** With the largest difference of a logit. The transformers library takes rotary angles in f32. */
export const toys: readonly { readonly name: string; readonly tolerance: number }[] = [
  { name: 'llama', tolerance: 2e-5 },
  { name: 'llama3', tolerance: 1e-4 }, // rope_freqs
  { name: 'llama-linear', tolerance: 1e-4 },
  { name: 'mistral', tolerance: 1e-4 }, // heads wider than dim / heads, separate output
  { name: 'qwen2', tolerance: 2e-5 },
  { name: 'qwen3', tolerance: 1e-4 },
  { name: 'gemma3', tolerance: 1e-4 }, // a window of 8 in 4 of 6 layers, linear scaling in the others, capped logits
]

// Between panels of different widths; the toys' logits have a deviation of 1 to 3, the sums at most 40 terms.
const PANEL_TOLERANCE = 2e-5

const fixture = (name: string): Buffer => readFileSync(new URL(`../../test/fixtures/${name}`, import.meta.url))

export const toyModel = (ops: Ops, name: string): Model => {
  const gguf = readGguf(fixture(`toy-${name}.gguf`), `toy-${name}.gguf`)
  const weights = ggufWeights(ops, gguf)
  const architecture = architectureOf(gguf.metadata.get('general.architecture'))
  return architecture.create(ops, architecture.readConfig(gguf.metadata, weights), weights)
}

/** Keys and values of all tokens so far, in the plainest cache there can be. */
const fullCache = (ops: Ops, { config }: Model, capacity: number): ((firstIndex: number, count: number) => Attend) => {
  const { kvHeadCount, headDim, layerCount, windows } = config
  const zeros = (): Tensor => ops.zeros([kvHeadCount, capacity, headDim], 'f32')
  const layers = Array.from({ length: layerCount }, () => ({ k: zeros(), v: zeros() }))
  const starts = Uint32Array.from({ length: kvHeadCount }, (_, head) => head * capacity)
  return (firstIndex, count) =>
    (index, { rotated, v }) => {
      const layer = layers[index]
      assert.ok(layer)
      ops.store([layer.k, layer.v], firstIndex, [rotated.k, v])
      const rows = (tensor: Tensor): Tensor => ops.reshape(tensor, [kvHeadCount * capacity, headDim])
      const counts = new Uint32Array(kvHeadCount).fill(firstIndex + count)
      const segment: Segment = { k: rows(layer.k), v: rows(layer.v), starts, counts, causalFrom: 0 }
      const window = windows?.[index]
      const seen = window === undefined ? segment : { ...segment, window }
      return ops.attend(rotated.q, [seen], { scale: 1 / Math.sqrt(headDim), firstIndex })
    }
}

/** Logits of every token [n, vocabulary], the tokens read in panels of `width`. */
const logitsByPanels = async (ops: Ops, model: Model, ids: Uint32Array, width: number): Promise<Float32Array> => {
  const attend = fullCache(ops, model, ids.length)
  const { vocabularySize, layerCount } = model.config
  const logits = new Float32Array(ids.length * vocabularySize)
  for (let start = 0; start < ids.length; start += width) {
    const panel = ids.subarray(start, start + width)
    const positions = Uint32Array.from(panel, (_, index) => start + index)
    let x = model.embed(panel)
    for (let layer = 0; layer < layerCount; layer++) {
      const next = model.layer(layer, x, positions, attend(start, panel.length))
      assert.ok(next)
      x = next
    }
    logits.set((await ops.read(model.logits(x))) as Float32Array, start * vocabularySize)
  }
  return logits
}

const worst = (ours: Float32Array, theirs: Float32Array): number =>
  ours.reduce((most, value, index) => Math.max(most, Math.abs(value - (theirs[index] ?? Number.NaN))), 0)

/** Runs the suite for one backend. */
export const testModels = (backend: string, createOps: () => Ops): void => {
  test(`on ${backend}: each of ${architectures.length} architectures has a toy`, () => {
    const ops = createOps()
    const tried = new Set(toys.map(({ name }) => toyModel(ops, name).config.architecture))
    assert.deepEqual([...tried].sort(), architectures.map(({ name }) => name).sort())
  })

  for (const { name, tolerance } of toys) {
    const expected: { ids: number[]; logits: Record<string, string> } = JSON.parse(
      fixture(`toy-${name}.json`).toString(),
    )
    const ids = Uint32Array.from(expected.ids)

    test(`${name} on ${backend}: logits of 3 of 40 tokens within ${tolerance} of an independent forward pass`, async () => {
      const ops = createOps()
      const model = toyModel(ops, name)
      const logits = await logitsByPanels(ops, model, ids, ids.length)
      for (const [row, base64] of Object.entries(expected.logits)) {
        const theirs = new Float32Array(Uint8Array.from(Buffer.from(base64, 'base64')).buffer)
        const { vocabularySize } = model.config
        assert.equal(theirs.length, vocabularySize)
        const ours = logits.subarray(Number(row) * vocabularySize, (Number(row) + 1) * vocabularySize)
        assert.ok(worst(ours, theirs) < tolerance, `row ${row}: ${worst(ours, theirs)}`)
      }
    })

    for (const width of [1, 7, 16])
      test(`${name} on ${backend}: 40 tokens in panels of ${width} give the logits of one panel`, async () => {
        const ops = createOps()
        const model = toyModel(ops, name)
        const whole = await logitsByPanels(ops, model, ids, ids.length)
        const parts = await logitsByPanels(ops, model, ids, width)
        assert.ok(worst(parts, whole) < PANEL_TOLERANCE, `${worst(parts, whole)}`)
      })

    test(`${name} on ${backend}: a layer gives undefined when attend does, after raw k, rotated q and k, and v in their shapes`, () => {
      const ops = createOps()
      const model = toyModel(ops, name)
      const { headCount, kvHeadCount, headDim } = model.config
      const shapes: unknown[] = []
      const result = model.layer(1, model.embed(ids), Uint32Array.from(ids.keys()), (layer, { raw, rotated, v }) => {
        shapes.push(layer, raw.k.shape, rotated.q.shape, rotated.k.shape, v.shape)
        return undefined
      })
      assert.equal(result, undefined)
      const kv = [40, kvHeadCount, headDim]
      assert.deepEqual(shapes, [1, kv, [40, headCount, headDim], kv, kv])
    })

    test(`${name} on ${backend}: raw k is k before rotation, equal to rotated k at position 0 alone`, async () => {
      const ops = createOps()
      const model = toyModel(ops, name)
      const both: Tensor[] = []
      model.layer(0, model.embed(ids.subarray(0, 2)), Uint32Array.of(0, 5), (_, { raw, rotated }) => {
        both.push(raw.k, rotated.k)
        return undefined
      })
      const [raw, rotated] = await Promise.all(both.map(async (tensor) => [...(await ops.read(tensor))]))
      const width = model.config.kvHeadCount * model.config.headDim
      assert.deepEqual(raw?.slice(0, width), rotated?.slice(0, width))
      assert.notDeepEqual(raw?.slice(width), rotated?.slice(width))
    })
  }
}
