/**
 * A document from an address that the user gave: bounded in bytes, time and redirects. Nothing that a page names is
 * fetched with it. Not here: what the bytes are (format.ts), models (hub/).
 */
import { CompactorError } from '../error.ts'
import type { Served } from './read-bytes.ts'

const largestBytes = 50_000_000
const mostRedirects = 5
const timeoutMs = 60_000

interface FetchOptions {
  readonly name: string
  readonly signal?: AbortSignal | undefined
}

/** Throws CompactorError: 'download-failed', 'document-invalid' (too large, a kind that is not read), 'usage', 'aborted'. */
export const fetchDocument = async (
  address: string | URL,
  { name, signal }: FetchOptions,
): Promise<{ readonly bytes: Uint8Array; readonly served: Served }> => {
  const stop = new AbortController() // AbortSignal.any came with Node 20.3
  let isLate = false
  const abort = (): void => stop.abort()
  const timer = setTimeout(() => {
    isLate = true
    abort()
  }, timeoutMs)
  signal?.addEventListener('abort', abort, { once: true })
  try {
    const response = await follow(checkAddress(address), { name, signal: stop.signal })
    const served = servedAs(response.headers.get('content-type'))
    const kind = /^(image|video|audio|font)\//.exec(served.type)?.[1]
    if (kind !== undefined)
      throw new CompactorError('document-invalid', `${name} is ${served.type}; expected text, HTML, PDF, DOCX or EPUB`)
    return { bytes: await bodyOf(response, name), served }
  } catch (cause) {
    if (signal?.aborted || cause instanceof CompactorError) throw cause
    const reason = isLate ? `it took longer than ${timeoutMs / 1000} s; ${wayAround}` : reasonOf(cause)
    throw new CompactorError('download-failed', `${name} could not be fetched: ${reason}`, { cause })
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
}

const wayAround = 'try again, or download it first and give the file'

const checkAddress = (address: string | URL): URL => {
  if (!isUrl(address))
    throw new CompactorError(
      'usage',
      `${String(address)} is not a complete address; expected one as https://example.org/page`,
    )
  const url = new URL(address)
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    throw new CompactorError('usage', `${url.protocol}// addresses are not read; expected http or https, or a path`)
  if (url.username !== '' || url.password !== '')
    throw new CompactorError(
      'usage',
      `the address at ${url.host} holds a user name or password, and such are not fetched; download it first`,
    )
  return url
}

const isUrl = (address: string | URL, base?: URL): boolean => URL.canParse(String(address), base?.href)

const follow = async (start: URL, { name, signal }: { name: string; signal: AbortSignal }): Promise<Response> => {
  let url = start
  for (let redirects = 0; redirects <= mostRedirects; redirects++) {
    const accept = 'text/html, text/markdown, text/plain;q=0.9, application/pdf, application/epub+zip, */*;q=0.5'
    const response = await fetch(url, { redirect: 'manual', signal, headers: { accept, 'user-agent': 'compactor' } })
    if (response.ok) return response
    await response.body?.cancel()
    const location = response.headers.get('location')
    if (response.status < 300 || response.status >= 400 || location === null)
      throw new CompactorError(
        'download-failed',
        `${name} could not be fetched: the server answered ${`${response.status} ${response.statusText}`.trim()}; ${adviceFor(response.status)}`,
      )
    if (!isUrl(location, url))
      throw new CompactorError(
        'download-failed',
        `${name} leads to an address that is none; give the last address itself`,
      )
    const next = checkAddress(new URL(location, url))
    if (url.protocol === 'https:' && next.protocol === 'http:')
      throw new CompactorError(
        'download-failed',
        `${name} leads to an address without encryption (${next.host}); give that address itself if you trust it`,
      )
    url = next
  }
  throw new CompactorError(
    'download-failed',
    `${name} leads on more than ${mostRedirects} times; give the last address itself`,
  )
}

const adviceFor = (status: number): string => {
  if (status === 404 || status === 410) return 'check the address'
  if (status === 401 || status === 403) return 'download it with a browser and give the file'
  return wayAround
}

const bodyOf = async (response: Response, name: string): Promise<Uint8Array> => {
  const tooLarge = new CompactorError(
    'document-invalid',
    `${name} is larger than the ${largestBytes / 1e6} MB that are fetched; download it first and give the file`,
  )
  const refuse = async (): Promise<never> => {
    await response.body?.cancel()
    throw tooLarge
  }
  if (Number(response.headers.get('content-length') ?? 0) > largestBytes) return refuse()
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length
    if (bytes > largestBytes) throw tooLarge // leaving the loop cancels the rest
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

const servedAs = (contentType: string | null): Served => {
  const [type = '', ...parameters] = (contentType ?? 'application/octet-stream').split(';')
  const charset = parameters
    .map((text) => /^\s*charset\s*=\s*"?([\w-]+)/i.exec(text)?.[1])
    .find((found) => found !== undefined)
  return { type: type.trim().toLowerCase(), charset }
}

/** What fetch itself says is "fetch failed"; why is in its cause. */
const reasonOf = (cause: unknown): string => {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
  const { code, message } = inner as { code?: string; message?: string }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'its server is not known; check the address and the network'
  if (code === 'ECONNREFUSED') return 'its server refuses connections; check the address'
  return `${message || code || String(inner)}; ${wayAround}`
}
