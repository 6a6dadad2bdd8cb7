import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createNativeOps, nativeAvailable } from '../backends/native.ts'
import { createReferenceOps } from '../backends/reference.ts'
import { blockLayout } from '../backends/tensor.ts'
import { CompactorError, type ErrorCode } from '../error.ts'
import { architectureOf, architectures } from './index.ts'
import { testModels } from './model.conformance.ts'
import type { Metadata, MetadataValue, Weights } from './model.ts'

testModels('reference', createReferenceOps)

const native = nativeAvailable()
if (native.available) testModels('native', () => createNativeOps({ threads: 2, activations: 'f32' }))
else
  test('native backend is not required where it is absent', () => {
    assert.ok(
      !(process.env.REQUIRE_BACKENDS ?? '').split(',').includes('native'),
      native.available ? '' : native.reason,
    )
  })

const refused = (code: ErrorCode, sentence: RegExp) => (error: unknown) =>
  error instanceof CompactorError && error.code === code && sentence.test(error.message)

const metadata = (values: Record<string, MetadataValue>): Metadata => ({
  get: (key) => values[key],
  keys: () => Object.keys(values),
})

/** Weights of zeros in the shapes given, rows first. */
const weights = (shapes: Record<string, readonly number[]>): Weights => {
  const ops = createReferenceOps()
  const shapeOf = (name: string): readonly number[] => {
    const shape = shapes[name]
    if (!shape) throw new CompactorError('model-corrupt', `no tensor ${name}`)
    return shape
  }
  return {
    has: (name) => Object.hasOwn(shapes, name),
    names: () => Object.keys(shapes),
    matrix: (name) => {
      const [rows = 0, columns = 0] = shapeOf(name)
      return ops.weight('F32', [rows, columns], new Uint8Array(rows * columns * blockLayout.F32.bytes))
    },
    vector: (name) => ops.zeros(shapeOf(name), 'f32'),
  }
}

const keysOf = (name: string): Record<string, MetadataValue> => ({
  'general.architecture': name,
  [`${name}.block_count`]: 1,
  [`${name}.context_length`]: 64,
  [`${name}.embedding_length`]: 8,
  [`${name}.feed_forward_length`]: 12,
  [`${name}.attention.head_count`]: 2,
  [`${name}.attention.head_count_kv`]: 1,
  [`${name}.attention.layer_norm_rms_epsilon`]: 1e-5,
  ...(name === 'gemma3' && { 'gemma3.attention.sliding_window': 16 }),
})

const shapesOf = (name: string): Record<string, readonly number[]> => ({
  'token_embd.weight': [20, 8],
  'output_norm.weight': [8],
  'blk.0.attn_norm.weight': [8],
  'blk.0.attn_q.weight': [8, 8],
  'blk.0.attn_k.weight': [4, 8],
  'blk.0.attn_v.weight': [4, 8],
  'blk.0.attn_output.weight': [8, 8],
  'blk.0.ffn_norm.weight': [8],
  'blk.0.ffn_gate.weight': [12, 8],
  'blk.0.ffn_up.weight': [12, 8],
  'blk.0.ffn_down.weight': [8, 12],
  ...(name === 'qwen2' && { 'blk.0.attn_q.bias': [8], 'blk.0.attn_k.bias': [4], 'blk.0.attn_v.bias': [4] }),
  ...(name === 'gemma3' && { 'blk.0.post_attention_norm.weight': [8], 'blk.0.post_ffw_norm.weight': [8] }),
  ...(['qwen3', 'gemma3'].includes(name) && { 'blk.0.attn_q_norm.weight': [4], 'blk.0.attn_k_norm.weight': [4] }),
})

const open = (keys: Record<string, MetadataValue>, shapes: Record<string, readonly number[]>): unknown => {
  const architecture = architectureOf(keys['general.architecture'])
  const config = architecture.readConfig(metadata(keys), weights(shapes))
  return architecture.create(createReferenceOps(), config, weights(shapes)).config
}

test('an unknown architecture is refused by name with the list of what works', () => {
  assert.throws(
    () => architectureOf('mamba'),
    refused('model-unsupported', /mamba is not supported; take a model of one that is: llama, qwen2, qwen3, gemma3$/),
  )
  assert.throws(() => architectureOf(undefined), refused('model-unsupported', /\(none named\)/))
})

for (const { name } of architectures) {
  test(`${name}: the config is read key by key, with 3 keys optional`, () => {
    assert.deepEqual(open(keysOf(name), shapesOf(name)), {
      architecture: name,
      layerCount: 1,
      dim: 8,
      headCount: 2,
      kvHeadCount: 1,
      headDim: 4,
      vocabularySize: 20,
      contextLength: 64,
      feedForwardDim: 12,
      epsilon: 1e-5,
      theta: name === 'gemma3' ? 1_000_000 : 10_000,
      ...(name === 'llama' && { ropeFactor: 1 }),
      ...(name === 'gemma3' && {
        ropeFactor: 1,
        windows: [16],
        windowTheta: 10_000,
        queryScale: 1,
        logitCap: undefined,
      }),
    })
    const { [`${name}.attention.head_count_kv`]: _, ...others } = keysOf(name)
    const shapes = { ...shapesOf(name), 'blk.0.attn_k.weight': [8, 8], 'blk.0.attn_v.weight': [8, 8] }
    const biases = name === 'qwen2' ? { 'blk.0.attn_k.bias': [8], 'blk.0.attn_v.bias': [8] } : {}
    const keys = { ...others, [`${name}.rope.freq_base`]: 5e5, [`${name}.attention.key_length`]: 4 }
    const config = open(keys, { ...shapes, ...biases }) as Record<string, unknown>
    assert.deepEqual([config.kvHeadCount, config.theta], [2, 5e5])
  })

  const unsupported: Record<string, MetadataValue> = {
    'rope.scaling.type': 'yarn',
    ...(name.startsWith('qwen') && { 'rope.scaling.factor': 4, 'rope.scaling.original_context_length': 32 }),
    'rope.scaling.attn_factor': 1.5,
    'rope.scale_linear': 2,
    'rope.dimension_count': 2,
    'attention.key_length': 1026,
    'attention.value_length': 2,
    'attention.causal': false,
    ...(name !== 'gemma3' && { 'attention.sliding_window': 512 }),
    'attention.clamp_kqv': 8,
    'attention.scale': 0.5,
    'attention.head_count_kv': [1],
    expert_count: 8,
    logit_scale: 2,
    residual_scale: 0.5,
    some_future_key: 1,
  }
  for (const [key, value] of Object.entries(unsupported))
    test(`${name}: ${key} = ${value} is refused by name`, () => {
      const keys = { ...keysOf(name), [`${name}.${key}`]: value }
      assert.throws(
        () => open(keys, shapesOf(name)),
        refused('model-unsupported', new RegExp(`${name}\\.${key.replaceAll('.', '\\.')} `)),
      )
    })

  for (const key of [
    'block_count',
    'context_length',
    'embedding_length',
    'feed_forward_length',
    'attention.head_count',
  ])
    test(`${name}: ${key} absent, 0 or half is refused as model-corrupt`, () => {
      for (const value of [undefined, 0, 0.5, 'many']) {
        const { [`${name}.${key}`]: _, ...others } = keysOf(name)
        const keys = value === undefined ? others : { ...others, [`${name}.${key}`]: value }
        assert.throws(
          () => open(keys, shapesOf(name)),
          refused('model-corrupt', new RegExp(key.replaceAll('.', '\\.'))),
        )
      }
    })

  test(`${name}: heads that do not divide, and 2 KV heads for 3 heads, are refused as model-corrupt`, () => {
    const three = { ...keysOf(name), [`${name}.attention.head_count`]: 3 }
    assert.throws(() => open(three, shapesOf(name)), refused('model-corrupt', /key_length|head_count/))
    const uneven = { ...three, [`${name}.attention.key_length`]: 4, [`${name}.attention.head_count_kv`]: 2 }
    assert.throws(() => open(uneven, shapesOf(name)), refused('model-corrupt', /head_count/))
  })

  for (const tensor of Object.keys(shapesOf(name)))
    test(`${name}: ${tensor} missing or of another shape is refused as model-corrupt, by name`, () => {
      const { [tensor]: shape = [], ...others } = shapesOf(name)
      assert.throws(() => open(keysOf(name), others), refused('model-corrupt', new RegExp(tensor)))
      const wrong = { ...others, [tensor]: [...shape.slice(0, -1), (shape.at(-1) ?? 0) + 1] }
      assert.throws(() => open(keysOf(name), wrong), refused('model-corrupt', new RegExp(`${tensor} has shape`)))
    })

  const extra = ['blk.0.attn_output.bias', 'blk.0.ffn_up.bias', 'blk.1.attn_norm.weight', 'blk.0.attn_sinks.weight']
  if (name !== 'llama') extra.push('rope_freqs.weight')
  if (name !== 'qwen2') extra.push('blk.0.attn_q.bias')
  if (!['qwen3', 'gemma3'].includes(name)) extra.push('blk.0.attn_q_norm.weight')
  for (const tensor of extra)
    test(`${name}: a tensor ${tensor} is refused by name, because leaving it out would change the arithmetic`, () => {
      assert.throws(
        () => open(keysOf(name), { ...shapesOf(name), [tensor]: [8] }),
        refused('model-unsupported', new RegExp(tensor)),
      )
    })
}

test('llama: linear scaling is read from its factor, with or without its type, and refused where the type is none', () => {
  const read = (keys: Record<string, MetadataValue>): unknown => {
    const config = open({ ...keysOf('llama'), ...keys }, shapesOf('llama')) as Record<string, unknown>
    return config.ropeFactor
  }
  assert.equal(read({ 'llama.rope.scaling.type': 'linear', 'llama.rope.scaling.factor': 4 }), 4)
  assert.equal(read({ 'llama.rope.scaling.factor': 8 }), 8)
  assert.equal(read({ 'llama.rope.scaling.type': 'none' }), 1)
  assert.throws(
    () => read({ 'llama.rope.scaling.type': 'none', 'llama.rope.scaling.factor': 4 }),
    refused('model-unsupported', /llama\.rope\.scaling\.factor is 4; only 1 is supported/),
  )
  assert.throws(
    () => read({ 'llama.rope.scaling.factor': 0 }),
    refused('model-corrupt', /llama\.rope\.scaling\.factor: expected a number above 0, got 0/),
  )
})

test('each architecture: 2^31 - 1 layers are refused before anything is made for each', () => {
  for (const { name, readConfig } of architectures) {
    const keys = { ...keysOf(name), [`${name}.block_count`]: 2 ** 31 - 1 }
    assert.throws(
      () => readConfig(metadata(keys), weights(shapesOf(name))),
      refused('model-corrupt', /block_count: expected at most 4096 layers, got 2147483647/),
    )
  }
})

test('a key with what a terminal obeys, a long one, NaN and lists stand in the sentence in a short and harmless way', () => {
  const said = (keys: Record<string, MetadataValue>, sentence: RegExp): void =>
    assert.throws(() => open({ ...keysOf('llama'), ...keys }, shapesOf('llama')), { message: sentence })
  said({ 'llama.\u001b[31m': 1 }, /^model key "llama\.\\u001b\[31m" is not understood/)
  said({ [`llama.${'x'.repeat(70_000)}`]: 1 }, /^model key "llama\.x{54}…" is not understood/)
  said(
    { 'llama.rope.freq_base': Number.NaN },
    /freq_base: expected a number above 0, got a value that is not a number; get the file again$/,
  )
  said({ 'llama.rope.freq_base': new Array(1000).fill(1) }, /expected a number above 0, got a list of 1000;/)
})

test('llama: rope_freqs of another length than 2 for heads of 4 is refused as model-corrupt', () => {
  assert.throws(
    () => open(keysOf('llama'), { ...shapesOf('llama'), 'rope_freqs.weight': [4] }),
    refused('model-corrupt', /rope_freqs\.weight has shape \[4\]/),
  )
})

test('gemma3: each sixth of 18 layers sees everything, or each of the declared period; 62 layers scale queries by width', () => {
  const shapes = { ...shapesOf('gemma3') }
  const read = (keys: Record<string, MetadataValue>): Record<string, unknown> => {
    const all = { ...keysOf('gemma3'), ...keys }
    return architectureOf('gemma3').readConfig(metadata(all), weights(shapes)) as unknown as Record<string, unknown>
  }
  const windows = read({ 'gemma3.block_count': 18 }).windows as readonly (number | undefined)[]
  const whole = [...windows.entries()].filter(([, window]) => window === undefined).map(([layer]) => layer)
  assert.deepEqual(whole, [5, 11, 17])
  assert.equal(windows[0], 16)
  const third = read({ 'gemma3.block_count': 3, 'gemma3.attention.sliding_window_pattern': 3 })
  assert.deepEqual(third.windows, [16, 16, undefined])
  assert.equal(read({ 'gemma3.block_count': 62, 'gemma3.attention.key_length': 16 }).queryScale, 2)
  assert.equal(read({ 'gemma3.final_logit_softcapping': 30 }).logitCap, 30)
})
