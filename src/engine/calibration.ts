/**
 * How fast a model is on this machine, from short runs: reading costs so much for each token and so much more for each
 * token that it looks back at. The second cannot be seen at a few hundred tokens, so the longer run has up to 2,048.
 * Remembered in the home by everything the speed depends on. Not here: what is made of it (estimate.ts).
 */
import { randomUUID } from 'node:crypto'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Seconds for n tokens: perToken · n + perPair · n². */
export interface ReadingCurve {
  readonly perToken: number
  readonly perPair: number
}

/** Seconds with n tokens kept: fixed + perKept · n. */
export interface AskingLine {
  readonly fixed: number
  readonly perKept: number
}

export interface Calibration {
  /** What the first document costs more than the next: weights that are touched for the first time. */
  readonly start: number
  /** With everything kept, and with the method choosing. */
  readonly prefill: ReadingCurve
  readonly compress: ReadingCurve
  /** Until the first token of an answer to a short question; for each token behind it. */
  readonly firstToken: AskingLine
  readonly nextToken: AskingLine
  readonly measuredAt: string // ISO 8601
}

export interface TimedRun {
  readonly tokens: number
  readonly keptTokens: number
  readonly seconds: number
  readonly firstTokenSeconds: number
  readonly nextTokenSeconds: number
}

/** Reads a document of about so many tokens and asks it a short question. */
export type RunTimed = (tokens: number, choosing: boolean) => Promise<TimedRun>

const nearTokens = 384
const farTokens = 2048
const leastFarTokens = 768
/** A run that takes longer than this is not done to know better. */
const farSeconds = 10

/** @param mostTokens that the model can read */
export const calibrate = async (run: RunTimed, mostTokens: number): Promise<Calibration> => {
  const first = await run(Math.min(nearTokens, mostTokens), true)
  const near = faster(await run(first.tokens, true), await run(first.tokens, true))
  const affordable = Math.round((farSeconds / near.seconds) * near.tokens)
  const far = Math.min(mostTokens, Math.max(leastFarTokens, Math.min(farTokens, affordable)))
  const farChosen = faster(await run(far, true), await run(far, true))
  const nearWhole = faster(await run(first.tokens, false), await run(first.tokens, false))
  const farWhole = await run(far, false)
  const prefill = readingCurve(nearWhole, farWhole)
  return {
    start: Math.max(0, first.seconds - near.seconds),
    prefill,
    compress: readingCurve(near, farChosen),
    firstToken: askingLine(farChosen, farWhole, 'firstTokenSeconds'),
    nextToken: askingLine(farChosen, farWhole, 'nextTokenSeconds'),
    measuredAt: new Date().toISOString(),
  }
}

const faster = (a: TimedRun, b: TimedRun): TimedRun => (a.seconds <= b.seconds ? a : b)

/** Through both points; a noise that would make looking back cost less than nothing is taken for none. */
export const readingCurve = (near: Pick<TimedRun, 'tokens' | 'seconds'>, far: typeof near): ReadingCurve => {
  const rate = ({ tokens, seconds }: typeof near): number => seconds / tokens
  const perPair = far.tokens > near.tokens ? Math.max(0, (rate(far) - rate(near)) / (far.tokens - near.tokens)) : 0
  return { perToken: Math.max(0, rate(far) - perPair * far.tokens), perPair }
}

const askingLine = (few: TimedRun, many: TimedRun, what: 'firstTokenSeconds' | 'nextTokenSeconds'): AskingLine => {
  const steps = many.keptTokens - few.keptTokens
  const perKept = steps > 0 ? Math.max(0, (many[what] - few[what]) / steps) : 0
  return { fixed: Math.max(0, few[what] - perKept * few.keptTokens), perKept }
}

export const secondsFor = ({ perToken, perPair }: ReadingCurve, tokens: number): number =>
  perToken * tokens + perPair * tokens * tokens

export const secondsWith = ({ fixed, perKept }: AskingLine, keptTokens: number): number => fixed + perKept * keptTokens

// -- memory -------------------------------------------------------------------------------------------------------

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

const areNumbers = (value: unknown, names: readonly string[]): boolean =>
  typeof value === 'object' &&
  value !== null &&
  names.every((name) => Number.isFinite((value as Record<string, unknown>)[name]))

const isCalibration = (value: unknown): value is Calibration => {
  if (!areNumbers(value, ['start'])) return false
  const { prefill, compress, firstToken, nextToken, measuredAt } = value as Record<keyof Calibration, unknown>
  return (
    [prefill, compress].every((curve) => areNumbers(curve, ['perToken', 'perPair'])) &&
    [firstToken, nextToken].every((line) => areNumbers(line, ['fixed', 'perKept'])) &&
    typeof measuredAt === 'string'
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
