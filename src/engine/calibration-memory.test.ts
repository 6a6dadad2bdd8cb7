/** What is remembered of measurements, when the file that holds it is damaged: then there is none, and one is made again. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../../test/fixtures/temporary-folder.ts'
import type { AskingCalibration } from './asking-calibration.ts'
import type { Calibration } from './calibration.ts'
import { recallAsking, recallCalibration, rememberCalibrations } from './calibration-memory.ts'

const reading: Calibration = {
  measuredAt: '2026-05-03T09:00:00.000Z',
  whole: [{ tokens: 384, processorSeconds: 0.8, isFirst: true }],
  chosen: [
    { tokens: 384, processorSeconds: 0.9, isFirst: false },
    { tokens: 384, processorSeconds: 0, isFirst: false },
  ],
  wholeSince: [],
  chosenSince: [{ tokens: 6000, processorSeconds: 14, isFirst: true }],
}

const asking: AskingCalibration = {
  asked: [
    { keptTokens: 96.5, isWhole: false, firstTokenSeconds: 0.1, nextTokenSeconds: 0 },
    { keptTokens: 384, isWhole: true, firstTokenSeconds: 0, nextTokenSeconds: 0.02 },
  ],
  askedSince: [{ keptTokens: 1500, isWhole: false, firstTokenSeconds: 0.12, nextTokenSeconds: 0.02 }],
}

/** Every way to spoil one field, at any depth: left out, or something else in its place. */
const spoilt = (value: unknown): unknown[] => {
  if (typeof value !== 'object' || value === null) return [undefined, null, 'x', {}, -1, 1e300]
  return Object.entries(value).flatMap(([key, part]) =>
    spoilt(part).map((other) => {
      if (Array.isArray(value)) return value.map((one: unknown, i) => (String(i) === key ? other : one))
      return { ...value, [key]: other }
    }),
  )
}

test('calibrations: what was remembered is recalled as it was, also a kept count that is no whole number', (t) => {
  const home = temporaryFolder(t)
  rememberCalibrations(home, { reading, asking })
  assert.deepEqual(recallCalibration(home, 'reading'), reading)
  assert.deepEqual(recallAsking(home, 'asking'), asking)
})

test('calibrations: each of over 100 damaged fields means that nothing is remembered', (t) => {
  const home = temporaryFolder(t)
  const readings = [...spoilt(reading), { ...reading, chosen: [] }, { ...reading, whole: reading.chosen.slice(1) }]
  const askings = [...spoilt(asking), { ...asking, asked: asking.asked.slice(1) }, { ...asking, asked: [] }, 7, null]
  assert.ok(readings.length + askings.length > 100)
  for (const damaged of [...readings, { ...reading, measuredAt: '2026' }, { ...reading, measuredAt: '\u001b[2J' }]) {
    writeFileSync(join(home, 'calibrations.json'), JSON.stringify({ reading: damaged }))
    assert.equal(recallCalibration(home, 'reading'), undefined, JSON.stringify(damaged))
  }
  for (const damaged of askings) {
    writeFileSync(join(home, 'calibrations.json'), JSON.stringify({ asking: damaged }))
    assert.equal(recallAsking(home, 'asking'), undefined, JSON.stringify(damaged))
  }
})
