/**
 * The folder of a run: run.json says what is measured, contexts.jsonl grows by one line for each finished context. A run
 * that is stopped goes on where it was; one that would mix two measurements is refused.
 */
import { appendFile, mkdir, open, readdir, readFile, rename, truncate } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { CompactorError } from '../error.ts'
import { fileReason } from '../file-reason.ts'
import type { ContextResult, RunSettings } from './result.ts'

export interface Run {
  readonly settings: RunSettings
  readonly contexts: readonly ContextResult[]
}

const settingsName = 'run.json'
const contextsName = 'contexts.jsonl'
const temporaryOf = (path: string): string => `${path}.tmp`

/** What determines the numbers. Another machine or commit may go on with a run, and the report says the first. */
const identityOf = ({ machine: _, commit: __, ...rest }: RunSettings): string => JSON.stringify(rest)

/** Creates the folder, or opens it where the same run was begun. Throws CompactorError 'usage', 'file-unreadable', 'write-failed'. */
export const openRunFolder = async (folder: string, settings: RunSettings): Promise<Run> => {
  await mkdir(folder, { recursive: true }).catch((cause: unknown) => {
    throw new CompactorError('write-failed', `cannot make the folder ${folder}: ${fileReason(cause)}`, { cause })
  })
  const begun = await readSettings(folder)
  if (!begun) {
    await checkEmpty(folder)
    await writeWhole(join(folder, settingsName), `${JSON.stringify(settings, undefined, 2)}\n`)
    return { settings, contexts: [] }
  }
  if (identityOf(begun) !== identityOf(settings))
    throw new CompactorError(
      'usage',
      `${folder} holds another run (${differenceOf(begun, settings)}); give another folder, or the settings that it was begun with`,
    )
  return { settings: begun, contexts: await readContexts(folder, { repair: true }) }
}

/** Nothing of somebody else's is written among. What is left of a run that was stopped before it began may stay. */
const checkEmpty = async (folder: string): Promise<void> => {
  const [other] = (await readdir(folder)).filter((name) => name !== temporaryOf(settingsName))
  if (other !== undefined)
    throw new CompactorError(
      'usage',
      `${folder} is not empty and not the folder of a run (it holds ${other}); give a new folder or an empty one`,
    )
}

/** A finished or unfinished run. Throws CompactorError 'usage' or 'file-unreadable'. */
export const readRun = async (folder: string): Promise<Run> => {
  const settings = await readSettings(folder)
  if (!settings)
    throw new CompactorError(
      'usage',
      `${folder} is not the folder of a run: expected ${settingsName} in it; give a folder that \`compactor eval\` wrote`,
    )
  return { settings, contexts: await readContexts(folder, { repair: false }) }
}

export const appendContext = async (folder: string, result: ContextResult): Promise<void> => {
  const path = join(folder, contextsName)
  try {
    const file = await open(path, 'a')
    try {
      await appendFile(file, `${JSON.stringify(result)}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
  } catch (cause) {
    throw new CompactorError('write-failed', `cannot write ${path}: ${fileReason(cause)}`, { cause })
  }
}

const readSettings = async (folder: string): Promise<RunSettings | undefined> => {
  const path = join(folder, settingsName)
  const text = await readText(path)
  if (text === undefined) return undefined
  try {
    const settings = JSON.parse(text) as RunSettings
    if (settings.version !== 1) throw new RangeError(`expected version 1, got ${String(settings.version)}`)
    return settings
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new CompactorError('usage', `${path} cannot be read (${reason}); remove the folder or give another`, {
      cause,
    })
  }
}

/** A line that was cut short by a stop is the last one; `repair` takes it away, so that the next begins on its own. */
const readContexts = async (folder: string, { repair }: { readonly repair: boolean }): Promise<ContextResult[]> => {
  const path = join(folder, contextsName)
  const text = (await readText(path)) ?? ''
  const whole = text.lastIndexOf('\n') + 1
  if (repair && whole < text.length) await truncate(path, Buffer.byteLength(text.slice(0, whole)))
  return text
    .slice(0, whole)
    .split('\n')
    .filter((line) => line !== '')
    .map((line, index) => {
      try {
        return JSON.parse(line) as ContextResult
      } catch (cause) {
        const what = `${basename(path)} of ${folder}, line ${index + 1}, is not JSON`
        throw new CompactorError('usage', `${what}; remove the folder and run again`, { cause })
      }
    })
}

const readText = async (path: string): Promise<string | undefined> => {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new CompactorError('file-unreadable', `cannot read ${path}: ${fileReason(cause)}`, { cause })
  }
}

const writeWhole = async (path: string, text: string): Promise<void> => {
  const temporary = temporaryOf(path)
  try {
    const file = await open(temporary, 'w')
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (cause) {
    throw new CompactorError('write-failed', `cannot write ${path}: ${fileReason(cause)}`, { cause })
  }
}

/** The first setting that differs, by name. */
const differenceOf = (begun: RunSettings, settings: RunSettings): string => {
  const keys = Object.keys(settings) as (keyof RunSettings)[]
  const different = keys.filter((key) => key !== 'machine' && key !== 'commit')
  const key = different.find((name) => JSON.stringify(begun[name]) !== JSON.stringify(settings[name])) ?? 'version'
  return key === 'data' ? 'another subset of contexts' : `another ${key}`
}
