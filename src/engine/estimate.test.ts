import assert from 'node:assert/strict'
import { statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { temporaryFolder } from '../../test/fixtures/temporary-folder.ts'
import { type Calibration, calibrate, readingCurve, secondsFor, type TimedRun } from './calibration.ts'
import { createEngine } from './engine.ts'

const toy = fileURLToPath(new URL('../../test/fixtures/toy-llama.gguf', import.meta.url))
const text = 'The bridge was opened on the third of May by the mayor, who had rain on her speech.\n'

test('calibration: two runs on t = 2n + 0.01n² give back both numbers, and noise never makes looking back cost less than 0', () => {
  const seconds = (n: number): number => 2 * n + 0.01 * n * n
  const curve = readingCurve({ tokens: 400, seconds: seconds(400) }, { tokens: 2000, seconds: seconds(2000) })
  assert.ok(Math.abs(secondsFor(curve, 10_000) / seconds(10_000) - 1) < 1e-9)
  const noisy = readingCurve({ tokens: 400, seconds: 100 }, { tokens: 2000, seconds: 400 })
  assert.deepEqual(noisy, { perToken: 0.2, perPair: 0 })
})

test('calibration: a slow model is measured on fewer tokens, and never on more than it can read', async () => {
  const longest = async (
    tokensPerSecond: number,
    mostTokens: number,
  ): Promise<{ asked: number; made: Calibration }> => {
    let asked = 0
    const run = async (tokens: number): Promise<TimedRun> => {
      asked = Math.max(asked, tokens)
      const seconds = tokens / tokensPerSecond
      return { tokens, keptTokens: tokens, seconds, firstTokenSeconds: 0.1, nextTokenSeconds: 0.01 }
    }
    return { made: await calibrate(run, mostTokens), asked }
  }
  assert.equal((await longest(1000, 8000)).asked, 2048)
  assert.equal((await longest(100, 8000)).asked, 1000)
  assert.equal((await longest(1, 8000)).asked, 768)
  assert.equal((await longest(1000, 300)).asked, 300)
})

test('estimate: tokens and bytes are those of compress, the file within 2 pages, and the measurement is made once', async (t) => {
  const home = temporaryFolder(t)
  await using engine = await createEngine({ home })
  const model = await engine.loadModel(toy)
  const options = { document: text.repeat(3), keep: 0.5, reserve: 100, protectFirst: 2, protectLast: 2 }
  const estimate = await model.estimate(options)
  await using context = await model.compress(options)
  const { stats } = context
  assert.deepEqual(
    [estimate.documentTokens, estimate.headTokens, estimate.keptTokens, estimate.keptBytes],
    [stats.originalTokens, stats.headTokens, stats.keptTokens, stats.bytes],
  )
  await context.save(join(home, 'a.cctx'))
  const bytes = statSync(join(home, 'a.cctx')).size
  assert.ok(Math.abs(estimate.fileBytes - bytes) <= 2 * 4096, `${estimate.fileBytes} of ${bytes}`)
  assert.equal(estimate.isRemembered, false)
  for (const seconds of Object.values(estimate.seconds)) assert.ok(seconds > 0)
  const again = await model.estimate({ ...options, keep: 1 })
  assert.equal(again.isRemembered, true)
  assert.equal(again.measuredAt, estimate.measuredAt)
  assert.equal(again.seconds.compress, again.seconds.prefill)
  for (const damage of ['', '[]', '{"a":1}', '\0']) {
    writeFileSync(join(home, 'calibrations.json'), damage)
    assert.equal((await model.estimate(options)).isRemembered, false, damage)
  }
  assert.equal((await model.estimate({ ...options, measureAgain: true })).isRemembered, false)
})

test('estimate: what compress would refuse is refused before anything is measured', async (t) => {
  await using engine = await createEngine({ home: temporaryFolder(t) })
  const model = await engine.loadModel(toy)
  await assert.rejects(model.estimate({ document: '' }), { code: 'document-invalid' })
  await assert.rejects(model.estimate({ document: text.repeat(50) }), { code: 'document-too-long' })
  await assert.rejects(model.estimate({ document: text, keep: 2 }), { code: 'budget-invalid' })
  await assert.rejects(model.estimate({ document: text, remember: true } as never), /no option "remember"/)
  await assert.rejects(model.estimate({ document: text, speed: 1 } as never), /no option "speed"/)
})
