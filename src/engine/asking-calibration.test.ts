import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AskingCalibration, type AskingRun, answerSeconds, askingRun, learnAsking } from './asking-calibration.ts'
import type { Results } from './protocol.ts'

const asked: AskingRun[] = [400, 400, 3000, 3000].map((keptTokens) => ({
  keptTokens,
  firstTokenSeconds: 0.08 + 1e-5 * keptTokens,
  nextTokenSeconds: 0.02 + 2e-6 * keptTokens,
}))

const answer = (questionTokens: number, steps: number): Results['ask'] => ({
  info: {
    finishReason: 'stop',
    usage: { inputTokens: 1000 + questionTokens, cachedInputTokens: 1000, outputTokens: steps, totalTokens: 0 },
    timings: { questionMs: 50, answerMs: 150 },
  },
  asking: { seconds: 0.2, processorSeconds: 0.4, steps, isFirst: true },
})

test('first answers: 400 and 3,000 tokens kept foretell 100 and 6,000 within 1e-4', () => {
  for (const kept of [100, 6000]) {
    const { firstTokenSeconds, nextTokenSeconds } = answerSeconds({ asked, askedSince: [] }, kept)
    assert.ok(Math.abs(firstTokenSeconds / (0.08 + 1e-5 * kept) - 1) < 1e-4, String(firstTokenSeconds))
    assert.ok(Math.abs(nextTokenSeconds / (0.02 + 2e-6 * kept) - 1) < 1e-4, String(nextTokenSeconds))
  }
})

test('first answers: those asked for since correct them, the last 12 of them', () => {
  let learnt: AskingCalibration = { asked, askedSince: [] }
  const real = { keptTokens: 400, firstTokenSeconds: 0.12, nextTokenSeconds: 0.03 }
  for (let count = 0; count < 20; count++) learnt = learnAsking(learnt, real)
  assert.equal(learnt.askedSince.length, 12)
  const { firstTokenSeconds, nextTokenSeconds } = answerSeconds(learnt, 400)
  assert.ok(Math.abs(firstTokenSeconds / 0.12 - 1) < 0.05, String(firstTokenSeconds))
  assert.ok(Math.abs(nextTokenSeconds / 0.03 - 1) < 0.05, String(nextTokenSeconds))
})

test('first answers: processor time is shared as the clock was; a long question or an answer of 7 steps tells nothing', () => {
  const run = askingRun(500, answer(30, 10))
  assert.deepEqual(
    { ...run, firstTokenSeconds: +run.firstTokenSeconds.toFixed(9) },
    {
      keptTokens: 500,
      firstTokenSeconds: 0.1,
      nextTokenSeconds: 0.03,
    },
  )
  assert.equal(askingRun(500, answer(65, 10)).firstTokenSeconds, 0)
  assert.equal(askingRun(500, answer(30, 7)).nextTokenSeconds, 0)
})
