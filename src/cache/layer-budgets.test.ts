import assert from 'node:assert/strict'
import { test } from 'node:test'
import { shareLayers } from './layer-budgets.ts'

const shape = { kvHeadCount: 2, documentTokens: 50, protectFirst: 3, protectLast: 4, heads: 'model' } as const
const codes = [1, 2, 3].map((layer) =>
  Uint16Array.from({ length: 100 }, (_, i) => 32768 + layer * 40 + ((i * 37) % 101) - ((i * i) % 13)),
)
const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0)

test('layer budgets: every total from the protected pairs to everything is met exactly and never takes back, 259 totals', () => {
  let before = codes.map(() => 0)
  for (let total = 42; total <= 300; total++) {
    const shared = shareLayers(codes, { ...shape, total })
    assert.equal(sum(shared), total)
    assert.ok(shared.every((pairs, layer) => pairs >= (before[layer] ?? 0) && pairs >= 14 && pairs <= 100))
    before = shared
  }
})

test('layer budgets: who stays is at least as good as who goes, all layers together', () => {
  const [total, reserved] = [120, 14]
  const shared = shareLayers(codes, { ...shape, total })
  const open = codes.map((layer) => layer.filter((_, i) => i % 50 >= 3 && i % 50 < 46).sort((a, b) => b - a))
  const least = Math.min(...open.map((layer, i) => layer[(shared[i] ?? 0) - reserved - 1] ?? 65535))
  const most = Math.max(...open.map((layer, i) => layer[(shared[i] ?? 0) - reserved] ?? 0))
  assert.ok(least >= most, `${least} ${most}`)
  assert.deepEqual(
    [...shared].sort((a, b) => a - b),
    shared,
    'later layers score higher here',
  )
})

test('layer budgets: equal codes go to earlier layers', () => {
  const equal = [0, 1].map(() => new Uint16Array(100).fill(7))
  assert.deepEqual(shareLayers(equal, { ...shape, total: 28 + 90 }), [14 + 86, 14 + 4])
})

test('layer budgets: totals below the protected pairs or above everything are refused', () => {
  for (const total of [41, 301, 50.5])
    assert.throws(() => shareLayers(codes, { ...shape, total }), /42 \(protected\) to 300/)
})
