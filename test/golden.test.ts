/**
 * The whole engine on real weights against independent numbers: logits, likelihoods, greedy tokens, leverage and mass.
 * smollm2-135m always; others when COMPACTOR_TEST_MODELS names them.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { createNativeOps } from '../src/backends/native.ts'
import type { Ops, Tensor } from '../src/backends/ops.ts'
import { Control } from '../src/engine/control.ts'
import type { ModelFile } from '../src/engine/model-file.ts'
import { prefill } from '../src/engine/prefill.ts'
import type { Method, View } from '../src/methods/method.ts'
import { floats, type Golden, golden, greedy, logSumExp, openModel, sequenceOf, type Top } from './golden.ts'

const models = (process.env.COMPACTOR_TEST_MODELS ?? 'smollm2-135m').split(',')

const worstTop = (row: Float32Array, { ids, logits, logsumexp }: Top): number =>
  Math.max(
    Math.abs(logSumExp(row) - logsumexp),
    ...ids.map((id, i) => Math.abs((row[id] as number) - (logits[i] as number))),
  )

interface Reading {
  readonly nll: Float64Array // nll[p] of token p + 1
  readonly worst: number // largest difference of a logit or log-sum-exp
}

/** One pass over a prompt. */
const read = async (
  ops: Ops,
  file: ModelFile,
  prompt: readonly number[],
  tops: Readonly<Record<string, Top>>,
): Promise<Reading> => {
  const nll = new Float64Array(prompt.length - 1)
  let worst = 0
  let position = 0
  const rows = sequenceOf(ops, file, 'f32').all(Uint32Array.from(prompt), new Control())
  for await (const row of rows) {
    const top = tops[position]
    if (top) worst = Math.max(worst, worstTop(row, top))
    if (position < nll.length) nll[position] = logSumExp(row) - (row[prompt[position + 1] as number] as number)
    position++
  }
  return { nll, worst }
}

const mean = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0) / values.length

/** A method that only records what the scoring ops give on some layers. */
const probe = (reference: Golden, interleaved: boolean): { method: Method; seen: Map<string, Tensor> } => {
  const seen = new Map<string, Tensor>()
  const keep = (ops: Ops, name: string, value: Tensor): void => {
    ops.copy(seen.get(name) as Tensor, value)
  }
  const sketchOf = (ops: Ops, phi: Float32Array, headDim: number): Tensor => {
    const columns = phi.length / headDim
    const row = (r: number): number => (interleaved ? (r % 2) * (headDim / 2) + Math.floor(r / 2) : r)
    return ops.from(
      Float32Array.from(phi, (_, i) => phi[row(Math.floor(i / columns)) * columns + (i % columns)] as number),
      [headDim, columns],
    )
  }
  const score = (ops: Ops, { layer, raw, rotated, headDim, kvHeadCount, tokenCount }: View): Tensor => {
    const arrays = reference.layers[layer]
    if (arrays) {
      const { q, k } = rotated
      const mass = (chunkTokens: number, scale: number): Tensor => ops.chunkAttentionMass(q, k, { chunkTokens, scale })
      if (arrays.leverage_exact) keep(ops, `${layer} leverage_exact`, ops.leverage(raw.k, { ridge: 1e-9 }))
      const sketch = sketchOf(ops, floats(arrays.phi as { f32: string }), headDim)
      keep(ops, `${layer} leverage_sketch48`, ops.leverage(raw.k, { ridge: 5e-3, sketch }))
      keep(ops, `${layer} attention_256_unscaled`, mass(256, 1))
      keep(ops, `${layer} attention_256_scaled`, mass(256, 1 / Math.sqrt(headDim)))
      keep(ops, `${layer} attention_128_unscaled`, mass(128, 1))
    }
    return ops.zeros([kvHeadCount, tokenCount], 'f32')
  }
  const selection = { protectFirst: 0, protectLast: 0, heads: 'apart' } as const
  return { method: { name: 'probe', nested: true, needs: { queries: true }, selection, score }, seen }
}

/** KL(p ‖ q) of two rows of logits, nats. */
const divergence = (p: Float32Array, q: Float32Array): number => {
  const [sumP, sumQ] = [logSumExp(p), logSumExp(q)]
  let kl = 0
  for (let id = 0; id < p.length; id++) {
    const logP = (p[id] as number) - sumP
    kl += Math.exp(logP) * (logP - (q[id] as number) + sumQ)
  }
  return kl
}

const lead = (logits: Float32Array): { best: number; margin: number } => {
  let [best, first, second] = [0, -Infinity, -Infinity]
  for (const [id, logit] of logits.entries())
    if (logit > first) [best, first, second] = [id, logit, first]
    else if (logit > second) second = logit
  return { best, margin: first - second }
}

const topQuarter = (values: Float32Array): Set<number> => {
  const order = Array.from(values.keys()).sort((a, b) => (values[b] as number) - (values[a] as number))
  return new Set(order.slice(0, Math.round(values.length / 4)))
}

for (const name of models) {
  const reference = golden(name)
  const setUp = (): { ops: ReturnType<typeof createNativeOps>; file: ModelFile } => {
    const ops = createNativeOps({ threads: 2, activations: 'f32' })
    return { ops, file: openModel(ops, name) }
  }

  test(`${name}, f32: logits of ${reference.prompt_ids.length} tokens within 2e-3 of the reference, 48 greedy tokens identical`, async (t) => {
    const { ops, file } = setUp()
    const { nll, worst } = await read(ops, file, reference.prompt_ids, reference.top)
    t.diagnostic(
      `largest difference of a logit ${worst.toExponential(2)}, mean NLL ${mean(nll)} against ${reference.mean_nll}`,
    )
    assert.ok(worst < 2e-3, `${worst}`)
    assert.ok(Math.abs(mean(nll) - reference.mean_nll) < 1e-3)
    for (const [i, value] of reference.nll_first_16.entries()) assert.ok(Math.abs((nll[i] as number) - value) < 2e-3)
    assert.deepEqual(await greedy(sequenceOf(ops, file, 'f32'), reference.prompt_ids, 48), reference.greedy_48)
    file.owners.release()
    ops.dispose()
  })

  test(`${name}, f32: logits of ${reference.long.prompt_ids.length} tokens within 2e-3 of the reference, 16 greedy tokens identical`, async (t) => {
    const { ops, file } = setUp()
    const { prompt_ids, top, mean_nll, nll_positions, greedy_16 } = reference.long
    const { nll, worst } = await read(ops, file, prompt_ids, top)
    t.diagnostic(`largest difference of a logit ${worst.toExponential(2)}, mean NLL ${mean(nll)} against ${mean_nll}`)
    assert.ok(worst < 2e-3, `${worst}`)
    assert.ok(Math.abs(mean(nll) - mean_nll) < 1e-3)
    for (const [i, position] of nll_positions.entries())
      assert.ok(Math.abs((nll[position] as number) - (reference.long.nll[i] as number)) < 2e-3)
    assert.deepEqual(await greedy(sequenceOf(ops, file, 'f32'), prompt_ids, 16), greedy_16)
    file.owners.release()
    ops.dispose()
  })

  test(`${name}: leverage within 1e-3, attention mass within 1e-3 × (mean + value), ${Object.keys(reference.layers).length} layers, top quarters agree ≥ 99.5 %`, async (t) => {
    const { ops, file } = setUp()
    const { method, seen } = probe(reference, file.model.config.architecture === 'llama')
    const { kvHeadCount } = file.model.config
    const tokens = reference.prompt_ids.length
    const names = Object.entries(reference.layers).flatMap(([layer, arrays]) =>
      Object.keys(arrays)
        .filter((array) => /^(leverage|attention)/.test(array))
        .map((array) => [layer, array] as const),
    )
    for (const [layer, array] of names) seen.set(`${layer} ${array}`, ops.zeros([kvHeadCount, tokens], 'f32'))
    await prefill(ops, file.model, {
      head: new Uint32Array(0),
      document: Uint32Array.from(reference.prompt_ids),
      method,
      selection: method.selection,
      pairs: kvHeadCount,
      precision: 'f32',
      seed: 0,
      control: new Control(),
    })
    for (const [layer, array] of names) {
      const expected = floats(reference.layers[layer]?.[array] as { f32: string })
      const got = (await ops.read(seen.get(`${layer} ${array}`) as Tensor)) as Float32Array
      const average = expected.reduce((sum, value) => sum + value, 0) / expected.length
      const isMass = array.startsWith('attention')
      let worst = 0
      expected.forEach((value, i) => {
        const scale = isMass ? average + value : Math.abs(value)
        worst = Math.max(worst, Math.abs((got[i] as number) - value) / scale)
      })
      const [ours, theirs] = [topQuarter(got), topQuarter(expected)]
      const agreement = [...ours].filter((index) => theirs.has(index)).length / theirs.size
      t.diagnostic(
        `layer ${layer} ${array}: worst ${worst.toExponential(2)}, top quarter ${(100 * agreement).toFixed(2)} %`,
      )
      assert.ok(worst < 1e-3, `layer ${layer} ${array}: ${worst}`)
      assert.ok(agreement >= 0.995, `layer ${layer} ${array}: ${agreement}`)
    }
    file.owners.release()
    ops.dispose()
  })

  const defaultPath = async (t: TestContext, rowsAtOnce: number): Promise<void> => {
    const exact = setUp()
    const fast = createNativeOps({ threads: 2 })
    const file = openModel(fast, name)
    const ids = Uint32Array.from(reference.prompt_ids)
    const rows = sequenceOf(fast, file, 'f16').all(ids, new Control(), rowsAtOnce)
    const sums = { fast: 0, exact: 0, kl: 0, flips: 0, clear: 0 }
    let position = 0
    for await (const expected of sequenceOf(exact.ops, exact.file, 'f32').all(ids, new Control())) {
      const got = (await rows.next()).value as Float32Array
      const next = ids[position + 1]
      if (next !== undefined) {
        sums.fast += logSumExp(got) - (got[next] as number)
        sums.exact += logSumExp(expected) - (expected[next] as number)
      }
      sums.kl += divergence(expected, got)
      const { best, margin } = lead(expected)
      if (margin > 0.5) sums.clear++
      if (margin > 0.5 && lead(got).best !== best) sums.flips++
      position++
    }
    const drift = Math.abs(sums.fast / sums.exact - 1)
    const kl = sums.kl / position
    t.diagnostic(
      `mean NLL off by ${(100 * drift).toFixed(3)} %, mean KL ${kl.toExponential(2)}, ${sums.flips} of ${sums.clear} clear top-1 flipped`,
    )
    assert.ok(drift < 0.005 && kl <= 0.01)
    assert.equal(sums.flips, 0)
    for (const { owners } of [file, exact.file]) owners.release()
    for (const ops of [fast, exact.ops]) ops.dispose()
  }

  const limits = 'mean NLL within 0.5 %, mean KL ≤ 0.01 to f32, top-1 equal where the margin exceeds 0.5'
  test(`${name}, default path (f16 cache, int8 activations), one token at a time as answers are made: ${limits}`, (t) =>
    defaultPath(t, 1))
  test(`${name}, default path, 32 tokens at a time as documents are read: ${limits}`, (t) => defaultPath(t, 32))
}
