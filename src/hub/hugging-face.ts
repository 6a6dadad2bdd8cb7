/**
 * Files of Hugging Face repositories through the hub's own client. Honours HF_ENDPOINT, HF_TOKEN, HF_TOKEN_PATH, HF_HOME
 * and HF_HUB_OFFLINE. Every wait is bounded: a request or a download that brings nothing for a while is given up.
 */
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { ListFileEntry } from '@huggingface/hub'
import { CompactorError } from '../error.ts'
import type { Environment } from './home.ts'
import { hasQuant } from './model-spec.ts'

export interface HubOptions {
  readonly env: Environment
  readonly signal: AbortSignal | undefined
  readonly stallTimeoutMs: number
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

/** HF_HUB_OFFLINE, read as the hub's own tools read it. */
export const isOffline = ({ HF_HUB_OFFLINE = '' }: Environment): boolean => /^(1|true|yes|on)$/i.test(HF_HUB_OFFLINE)

/** HF_TOKEN, else the file that `hf auth login` writes. */
const accessToken = async (env: Environment): Promise<string | undefined> => {
  const cache = env.HF_HOME || join(env.XDG_CACHE_HOME || join(env.HOME || homedir(), '.cache'), 'huggingface')
  const path = env.HF_TOKEN_PATH || join(cache, 'token')
  const token = (env.HF_TOKEN ?? (await readFile(path, 'utf8').catch(() => ''))).trim() // no such file: no token
  if (token !== '' && !token.startsWith('hf_'))
    throw new CompactorError(
      'usage',
      `a Hugging Face token begins with hf_; the one in ${env.HF_TOKEN ? 'HF_TOKEN' : path} does not`,
    )
  return token || undefined
}

/** A signal that fires when the caller's does or when `touch` was not called for too long. */
class StallWatch {
  readonly signal: AbortSignal
  readonly #stall = new AbortController()
  readonly #timeoutMs: number
  readonly #release: () => void
  #timer: NodeJS.Timeout | undefined

  constructor(timeoutMs: number, signal: AbortSignal | undefined) {
    this.#timeoutMs = timeoutMs
    this.signal = this.#stall.signal
    // By hand, because AbortSignal.any came with Node 20.3.
    const forward = (): void => this.#stall.abort(signal?.reason)
    if (signal?.aborted) forward()
    signal?.addEventListener('abort', forward, { once: true })
    this.#release = () => signal?.removeEventListener('abort', forward)
    this.touch()
  }

  touch(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(
      () => this.#stall.abort(new Error(`nothing arrived for ${this.#timeoutMs / 1000} s`)),
      this.#timeoutMs,
    )
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#release()
  }

  readonly fetch: typeof fetch = async (input, init) => {
    this.touch()
    const response = await fetch(input, { ...init, signal: this.signal })
    this.touch()
    return response
  }

  /** What went wrong, in words: a fired signal says more than the failure it caused. */
  reason(error: unknown): string {
    const cause: unknown = this.#stall.signal.aborted ? this.#stall.signal.reason : error
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

/** Which file is meant and what the hub promises of it. */
export const findHubFile = async (request: HubRequest, options: HubOptions): Promise<HubFile> => {
  const entries = await listGguf(request, options)
  const entry = chooseFile(request, entries)
  return { repo: request.repo, path: entry.path, bytes: entry.lfs?.size ?? entry.size, sha256: entry.lfs?.oid }
}

const listGguf = async (request: HubRequest, options: HubOptions): Promise<ListFileEntry[]> => {
  if (isOffline(options.env))
    throw new CompactorError(
      'download-failed',
      `HF_HUB_OFFLINE is set, so Hugging Face is not asked for ${request.repo}; unset it or give the path of a .gguf file that is here`,
    )
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

const splitName = /-\d{5}-of-\d{5}\.gguf$/i

export const chooseFile = (request: HubRequest, entries: readonly ListFileEntry[]): ListFileEntry => {
  const { repo, file, quant } = request
  const models = entries.filter(({ path }) => !/mmproj/i.test(path)) // vision projectors are no language models
  const matching = models.filter(({ path }) =>
    file !== undefined ? path === file : quant === undefined || hasQuant(path.split('/').at(-1) ?? '', quant),
  )
  const list = (some: readonly ListFileEntry[]): string => some.map(({ path }) => path).join(', ')
  const wanted = file ?? (quant === undefined ? 'a .gguf file' : `a .gguf file of ${quant}`)
  const [only, ...others] = matching
  if (only === undefined)
    throw new CompactorError(
      'model-unknown',
      models.length === 0 ? `${repo} holds no .gguf file` : `${repo} does not hold ${wanted}; it has ${list(models)}`,
    )
  const split = matching.find(({ path }) => splitName.test(path))
  if (split)
    throw new CompactorError(
      'model-unsupported',
      `${split.path} in ${repo} is one part of a split model, which is not supported; choose a model in one file`,
    )
  if (others.length > 0)
    throw new CompactorError(
      'model-unknown',
      `${repo} holds several files for ${wanted}: ${list(matching)}; name one as hf:${repo}/FILE.`,
    )
  return only
}

/** The file's bytes as they arrive. */
export async function* streamHubFile(file: HubFile, options: HubOptions): AsyncGenerator<Uint8Array> {
  const hubUrl = endpoint(options.env)
  const token = await accessToken(options.env)
  const { downloadFile } = await import('@huggingface/hub')
  const watch = new StallWatch(options.stallTimeoutMs, options.signal)
  try {
    const credentials = token === undefined ? {} : { accessToken: token }
    // xet would buffer up to 256 MB; the plain download is one stream of bounded memory
    const blob = await downloadFile({
      repo: file.repo,
      path: file.path,
      hubUrl,
      fetch: watch.fetch,
      xet: false,
      ...credentials,
    })
    if (blob === null) throw new CompactorError('download-failed', `${file.repo} does not hold ${file.path}`)
    for await (const chunk of blob.stream() as unknown as AsyncIterable<Uint8Array>) {
      watch.touch()
      yield chunk
    }
  } catch (cause) {
    if (cause instanceof CompactorError) throw cause
    throw failure(file, watch, options, cause)
  } finally {
    watch.stop()
  }
}
