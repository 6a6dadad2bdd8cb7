/**
 * Calibrations in the home, by everything that speed depends on. What cannot be read or written costs time, never a run.
 * Read and written at once and not in the background: a process that ends behind its first answer waits one millisecond
 * for it that way, and four or more the other.
 */
import { randomUUID } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { AskingCalibration } from './asking-calibration.ts'
import type { Calibration } from './calibration.ts'

const rememberedCount = 40 // newest last; few enough to be read and written in a millisecond or two

const memoryPath = (home: string): string => join(home, 'calibrations.json')

/** A damaged or missing memory is an empty one: the only loss is time. */
const readMemory = (home: string): Record<string, unknown> => {
  try {
    const parsed: unknown = JSON.parse(readFileSync(memoryPath(home), 'utf8'))
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
  const { measuredAt, whole, chosen, wholeSince, chosenSince } = value as Record<keyof Calibration, unknown>
  return (
    typeof measuredAt === 'string' &&
    [whole, chosen, wholeSince, chosenSince].every((runs) => areRuns(runs, ['tokens', 'processorSeconds']))
  )
}

const isAskingCalibration = (value: unknown): value is AskingCalibration => {
  if (typeof value !== 'object' || value === null) return false
  const { asked, askedSince } = value as Record<keyof AskingCalibration, unknown>
  return [asked, askedSince].every((runs) => areRuns(runs, ['keptTokens', 'firstTokenSeconds', 'nextTokenSeconds']))
}

export const recallCalibration = (home: string, key: string): Calibration | undefined => {
  const found = readMemory(home)[key]
  return isCalibration(found) ? found : undefined
}

export const recallAsking = (home: string, key: string): AskingCalibration | undefined => {
  const found = readMemory(home)[key]
  return isAskingCalibration(found) ? found : undefined
}

/** A home that takes no file costs the next estimate its time, so the failure is not one of this estimate. */
export const rememberCalibrations = (
  home: string,
  calibrations: Readonly<Record<string, Calibration | AskingCalibration>>,
): void => {
  const others = Object.entries(readMemory(home)).filter(([key]) => !(key in calibrations))
  const all = [...others, ...Object.entries(calibrations)].slice(-rememberedCount)
  const temporary = `${memoryPath(home)}.${process.pid}.${randomUUID()}`
  try {
    mkdirSync(home, { recursive: true })
    writeFileSync(temporary, `${JSON.stringify(Object.fromEntries(all), undefined, 1)}\n`)
    renameSync(temporary, memoryPath(home))
  } catch {
    remove(temporary)
  }
}

const remove = (path: string): void => {
  try {
    rmSync(path, { force: true })
  } catch {
    // A folder that takes no file and gives none back: nothing to do about it here.
  }
}
