/**
 * A disk that is full, before a command begins or while it runs: everything that the command writes to lies on a small
 * tmpfs. Mounting one takes root on Linux; without that nothing is tried, and the reason is told.
 */
import { execFileSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { againWrong, endWrong, filesWrong, newPlace, type Place, type Whole } from './commands.ts'

const mebibyte = 2 ** 20
const roomyBytes = 64 * mebibyte

const mounted = new Set<string>()

const mount = (): string => {
  const root = mkdtempSync(join(tmpdir(), 'compactor-full-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${roomyBytes}`, 'compactor-full', root], { stdio: 'pipe' })
  } catch (error) {
    rmSync(root, { recursive: true })
    throw error
  }
  mounted.add(root)
  return root
}

const unmount = (root: string): void => {
  execFileSync('umount', [root])
  mounted.delete(root)
  rmSync(root, { recursive: true })
}

process.on('exit', () => mounted.forEach(unmount)) // of a run that was stopped itself

/** undefined where a tmpfs can be mounted. */
export const whyNoTmpfs = (): string | undefined => {
  try {
    unmount(mount())
    return undefined
  } catch (error) {
    const { stderr, message } = error as { stderr?: Buffer; message: string }
    return (stderr?.toString() || message).trim()
  }
}

const filler = (root: string): string => join(root, 'filler')

/** Takes what is free but for so many bytes. */
const fill = (root: string, butBytes = 0): void => {
  const { bavail, bsize } = statfsSync(root)
  const file = openSync(filler(root), 'a')
  try {
    for (let left = bavail * bsize - butBytes; left > 0; left -= mebibyte)
      writeSync(file, Buffer.alloc(Math.min(mebibyte, left)))
  } catch (error) {
    if ((error as { code?: string }).code !== 'ENOSPC') throw error // the command took some of it in the meantime
  } finally {
    closeSync(file)
  }
}

export interface DiskRow {
  readonly through: number // exit code 0, with everything said and what did not fit left out
  readonly refused: number // exit code 1, in a sentence
  readonly wrong: readonly string[]
}

/** Shares of what an undisturbed run writes. */
const freeShares = [0, 0.01, 0.25, 0.5, 0.9, 0.999, 1.2]
/** Shares of the time that it takes. */
const fullAfter = [0.3, 0.6, 0.9]

/** It may do without what it only remembers; what it says must be right, and what it was asked to write must be there. */
const doneWrong = async (place: Place, whole: Whole, outcome: Awaited<ReturnType<Whole['run']>>): Promise<string[]> => {
  const wrong = await endWrong(place, whole, outcome)
  return wrong.filter((line) => !/^home.(contexts|fingerprints\.json).* is missing$/.test(line))
}

const fillDuring = async (place: Place, whole: Whole, afterMs: number) => {
  const timer = setTimeout(() => fill(place.root), afterMs)
  const outcome = await whole.run(place, { timeoutMs: 60_000 })
  clearTimeout(timer)
  return outcome
}

export const tryFullDisk = async (whole: Whole): Promise<DiskRow> => {
  const row = { through: 0, refused: 0, wrong: [] as string[] }
  const attempt = async (what: string, body: (place: Place) => ReturnType<Whole['run']>): Promise<void> => {
    const root = mount()
    const place = newPlace(root)
    const outcome = await body(place)
    const { exitCode, stderr } = outcome
    const isSaid = exitCode === 1 && /full|are free|no space/.test(stderr) && !/^\s+at /m.test(stderr)
    row[exitCode === 0 ? 'through' : 'refused']++
    const wrong = isSaid ? [] : await doneWrong(place, whole, outcome)
    wrong.push(...(await filesWrong(place, whole)))
    rmSync(filler(root), { force: true })
    wrong.push(...(await againWrong(place, whole)))
    row.wrong.push(...wrong.map((line) => `${whole.name}, ${what}: ${line}`))
    unmount(root)
  }
  for (const share of freeShares)
    await attempt(`${share * 100} % of what it needs is free`, (place) => {
      fill(place.root, Math.round(share * whole.writtenBytes))
      return whole.run(place, { timeoutMs: 60_000 })
    })
  for (const share of fullAfter)
    await attempt(`full after ${share * 100} % of its time`, (place) => fillDuring(place, whole, share * whole.spanMs))
  return row
}
