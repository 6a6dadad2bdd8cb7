/**
 * Files of Hugging Face repositories: found through the hub's own client, opened range by range. Honours HF_ENDPOINT,
 * HF_TOKEN, HF_TOKEN_PATH, HF_HOME and HF_HUB_OFFLINE. Every wait is bounded: a request or a download that brings nothing
 * for a while is given up. Not here: who asks for which range, and when again.
 */
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { FileDownloadInfoOutput, ListFileEntry } from '@huggingface/hub'
import { CompactorError } from '../error.ts'
import { splitNumber, splitPath, withoutSplit } from '../split-name.ts'
import type { ByteRange } from './byte-ranges.ts'
import type { Environment } from './home.ts'
import { type LinkedAbort, linkedAbort } from './linked-abort.ts'
import { hasQuant } from './model-spec.ts'
import type { OpenedRange, RangeSource } from './ranged-download.ts'
import { type FailedRequest, type Patience, retryAfterMs, waitForRetry } from './retry.ts'

export interface HubOptions extends Patience {
  readonly env: Environment
  readonly stallTimeoutMs: number
  readonly offline: Offline | undefined
}

/** Nothing may be asked of the network. */
export interface Offline {
  readonly reason: string
  readonly remedy: string
}

export interface HubRequest {
  readonly repo: string
  readonly file?: string
  readonly quant?: string
}

export interface HubFile {
  readonly repo: string
  readonly path: string
  readonly bytes: number
  readonly sha256: string | undefined
}

const defaultEndpoint = 'https://huggingface.co'

const endpoint = (env: Environment): string => {
  const url = (env.HF_ENDPOINT || defaultEndpoint).replace(/\/+$/, '')
  if (!URL.canParse(url) || !['http:', 'https:'].includes(new URL(url).protocol))
    throw new CompactorError('usage', `HF_ENDPOINT must be an http or https URL, got ${JSON.stringify(url)}`)
  return url
}

/** Whether HF_HUB_OFFLINE is set, read as the hub's own tools read it. */
export const isOffline = ({ HF_HUB_OFFLINE = '' }: Environment): boolean => /^(1|true|yes|on)$/i.test(HF_HUB_OFFLINE)

/** HF_TOKEN, else the file that `hf auth login` writes. */
const accessToken = async (env: Environment): Promise<string | undefined> => {
  const cache = env.HF_HOME || join(env.XDG_CACHE_HOME || join(env.HOME || homedir(), '.cache'), 'huggingface')
  const path = env.HF_TOKEN_PATH || join(cache, 'token')
  const token = (env.HF_TOKEN ?? (await readFile(path, 'utf8').catch(() => ''))).trim() // no such file: no token
  if (token !== '' && !token.startsWith('hf_'))
    throw new CompactorError(
      'usage',
      `a Hugging Face token begins with hf_; the one in ${env.HF_TOKEN ? 'HF_TOKEN' : path} does not; copy it again from the hub's settings`,
    )
  return token || undefined
}

/** A signal that fires when the caller's does or when `touch` was not called for too long. */
class StallWatch {
  readonly signal: AbortSignal
  readonly #abort: LinkedAbort
  readonly #timeoutMs: number
  #timer: NodeJS.Timeout | undefined

  constructor(timeoutMs: number, signal: AbortSignal | undefined) {
    this.#timeoutMs = timeoutMs
    this.#abort = linkedAbort(signal)
    this.signal = this.#abort.signal
    this.touch()
  }

  touch(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(
      () => this.#abort.abort(new Error(`nothing arrived for ${this.#timeoutMs / 1000} s`)),
      this.#timeoutMs,
    )
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#abort.release()
  }

  readonly fetch: typeof fetch = async (input, init) => {
    this.touch()
    const response = await fetch(input, { ...init, signal: this.signal })
    this.touch()
    return response
  }

  /** What went wrong, in words: a fired signal says more than the failure it caused. */
  reason(error: unknown): string {
    const cause: unknown = this.signal.aborted ? this.signal.reason : error
    if (typeof cause === 'string') return cause
    const {
      statusCode,
      message,
      cause: inner,
    } = cause as { statusCode?: number; message?: string; cause?: { code?: string; message?: string } }
    if (statusCode !== undefined) return `status ${statusCode}`
    return inner?.code ?? inner?.message ?? message ?? String(cause)
  }
}

const failure = (request: HubRequest, watch: StallWatch, options: HubOptions, cause: unknown): CompactorError => {
  const { statusCode } = cause as { statusCode?: number }
  const refused = statusCode === 401 || statusCode === 403
  const sentence = refused
    ? `Hugging Face has no repository ${request.repo} or does not show it to you (status ${statusCode}); if it is private or gated, set HF_TOKEN`
    : statusCode === 404
      ? `Hugging Face has no repository ${request.repo} or not this file in it (status 404)`
      : statusCode !== undefined
        ? `Hugging Face answered ${watch.reason(cause)} for ${request.repo}`
        : `${endpoint(options.env)} could not be reached or broke off (${watch.reason(cause)})`
  return new CompactorError('download-failed', sentence, { cause })
}

/** Which files are meant, the first first, and what the hub promises of each. Most models are one file. */
export const findHubFiles = async (request: HubRequest, options: HubOptions): Promise<HubFile[]> => {
  const entries = await listGguf(request, options)
  return chooseFiles(request, entries).map((entry) => ({
    ...{ repo: request.repo, path: entry.path },
    ...{ bytes: entry.lfs?.size ?? entry.size, sha256: entry.lfs?.oid },
  }))
}

const listGguf = async (request: HubRequest, options: HubOptions): Promise<ListFileEntry[]> => {
  if (options.offline !== undefined)
    throw new CompactorError(
      'download-failed',
      `${options.offline.reason}, so Hugging Face is not asked for ${request.repo}; ${options.offline.remedy}, or give the path of a .gguf file that is here`,
    )
  return askPatiently(() => listOnce(request, options), options)
}

/** What a connection ends with that was there: servers close those that were quiet for a while, maybe just as one is used again. */
const brokenOff = ['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET']

const mayAnswerLater = (cause: unknown): boolean => {
  const { statusCode = 0 } = (cause ?? {}) as FailedRequest
  const { code = '' } = ((cause as { cause?: unknown } | undefined)?.cause ?? {}) as { code?: string }
  return statusCode === 429 || statusCode >= 500 || brokenOff.includes(code)
}

/** A hub that is busy or breaks off is asked again; one that cannot be reached is not worth the wait. */
const askPatiently = async <T>(ask: () => Promise<T>, options: HubOptions): Promise<T> => {
  for (let attempt = 1; ; attempt++)
    try {
      return await ask()
    } catch (error) {
      if (!(error instanceof CompactorError) || !mayAnswerLater(error.cause)) throw error
      await waitForRetry(error, attempt, options)
    }
}

const listOnce = async (request: HubRequest, options: HubOptions): Promise<ListFileEntry[]> => {
  const hubUrl = endpoint(options.env)
  const token = await accessToken(options.env)
  const { listFiles } = await import('@huggingface/hub')
  const watch = new StallWatch(options.stallTimeoutMs, options.signal)
  try {
    const credentials = token === undefined ? {} : { accessToken: token }
    const found: ListFileEntry[] = []
    for await (const entry of listFiles({
      repo: request.repo,
      recursive: true,
      hubUrl,
      fetch: watch.fetch,
      ...credentials,
    }))
      if (entry.type === 'file' && /\.gguf$/i.test(entry.path)) found.push(entry)
    return found
  } catch (cause) {
    throw failure(request, watch, options, cause)
  } finally {
    watch.stop()
  }
}

/** All files of the one model that is meant; a model in several is named by any of them. */
export const chooseFiles = (request: HubRequest, entries: readonly ListFileEntry[]): ListFileEntry[] => {
  const { repo, file, quant } = request
  const models = entries.filter(({ path }) => !/mmproj/i.test(path)) // vision projectors are no language models
  const matching = models.filter(({ path }) =>
    file !== undefined ? path === file : quant === undefined || hasQuant(path.split('/').at(-1) ?? '', quant),
  )
  const list = (some: readonly ListFileEntry[]): string => some.map(({ path }) => path).join(', ')
  const nameOf = ({ path }: ListFileEntry): string => withoutSplit(path)
  const wanted = file ?? (quant === undefined ? 'a .gguf file' : `a .gguf file of ${quant}`)
  const [only] = matching
  if (only === undefined)
    throw new CompactorError(
      'model-unknown',
      models.length === 0
        ? `${repo} holds no .gguf file; name a repository that does, their names often end in -GGUF`
        : `${repo} does not hold ${wanted}; it has ${list(models)}`,
    )
  if (matching.some((entry) => nameOf(entry) !== nameOf(only)))
    throw new CompactorError(
      'model-unknown',
      `${repo} holds several files for ${wanted}: ${list(matching)}; name one as hf:${repo}/FILE.`,
    )
  return filesOf(repo, only, models)
}

const filesOf = (repo: string, named: ListFileEntry, entries: readonly ListFileEntry[]): ListFileEntry[] => {
  const { count = 1 } = splitNumber(named.path) ?? {}
  if (count < 2) return [named]
  return Array.from({ length: count }, (_, index) => {
    const path = splitPath(named.path, index + 1)
    const entry = entries.find((other) => other.path === path)
    if (entry) return entry
    throw new CompactorError(
      'model-unsupported',
      `${named.path} in ${repo} is one of ${count} files of a model, but the repository does not hold ${path}; choose another model`,
    )
  })
}

/** What stands for the file's version where the hub promises no checksum; undefined for one that says nothing. */
const strongEtag = ({ etag }: FileDownloadInfoOutput): string | undefined => (etag.startsWith('W/') ? undefined : etag)

export interface HubSource extends RangeSource {
  readonly etag: string | undefined
}

/** Throws CompactorError('download-failed') when the file is not there or the hub cannot be reached. */
export const openHubFile = async (file: HubFile, options: HubOptions): Promise<HubSource> => {
  let info: FileDownloadInfoOutput | undefined = await askPatiently(() => locateFile(file, options), options)
  const etag = strongEtag(info)
  return {
    name: 'Hugging Face',
    etag,
    open: async (range, signal) => {
      info ??= await locateFile(file, options)
      const condition = file.sha256 === undefined && etag !== undefined ? { 'If-Range': etag } : {}
      const headers = range ? { Range: `bytes=${range[0]}-${range[1] - 1}`, ...condition } : {}
      try {
        return await openUrl(file, { url: info.url, headers, range }, { ...options, signal })
      } catch (error) {
        info = undefined // an address may have been good for an hour only
        throw error
      }
    },
  }
}

const locateFile = async (file: HubFile, options: HubOptions): Promise<FileDownloadInfoOutput> => {
  const { fileDownloadInfo } = await import('@huggingface/hub')
  const token = await accessToken(options.env)
  const watch = new StallWatch(options.stallTimeoutMs, options.signal)
  try {
    const credentials = token === undefined ? {} : { accessToken: token }
    const place = { repo: file.repo, path: file.path, hubUrl: endpoint(options.env), fetch: watch.fetch }
    const info = await fileDownloadInfo({ ...place, ...credentials })
    if (info === null)
      throw new CompactorError('download-failed', `${file.repo} does not hold ${file.path} any more; name another file`)
    return info
  } catch (cause) {
    if (cause instanceof CompactorError) throw cause
    throw failure(file, watch, options, cause)
  } finally {
    watch.stop()
  }
}

interface Asked {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly range: ByteRange | undefined
}

const openUrl = async (file: HubFile, { url, headers, range }: Asked, options: HubOptions): Promise<OpenedRange> => {
  const token = await accessToken(options.env)
  const watch = new StallWatch(options.stallTimeoutMs, options.signal)
  try {
    const credentials = token === undefined ? {} : { Authorization: `Bearer ${token}` }
    // Compressed on its way the file would have other ranges.
    const response = await watch.fetch(url, { headers: { ...headers, ...credentials, 'Accept-Encoding': 'identity' } })
    if (!response.ok || response.body === null) {
      await response.body?.cancel()
      const after = retryAfterMs(response.headers.get('retry-after'))
      const refusal: FailedRequest = {
        statusCode: response.status,
        ...(after !== undefined && { retryAfterMs: after }),
      }
      throw failure(file, watch, options, refusal)
    }
    const isRange = response.status === 206
    if (isRange && range) checkRange(file, range, response.headers.get('content-range'))
    const body = response.body as ReadableStream<Uint8Array>
    return {
      isRange,
      body: watched(body, (cause) => failure(file, watch, options, cause), watch),
      cancel: () => cancel(response, watch),
    }
  } catch (cause) {
    watch.stop()
    if (cause instanceof CompactorError) throw cause
    throw failure(file, watch, options, cause)
  }
}

const cancel = async (response: Response, watch: StallWatch): Promise<void> => {
  watch.stop()
  await response.body?.cancel().catch(() => undefined) // broken already
}

/** The stream is cancelled by hand: once its headers are there, fetch may have forgotten the signal. */
async function* watched(
  body: ReadableStream<Uint8Array>,
  failed: (cause: unknown) => CompactorError,
  watch: StallWatch,
): AsyncGenerator<Uint8Array> {
  const reader = body.getReader()
  const cancel = (): void => void reader.cancel().catch(() => undefined) // broken already
  watch.signal.addEventListener('abort', cancel, { once: true })
  try {
    watch.signal.throwIfAborted()
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      watch.touch()
      yield next.value
    }
    watch.signal.throwIfAborted()
  } catch (cause) {
    throw failed(cause)
  } finally {
    watch.stop()
    watch.signal.removeEventListener('abort', cancel)
    cancel()
  }
}

/** A server may send less than was asked for, but never something else. */
const checkRange = (file: HubFile, [start]: ByteRange, header: string | null): void => {
  const [, first, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(header ?? '') ?? []
  if (Number(first) !== start)
    throw new CompactorError(
      'checksum-mismatch',
      `Hugging Face was asked for ${file.path} from byte ${start} and answered ${JSON.stringify(header ?? '')}; try \`--connections 1\``,
    )
  if (total !== '*' && Number(total) !== file.bytes)
    throw new CompactorError(
      'checksum-mismatch',
      `${file.path} has changed on Hugging Face: it holds ${total} bytes where ${file.bytes} were promised; pull it again`,
    )
}
