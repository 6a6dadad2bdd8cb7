/**
 * Whatever people have (a file, a folder, an address, a pipe) as one document. Not here: how each format is read, and
 * anything that needs a model.
 */
import { createReadStream } from 'node:fs'
import { open, readFile, stat } from 'node:fs/promises'
import { CompactorError } from '../error.ts'
import { fileReason } from '../file-reason.ts'
import { bytesText } from '../number-text.ts'
import type { Document } from './document.ts'
import { checkEncoding } from './encoding.ts'
import { type ChoiceOptions, checkChoice, isChosen } from './file-choice.ts'
import { formatOfBytes } from './format.ts'
import { readBytes } from './read-bytes.ts'

/** Far above what any trained context holds; a document beyond it was named by mistake. */
const largestBytes = 256 * 2 ** 20

export interface ReadOptions extends ChoiceOptions {
  readonly signal?: AbortSignal | undefined
  /** What errors, lists and places call the document. Default: its path or address, or 'the document'. */
  readonly name?: string | undefined
  /** Of text that does not say it, as a label of the WHATWG Encoding Standard. Default: found out, and said if guessed. */
  readonly encoding?: string | undefined
}

const known = ['signal', 'name', 'encoding', 'include', 'exclude']

/**
 * Text, Markdown, HTML, PDF, DOCX or EPUB from a path, an address (http or https), a URL or a stream of bytes; a folder
 * as one document, of which `include` and `exclude` choose files. What it is is found out from the bytes. Up to 256 MiB
 * (50 MB from an address).
 * Throws TypeError for an unknown option; CompactorError: 'file-unreadable' (missing, no permission), 'document-invalid'
 * (empty, binary, damaged, protected, scanned, too large), 'download-failed', 'usage' (unknown
 * encoding, patterns that choose nothing or of what is no folder), 'aborted'.
 */
export const readDocument = async (
  source: string | URL | AsyncIterable<Uint8Array>,
  options: ReadOptions = {},
): Promise<Document> => {
  const unknown = Object.keys(options).find((name) => !known.includes(name))
  if (unknown !== undefined) throw new TypeError(`readDocument has no option "${unknown}"; it has ${known.join(', ')}`)
  const name = options.name ?? nameOf(source)
  const { signal } = options
  checkChoice(options)
  try {
    signal?.throwIfAborted()
    if (options.encoding !== undefined) checkEncoding(options.encoding)
    const document = await read(source, { ...options, name })
    signal?.throwIfAborted()
    return document
  } catch (cause) {
    if (signal?.aborted) throw new CompactorError('aborted', `reading ${name} was interrupted`, { cause })
    if (cause instanceof CompactorError) throw cause
    throw new CompactorError('file-unreadable', `${name} cannot be read: ${fileReason(cause)}`, { cause })
  }
}

const isAddress = (source: string | URL | AsyncIterable<Uint8Array>): source is string | URL =>
  source instanceof URL ? source.protocol !== 'file:' : typeof source === 'string' && /^https?:\/\//i.test(source)

const nameOf = (source: string | URL | AsyncIterable<Uint8Array>): string => {
  if (isAddress(source)) return nameOfAddress(source)
  return typeof source === 'string' ? source : source instanceof URL ? source.pathname : 'the document'
}

/** An address without what may be secret in it: user, password, query, fragment. */
export const nameOfAddress = (address: string | URL): string => {
  const { protocol, host, pathname } = URL.canParse(String(address))
    ? new URL(address)
    : { protocol: '', host: '', pathname: '' }
  return host === '' ? String(address).replace(/[?#].*$/s, '') : `${protocol}//${host}${pathname}`
}

type Named = ReadOptions & { readonly name: string }

const isPath = (source: string | URL | AsyncIterable<Uint8Array>): source is string | URL =>
  (typeof source === 'string' || source instanceof URL) && !isAddress(source)

const read = async (source: string | URL | AsyncIterable<Uint8Array>, options: Named): Promise<Document> => {
  const { name, encoding, signal } = options
  if (isPath(source)) {
    const stats = await stat(source)
    if (stats.isDirectory()) return (await import('./folder.ts')).readFolder(source, options)
    refuseChoice(options)
    const bytes = await readPath(source, { stats, name, signal })
    return named(await readBytes({ bytes, name, encoding, signal }), name)
  }
  refuseChoice(options)
  if (source instanceof URL || typeof source === 'string') {
    const { fetchDocument } = await import('./address.ts')
    const { bytes, served } = await fetchDocument(source, { name, signal })
    return named(await readBytes({ bytes, name, encoding, signal }, served), name)
  }
  return named(await readBytes({ bytes: await readStream(source, name), name, encoding, signal }), name)
}

const refuseChoice = (options: Named): void => {
  if (isChosen(options))
    throw new CompactorError(
      'usage',
      `${options.name} is no folder, and \`include\` and \`exclude\` choose files of one; leave them out`,
    )
}

const named = (reading: Omit<Document, 'name' | 'skipped'>, name: string): Document => ({
  ...reading,
  name,
  skipped: [],
})

interface PathInput {
  readonly stats: { isFile(): boolean; readonly size: number }
  readonly name: string
  readonly signal: AbortSignal | undefined
}

const readPath = async (path: string | URL, { stats, name, signal }: PathInput): Promise<Buffer> => {
  const options = signal ? { signal } : {}
  // A pipe or a device does not say how much will come.
  if (!stats.isFile()) return readStream(createReadStream(path, options), name)
  if (stats.size > largestBytes) {
    formatOfBytes(await readStart(path), name) // a model, a film or an archive is refused as what it is
    throw new CompactorError(
      'document-invalid',
      `${name} has ${bytesText(stats.size)}, and documents may have up to ${bytesText(largestBytes)}; give a part of it`,
    )
  }
  return readFile(path, options)
}

const readStart = async (path: string | URL): Promise<Buffer> => {
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(1024) })
    return buffer.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}

const readStream = async (chunks: AsyncIterable<Uint8Array>, name: string): Promise<Buffer> => {
  const read: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of chunks) {
    read.push(chunk)
    bytes += chunk.length
    if (bytes > largestBytes)
      throw new CompactorError(
        'document-invalid',
        `${name} has more than ${bytesText(largestBytes)}, and documents may have no more; give a part of it`,
      )
  }
  return Buffer.concat(read)
}
