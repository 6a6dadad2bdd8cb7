/**
 * Contexts that Compactor remembers by what they were made from, so that the same question about the same document never
 * reads it twice. An interface and its first form, a folder. Not here: how a context is written (cctx-write.ts).
 */
import { createHash } from 'node:crypto'
import type { Stats } from 'node:fs'
import { mkdir, readdir, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import type { Precision } from '../backends/ops.ts'
import { CompactorError, type ErrorCode } from '../error.ts'
import { fileReason } from '../file-reason.ts'
import { type ContextHeader, formatVersion, type OptionValue } from './cctx-header.ts'
import { readContextHeader } from './cctx-open.ts'
import type { SelectionOptions } from './selection.ts'
import { isTemporaryName } from './temporary-files.ts'

/** Everything that the bytes of a context depend on. */
export interface ContextKey {
  readonly documentSha256: string
  readonly modelFingerprint: string
  readonly system: string | null // text before the document; the rest of the template belongs to the model's file
  readonly method: string
  readonly options: Readonly<Record<string, OptionValue>>
  readonly keep: string
  readonly selection: SelectionOptions
  readonly precision: Precision
}

export type StoredContext = {
  readonly id: string
  readonly path: string
  readonly bytes: number
  readonly usedAt: Date
} & ({ readonly header: ContextHeader } | { readonly problem: CompactorError })

export interface Store {
  /** Where a context with this id lies or would lie. */
  pathOf(id: string): string
  /** Keeps what `write` puts at the path it is given, replacing what was there. → that path */
  put(id: string, write: (path: string) => Promise<unknown>): Promise<string>
  /** Path of a context if it is there, marked as used now. */
  open(id: string): Promise<string | undefined>
  /** The full id for the first 4 or more characters of one. Throws CompactorError('context-unknown') if none or several fit. */
  find(prefix: string): Promise<string>
  /** All contexts, last used first; damaged ones say what is wrong with them. */
  list(): Promise<StoredContext[]>
  /** Marks a context as used now. */
  touch(id: string): Promise<void>
  /** By id or the first 4 or more characters of it. → the id deleted */
  delete(prefix: string): Promise<string>
}

/** The id of what these things make; another format version makes another. */
export const keyOf = (key: ContextKey): string =>
  createHash('sha256')
    .update(canonical({ ...key, formatVersion }))
    .digest('hex')

/** A store that can only be read is still one: its contexts open, only when they were used is not written down. */
const ignoreReadOnly = (error: unknown): void => {
  if (!(error instanceof CompactorError) || error.code !== 'write-failed') throw error
}

export const folderStore = (folder: string): Store => {
  const pathOf = (id: string): string => {
    if (!/^[0-9a-f]{64}$/.test(id)) throw new RangeError(`expected a context id of 64 hex digits, got "${id}"`)
    return join(folder, `${id}${suffix}`)
  }
  const touch = async (id: string): Promise<void> => {
    const now = new Date()
    await utimes(pathOf(id), now, now).catch((cause: unknown) => {
      if (isMissing(cause)) throw unknownContext(id, 'no context has this id', cause)
      throw failed('write-failed', `${pathOf(id)} could not be marked as used`, cause)
    })
  }
  const find = async (prefix: string): Promise<string> => {
    if (!/^[0-9a-f]{4,64}$/.test(prefix)) throw unknownContext(prefix, 'an id is 4 to 64 of the digits 0-9 and a-f')
    const found = (await idsIn(folder)).filter((id) => id.startsWith(prefix))
    const [id] = found
    if (id === undefined) throw unknownContext(prefix, 'no context has an id that begins so')
    if (found.length > 1) throw unknownContext(prefix, `${found.length} ids begin so, give more digits`)
    return id
  }
  return {
    pathOf,
    touch,
    find,
    put: async (id, write) => {
      const path = pathOf(id)
      await mkdir(folder, { recursive: true }).catch((cause: unknown) => {
        throw failed('write-failed', `the folder ${folder} for contexts could not be made`, cause)
      })
      await removeAbandoned(folder)
      await write(path)
      return path
    },
    open: async (id) => {
      const path = pathOf(id)
      const found = await statOf(path)
      if (found) await touch(id).catch(ignoreReadOnly)
      return found && path
    },
    list: async () => {
      const contexts: StoredContext[] = []
      // One after another: each holds a file open.
      for (const id of await idsIn(folder)) {
        const context = await describe(id, pathOf(id))
        if (context) contexts.push(context)
      }
      return contexts.sort((a, b) => Number(b.usedAt) - Number(a.usedAt))
    },
    delete: async (prefix) => {
      const id = await find(prefix)
      await rm(pathOf(id), { force: true }).catch((cause: unknown) => {
        throw failed('write-failed', `${pathOf(id)} could not be removed`, cause)
      })
      return id
    },
  }
}

const suffix = '.cctx'
const abandonedAfterMs = 24 * 60 * 60 * 1000

const idsIn = async (folder: string): Promise<string[]> => {
  const names = await namesIn(folder)
  return names.filter((name) => /^[0-9a-f]{64}\.cctx$/.test(name)).map((name) => name.slice(0, -suffix.length))
}

/** Empty when there is no such folder yet. */
const namesIn = (folder: string): Promise<string[]> =>
  readdir(folder).catch((cause: unknown) => {
    if (isMissing(cause)) return []
    throw failed('file-unreadable', `the folder ${folder} for contexts cannot be read`, cause)
  })

/** Undefined when it is not there. */
const statOf = (path: string): Promise<Stats | undefined> =>
  stat(path).catch((cause: unknown) => {
    if (isMissing(cause)) return undefined
    throw failed('file-unreadable', `${path} cannot be read`, cause)
  })

/** Half-written files that a power cut or a kill left behind a day or more ago. */
const removeAbandoned = async (folder: string): Promise<void> => {
  const names = (await namesIn(folder)).filter(isTemporaryName)
  for (const path of names.map((name) => join(folder, name))) {
    const found = await statOf(path)
    if (!found || Date.now() - Number(found.mtime) <= abandonedAfterMs) continue
    await rm(path, { force: true }).catch((cause: unknown) => {
      throw failed('write-failed', `the half-written ${path} could not be removed`, cause)
    })
  }
}

/** Undefined if it was deleted in the meantime. */
const describe = async (id: string, path: string): Promise<StoredContext | undefined> => {
  const found = await statOf(path)
  if (!found) return undefined
  const place = { id, path, bytes: found.size, usedAt: found.mtime }
  return readContextHeader(path).then(
    ({ header }) => ({ ...place, header }),
    (problem: unknown) => {
      if (problem instanceof CompactorError) return { ...place, problem }
      throw problem
    },
  )
}

const isMissing = (cause: unknown): boolean => cause instanceof Error && 'code' in cause && cause.code === 'ENOENT'

const failed = (code: ErrorCode, what: string, cause: unknown): CompactorError =>
  new CompactorError(code, `${what}: ${fileReason(cause)}`, { cause })

const unknownContext = (id: string, reason: string, cause?: unknown): CompactorError =>
  new CompactorError(
    'context-unknown',
    `there is no context "${id}": ${reason}; \`compactor context list\` shows them`,
    { cause },
  )

/** JSON with the names of every object in order, so that equal keys give equal text. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, entry: unknown) =>
    typeof entry === 'object' && entry !== null && !Array.isArray(entry)
      ? Object.fromEntries(Object.entries(entry).sort(([a], [b]) => (a < b ? -1 : 1)))
      : entry,
  )
