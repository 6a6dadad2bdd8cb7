/**
 * Calibrations in the home, by everything that speed depends on. What cannot be read or written costs time, never a run.
 * Read and written at once and not in the background: a process that ends behind its first answer waits one millisecond
 * for it that way, and four or more the other.
 */
import { randomUUID } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { AskingCalibration, AskingRun } from './asking-calibration.ts'
import type { Calibration, ReadingRun } from './calibration.ts'

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

/** What each field of a remembered run must be; one that is forgotten here does not compile. */
type Fields<T> = { readonly [K in keyof T]-?: (value: unknown) => boolean }

const mostTokens = 2 ** 31
const mostSeconds = 1e7 // of processors, some four months: no run that anybody waited for

const isBoolean = (value: unknown): boolean => typeof value === 'boolean'
const isTokens = (value: unknown): boolean => typeof value === 'number' && value >= 1 && value <= mostTokens
const isSeconds = (value: unknown): boolean => typeof value === 'number' && value >= 0 && value <= mostSeconds

const readingFields: Fields<ReadingRun> = { tokens: isTokens, processorSeconds: isSeconds, isFirst: isBoolean }
const askingFields: Fields<AskingRun> = {
  keptTokens: isTokens, // a mean over heads, so not always whole
  isWhole: isBoolean,
  firstTokenSeconds: isSeconds,
  nextTokenSeconds: isSeconds,
}

type Known = Readonly<Record<string, unknown>>

const isKnown = (value: unknown): value is Known => typeof value === 'object' && value !== null

const areRuns = <T>(value: unknown, fields: Fields<T>): value is readonly T[] =>
  Array.isArray(value) &&
  value.every(
    (run: unknown) =>
      isKnown(run) &&
      Object.entries<(value: unknown) => boolean>(fields).every(([name, isRight]) => isRight(run[name])),
  )

/** Runs of the measurement itself: without one that took time, an estimate would be of nothing. */
const areMeasured = <T>(value: unknown, fields: Fields<T>, seconds: readonly (keyof T)[]): boolean =>
  areRuns(value, fields) && seconds.every((name) => value.some((run) => Number(run[name]) > 0))

/** As Date writes it: it is shown as it is. */
const isMoment = (value: unknown): boolean =>
  typeof value === 'string' && !Number.isNaN(Date.parse(value)) && new Date(value).toISOString() === value

const isCalibration = (value: unknown): value is Calibration => {
  if (!isKnown(value)) return false
  const { measuredAt, whole, chosen, wholeSince, chosenSince }: Partial<Record<keyof Calibration, unknown>> = value
  return (
    isMoment(measuredAt) &&
    [whole, chosen].every((runs) => areMeasured(runs, readingFields, ['processorSeconds'])) &&
    [wholeSince, chosenSince].every((runs) => areRuns(runs, readingFields))
  )
}

const isAskingCalibration = (value: unknown): value is AskingCalibration => {
  if (!isKnown(value)) return false
  const { asked, askedSince }: Partial<Record<keyof AskingCalibration, unknown>> = value
  return (
    areMeasured(asked, askingFields, ['firstTokenSeconds', 'nextTokenSeconds']) && areRuns(askedSince, askingFields)
  )
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
