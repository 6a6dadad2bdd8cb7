import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { temporaryFolder } from '../../test/fixtures/temporary-folder.ts'
import type { AskingCalibration } from './asking-calibration.ts'
import { type Calibration, calibrate, learn, readingCurve, secondsFor, type TimedRun } from './calibration.ts'
import { createEngine } from './engine.ts'

const toy = fileURLToPath(new URL('../../test/fixtures/toy-llama.gguf', import.meta.url))
const text = 'The bridge was opened on the third of May by the mayor, who had rain on her speech.\n'

/** Of one model by one method. */
const rememberedIn = (home: string): { reading: Calibration; asking: AskingCalibration; key: string } => {
  const all = Object.entries(JSON.parse(readFileSync(join(home, 'calibrations.json'), 'utf8')) as object)
  const [key, reading] = all.find(([, value]) => 'whole' in value) ?? []
  const [, asking] = all.find(([, value]) => 'asked' in value && !('whole' in value)) ?? []
  assert.ok(key && reading)
  return { reading, asking, key }
}

const run = (tokens: number, processorSeconds: number, isFirst = false): TimedRun => ({
  ...{ tokens, processorSeconds, isFirst, seconds: processorSeconds / 2 },
  asked: [{ keptTokens: tokens, isWhole: true, firstTokenSeconds: 0.1, nextTokenSeconds: 0.01 }],
  asking: [{ seconds: 0.2, processorSeconds: 0.4 }],
})

test('calibration: a slow model is measured on fewer tokens, and never on more than it can read', async () => {
  const longest = async (tokensPerSecond: number, mostTokens: number): Promise<number> => {
    let asked = 0
    await calibrate(async (tokens) => {
      asked = Math.max(asked, tokens)
      return run(tokens, (2 * tokens) / tokensPerSecond)
    }, mostTokens)
    return asked
  }
  assert.equal(await longest(1000, 8000), 3072)
  assert.equal(await longest(125, 8000), 1000)
  assert.equal(await longest(1, 8000), 768)
  assert.equal(await longest(1000, 300), 300)
})

test('calibration: runs of 384 and 3,072 tokens foretell 10,000 within 1e-4, and tell the first of a process apart', async () => {
  const cost = (n: number): number => 2e-3 * n + 1e-7 * n * n
  let isFirst = true
  const { calibration } = await calibrate(async (tokens) => {
    const made = run(tokens, cost(tokens) + (isFirst ? 0.3 : 0), isFirst)
    isFirst = false
    return made
  }, 8000)
  const curve = readingCurve(calibration.chosen)
  assert.ok(Math.abs(secondsFor(curve, 10_000) / cost(10_000) - 1) < 1e-4)
  assert.ok(Math.abs(curve.start / 0.3 - 1) < 1e-3)
})

test('calibration: documents read since correct it, the last 12 of them', async () => {
  const { calibration } = await calibrate(async (tokens) => run(tokens, 2e-3 * tokens), 8000)
  let learnt = calibration
  for (let count = 0; count < 20; count++) learnt = learn(learnt, run(6000, 15), true)
  assert.equal(learnt.chosenSince.length, 12)
  assert.equal(learnt.wholeSince.length, 0)
  const before = secondsFor(readingCurve(calibration.chosen), 6000)
  const after = secondsFor(readingCurve([...learnt.chosen, ...learnt.chosenSince]), 6000)
  assert.ok(Math.abs(before - 12) < 1e-3, String(before))
  assert.ok(Math.abs(after - 15) < 0.15, String(after))
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
  const { reading } = rememberedIn(home)
  assert.deepEqual(
    [reading.chosenSince.map(({ tokens, isFirst }) => [tokens, isFirst]), reading.wholeSince.length],
    [[[stats.originalTokens, false]], 0],
  )
  for (const damage of ['[]', '\0']) {
    writeFileSync(join(home, 'calibrations.json'), damage)
    assert.equal((await model.estimate(options)).isRemembered, false, damage)
  }
  assert.equal((await model.estimate({ ...options, measureAgain: true })).isRemembered, false)
})

test('estimate: learns from the first answer of a process about a saved context, and from no other', async (t) => {
  const home = temporaryFolder(t)
  const path = join(home, 'a.cctx')
  const ask = { maxTokens: 9 }
  {
    await using engine = await createEngine({ home })
    const model = await engine.loadModel(toy)
    await using context = await model.compress({ document: text, reserve: 100 })
    await context.save(path)
    await context.ask('Who?', ask).done
    assert.ok(!existsSync(join(home, 'calibrations.json')), 'nothing is remembered before the first estimate')
    await model.estimate({ document: text, reserve: 100 })
    assert.deepEqual([rememberedIn(home).asking.asked.length, rememberedIn(home).asking.askedSince.length], [9, 0])
  }
  await using engine = await createEngine({ home })
  const model = await engine.loadModel(toy)
  await using context = await model.openContext(path)
  const info = await context.ask('Who?', ask).done
  assert.deepEqual(Object.keys(info).sort(), ['finishReason', 'timings', 'usage'])
  await context.ask('When?', ask).done
  const { askedSince } = rememberedIn(home).asking
  assert.deepEqual(
    askedSince.map(({ keptTokens }) => keptTokens),
    [context.stats.keptTokens],
  )
  assert.ok((askedSince[0]?.firstTokenSeconds ?? 0) > 0)
})

test('estimate: a measurement of an older form is made anew, and what was learnt in it stays', async (t) => {
  const home = temporaryFolder(t)
  await using engine = await createEngine({ home })
  const model = await engine.loadModel(toy)
  const options = { document: text, reserve: 100 }
  await model.estimate(options)
  await (await model.compress(options)).dispose()
  const { reading, key } = rememberedIn(home)
  writeFileSync(join(home, 'calibrations.json'), JSON.stringify({ [key]: { ...reading, asked: [] } }))
  assert.equal((await model.estimate(options)).isRemembered, false)
  assert.deepEqual(rememberedIn(home).reading.chosenSince, reading.chosenSince)
  assert.equal(reading.chosenSince.length, 1)
  assert.equal((await model.estimate(options)).isRemembered, true)
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
