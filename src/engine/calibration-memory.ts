/** Calibrations in the home, by everything that speed depends on. What cannot be read or written costs time, never a run. */
import { randomUUID } from 'node:crypto'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Calibration } from './calibration.ts'

const rememberedCount = 100 // newest last

const memoryPath = (home: string): string => join(home, 'calibrations.json')

/** A damaged or missing memory is an empty one: the only loss is time. */
const readMemory = async (home: string): Promise<Record<string, unknown>> => {
  const text = await readFile(memoryPath(home), 'utf8').catch(() => '{}')
  try {
    const parsed: unknown = JSON.parse(text)
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed) ? { ...parsed } : {}
  } catch {
    return {}
  }
}

const areRuns = (value: unknown, names: readonly string[]): boolean =>
  Array.isArray(value) &&
  value.every(
    (run: unknown) =>
      typeof run === 'object' &&
      run !== null &&
      names.every((name) => {
        const number = (run as Record<string, unknown>)[name]
        return typeof number === 'number' && Number.isFinite(number) && number >= 0
      }),
  )

const isCalibration = (value: unknown): value is Calibration => {
  if (typeof value !== 'object' || value === null) return false
  const { measuredAt, asked, whole, chosen, wholeSince, chosenSince } = value as Record<keyof Calibration, unknown>
  return (
    typeof measuredAt === 'string' &&
    [whole, chosen, wholeSince, chosenSince].every((runs) => areRuns(runs, ['tokens', 'processorSeconds'])) &&
    areRuns(asked, ['keptTokens', 'firstTokenSeconds', 'nextTokenSeconds'])
  )
}

export const recallCalibration = async (home: string, key: string): Promise<Calibration | undefined> => {
  const found = (await readMemory(home))[key]
  return isCalibration(found) ? found : undefined
}

/** A home that takes no file costs the next estimate its time, so the failure is not one of this estimate. */
export const rememberCalibration = async (home: string, key: string, calibration: Calibration): Promise<void> => {
  const { [key]: _, ...others } = await readMemory(home)
  const kept = Object.fromEntries(Object.entries(others).slice(1 - rememberedCount))
  const temporary = `${memoryPath(home)}.${process.pid}.${randomUUID()}`
  try {
    await mkdir(home, { recursive: true })
    await writeFile(temporary, `${JSON.stringify({ ...kept, [key]: calibration }, undefined, 1)}\n`)
    await rename(temporary, memoryPath(home))
  } catch {
    await rm(temporary, { force: true }).catch(() => undefined)
  }
}
