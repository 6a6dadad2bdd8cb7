import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type AskingCalibration,
  type AskingRun,
  answerSeconds,
  askedOf,
  askingRun,
  learnAsking,
} from './asking-calibration.ts'
import type { Results } from './protocol.ts'

const first = (keptTokens: number, isWhole: boolean): number => 0.08 + (isWhole ? 1e-5 : 2e-5) * keptTokens
const next = (keptTokens: number, isWhole: boolean): number => 0.02 + (isWhole ? 1e-6 : 3e-6) * keptTokens

const about = [
  ...[200, 1500].map((keptTokens) => ({ keptTokens, isWhole: false })),
  { keptTokens: 3000, isWhole: true },
]
const asked: AskingRun[] = [...about, ...about].map(({ keptTokens, isWhole }) => ({
  ...{ keptTokens, isWhole },
  firstTokenSeconds: first(keptTokens, isWhole),
  nextTokenSeconds: next(keptTokens, isWhole),
}))

const answer = (questionTokens: number, steps: number): Results['ask'] => ({
  info: {
    finishReason: 'stop',
    usage: { inputTokens: 1000 + questionTokens, cachedInputTokens: 1000, outputTokens: steps, totalTokens: 0 },
    timings: { questionMs: 50, answerMs: 150 },
  },
  asking: { seconds: 0.2, processorSeconds: 0.4, steps, isFirst: true },
})

test('first answers: 200 and 1,500 tokens chosen and 3,000 whole foretell 100 and 6,000 of both within 1e-3', () => {
  for (const kept of [100, 6000])
    for (const isWhole of [false, true]) {
      const seconds = answerSeconds({ asked, askedSince: [] }, { keptTokens: kept, isWhole })
      assert.ok(Math.abs(seconds.firstTokenSeconds / first(kept, isWhole) - 1) < 1e-3, JSON.stringify(seconds))
      assert.ok(Math.abs(seconds.nextTokenSeconds / next(kept, isWhole) - 1) < 1e-3, JSON.stringify(seconds))
    }
})

test('first answers: those asked for since correct them, the last 12 of them', () => {
  let learnt: AskingCalibration = { asked, askedSince: [] }
  const real = { keptTokens: 400, isWhole: false, firstTokenSeconds: 0.12, nextTokenSeconds: 0.03 }
  for (let count = 0; count < 20; count++) learnt = learnAsking(learnt, real)
  assert.equal(learnt.askedSince.length, 12)
  const { firstTokenSeconds, nextTokenSeconds } = answerSeconds(learnt, real)
  assert.ok(Math.abs(firstTokenSeconds / 0.12 - 1) < 0.05, String(firstTokenSeconds))
  assert.ok(Math.abs(nextTokenSeconds / 0.03 - 1) < 0.05, String(nextTokenSeconds))
})

test('first answers: processor time is shared as the clock was; a long question or an answer of 7 steps tells nothing', () => {
  const chosen = askedOf({ keptTokens: 500, keptShare: 0.25 })
  assert.deepEqual(chosen, { keptTokens: 500, isWhole: false })
  const run = askingRun(chosen, answer(30, 10))
  assert.deepEqual(
    { ...run, firstTokenSeconds: +run.firstTokenSeconds.toFixed(9) },
    {
      ...chosen,
      firstTokenSeconds: 0.1,
      nextTokenSeconds: 0.03,
    },
  )
  assert.equal(askingRun(chosen, answer(65, 10)).firstTokenSeconds, 0)
  assert.equal(askingRun(chosen, answer(30, 7)).nextTokenSeconds, 0)
})
