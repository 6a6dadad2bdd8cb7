/**
 * Writes a context to a .cctx: streamed under a temporary name, synced, then given its name in one step, so that the name
 * never holds half a file and a mapped file never changes. Not here: what the bytes mean (cctx-layout.ts, cctx-header.ts).
 */
import { type FileHandle, link, open, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Ops, Tensor } from '../backends/ops.ts'
import { CompactorError } from '../error.ts'
import type { Block } from './block.ts'
import { type BlockHeader, type ContextHeader, type ContextOrigin, readHeader } from './cctx-header.ts'
import { type Layout, layoutOf, type Section, valueRanges } from './cctx-layout.ts'
import {
  arraysStart,
  bodyStart,
  chunkBytes,
  digestBytes,
  digestOf,
  encodeFront,
  planPrologue,
} from './cctx-prologue.ts'
import { temporaryPathFor } from './temporary-files.ts'

export interface ContextContents {
  readonly origin: ContextOrigin
  readonly block: Block
  readonly tokenIds: Uint32Array // [tokens] of the document
  readonly sourceOffsets: Uint32Array // [tokens], where each begins in the document, UTF-8 bytes
}

export interface WriteOptions {
  readonly force?: boolean // replace what is there
  readonly signal?: { readonly aborted: boolean } | undefined // an AbortSignal, or a word that another thread sets
  readonly temporaryPath?: string // in the same folder; given by whoever removes it if the process is ended
}

/**
 * Throws CompactorError: 'output-exists' (without `force`), 'write-failed', 'aborted'; nothing is left behind then.
 * → the file's size
 */
export const writeContext = async (
  ops: Ops,
  path: string,
  contents: ContextContents,
  options: WriteOptions = {},
): Promise<{ readonly bytes: number }> => {
  const { force = false, signal, temporaryPath = temporaryPathFor(path) } = options
  const { header, layout } = planFile(contents)
  const json = new TextEncoder().encode(JSON.stringify(header))
  const prologue = planPrologue(json.length, layout.bytes)
  let begun = false
  try {
    await refuseTarget(path, force)
    const file = await open(temporaryPath, 'wx')
    begun = true
    try {
      const body = new BodyWriter(file, bodyStart(prologue.chunkCount), signal)
      await body.write(0, json)
      const arraysAt = arraysStart(prologue) - bodyStart(prologue.chunkCount)
      for await (const { at, bytes } of arrays(ops, contents, layout)) await body.write(arraysAt + at, bytes)
      const table = await body.finish(arraysAt + layout.bytes)
      await writeFully(file, encodeFront(prologue, table), 0)
      await file.sync()
    } finally {
      await file.close()
    }
    refuseAborted(signal)
    await (force ? rename(temporaryPath, path) : renameNew(temporaryPath, path))
    await syncFolder(dirname(path))
  } catch (cause) {
    if (begun) await rm(temporaryPath, { force: true })
    throw writeFailure(path, cause)
  }
  return { bytes: prologue.fileBytes }
}

const planFile = ({
  origin,
  block,
  tokenIds,
  sourceOffsets,
}: ContextContents): { header: ContextHeader; layout: Layout } => {
  const { shape, documentTokens, headTokens, selection, nested, order, scoreMoments, tiers } = block
  for (const [name, { length }] of Object.entries({ tokenIds, sourceOffsets }))
    if (length !== documentTokens) throw new RangeError(`expected ${documentTokens} ${name}, got ${length}`)
  const { windows, ...sizes } = shape
  const plain: Omit<BlockHeader, 'tiers'> = {
    ...sizes,
    ...(windows && { windows: windows.map((window) => window ?? null) }),
    originalTokens: documentTokens,
    headTokens,
    selection,
    nested,
    order,
    biased: tiers.some((tier) => tier.some(({ bias }) => bias !== undefined)),
    scoreMoments,
  }
  const counts = tiers.map((tier) => ({ counts: tier.map((piece) => [...piece.counts]) }))
  const layout = layoutOf({ ...plain, tiers: counts })
  const places = layout.tiers.map(({ offset, bytes }, i) => ({ offset, bytes, counts: counts[i]?.counts ?? [] }))
  // Read back before a byte is written: no file leaves here that would be refused at open.
  const header = readHeader(JSON.parse(JSON.stringify({ ...origin, block: { ...plain, tiers: places } })))
  return { header, layout }
}

type Values = Float32Array | Uint16Array | Uint32Array

interface Stretch {
  readonly at: number // bytes from the arrays' start
  readonly bytes: Uint8Array
}

async function* arrays(
  ops: Ops,
  { block, tokenIds, sourceOffsets }: ContextContents,
  layout: Layout,
): AsyncGenerator<Stretch> {
  const whole = new Uint32Array(1)
  yield* stretches(layout.tokenIds, tokenIds, whole)
  yield* stretches(layout.sourceOffsets, sourceOffsets, whole)
  const read = (tensor: Tensor): Promise<Values> => ops.read(tensor)
  for (const [layer, { k, v, starts }] of block.headPart.entries()) {
    const place = layout.headPart[layer]
    if (place) yield* stretches(place.k, await read(k), starts)
    if (place) yield* stretches(place.v, await read(v), starts)
  }
  for (const [layer, piece] of block.windowPart.entries()) {
    const place = layout.windowPart[layer]
    if (place && piece) yield* stretches(place.k, await read(piece.k), piece.starts)
    if (place && piece) yield* stretches(place.v, await read(piece.v), piece.starts)
  }
  for (const [tier, pieces] of block.tiers.entries()) {
    const places = layout.tiers[tier]?.layers ?? []
    for (const [layer, { k, v, starts }] of pieces.entries()) {
      const place = places[layer]
      if (place) yield* stretches(place.k, await read(k), starts)
      if (place) yield* stretches(place.v, await read(v), starts)
    }
    for (const [layer, { codes, positions, bias, starts }] of pieces.entries()) {
      const place = places[layer]
      if (place?.codes && codes) yield* stretches(place.codes, codes, starts)
      if (place) yield* stretches(place.positions, positions, starts)
      // A layer without biases in a block that has some: adding zero is the same.
      if (place?.bias) yield* stretches(place.bias, bias ? await read(bias) : new Float32Array(place.bias.rows), starts)
    }
  }
}

/** The runs of `values` (rows at `starts`) to where the section wants them. */
function* stretches(section: Section, values: Values, starts: Uint32Array): Generator<Stretch> {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
  for (const { from, to, run } of valueRanges(section)) {
    const start = (starts[run] ?? 0) * section.rowBytes
    const stretch = bytes.subarray(start, start + to - from)
    if (stretch.length !== to - from)
      throw new RangeError(`expected a run of ${to - from} bytes from byte ${start}, got ${stretch.length}`)
    yield { at: from, bytes: stretch }
  }
}

/** Writes the body in order, zeros in between, and takes the checksum of every chunk. */
class BodyWriter {
  readonly #file: FileHandle
  readonly #start: number
  readonly #signal: WriteOptions['signal']
  readonly #chunk = new Uint8Array(chunkBytes)
  readonly #digests: Uint8Array[] = []
  #filled = 0

  constructor(file: FileHandle, start: number, signal: WriteOptions['signal']) {
    this.#file = file
    this.#start = start
    this.#signal = signal
  }

  /** at: from the body's start, not before what was already written. */
  async write(at: number, bytes: Uint8Array): Promise<void> {
    await this.#padTo(at)
    for (let done = 0; done < bytes.length; ) {
      const part = bytes.subarray(done, done + chunkBytes - this.#filled)
      this.#chunk.set(part, this.#filled)
      this.#filled += part.length
      done += part.length
      if (this.#filled === chunkBytes) await this.#flush()
    }
  }

  /** → the table of checksums */
  async finish(length: number): Promise<Uint8Array> {
    await this.#padTo(length)
    if (this.#filled > 0) await this.#flush()
    const table = new Uint8Array(this.#digests.length * digestBytes)
    this.#digests.forEach((digest, i) => {
      table.set(digest, i * digestBytes)
    })
    return table
  }

  async #padTo(at: number): Promise<void> {
    let missing = at - (this.#digests.length * chunkBytes + this.#filled)
    if (missing < 0) throw new RangeError(`byte ${at} of a context was already written`)
    while (missing > 0) {
      const part = Math.min(missing, chunkBytes - this.#filled)
      this.#chunk.fill(0, this.#filled, this.#filled + part)
      this.#filled += part
      missing -= part
      if (this.#filled === chunkBytes) await this.#flush()
    }
  }

  async #flush(): Promise<void> {
    refuseAborted(this.#signal)
    const chunk = this.#chunk.subarray(0, this.#filled)
    await writeFully(this.#file, chunk, this.#start + this.#digests.length * chunkBytes)
    this.#digests.push(digestOf(chunk))
    this.#filled = 0
  }
}

const writeFully = async (file: FileHandle, bytes: Uint8Array, at: number): Promise<void> => {
  for (let done = 0; done < bytes.length; )
    done += (await file.write(bytes, done, bytes.length - done, at + done)).bytesWritten
}

const refuseAborted = (signal: WriteOptions['signal']): void => {
  if (signal?.aborted) throw new CompactorError('aborted', 'saving the context was stopped; no file was left behind.')
}

/** A file may be replaced when asked for; a folder, a device or a pipe never. */
const refuseTarget = async (path: string, force: boolean): Promise<void> => {
  const found = await stat(path).catch((cause: unknown) => {
    if (codeOf(cause) === 'ENOENT') return undefined
    throw cause
  })
  if (!found) return
  if (!force) throw outputExists(path)
  if (!found.isFile())
    throw new CompactorError('write-failed', `${path} is not a regular file and is not replaced; give another name`)
}

/** Fails if the name is taken, also by someone who took it a moment ago. */
const renameNew = async (temporaryPath: string, path: string): Promise<void> => {
  try {
    await link(temporaryPath, path)
  } catch (cause) {
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EXDEV'].includes(codeOf(cause))) throw cause
    // A file system without hard links: take the name with an empty file, then put ours in its place.
    await (await open(path, 'wx')).close()
    return rename(temporaryPath, path)
  }
  await rm(temporaryPath)
}

const syncFolder = async (folder: string): Promise<void> => {
  if (process.platform === 'win32') return // folders cannot be synced there
  const handle = await open(folder, 'r')
  await handle.sync().finally(() => handle.close())
}

const outputExists = (path: string, cause?: unknown): CompactorError =>
  new CompactorError('output-exists', `${path} exists already: choose another name, or force to replace it.`, { cause })

const reasons: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full; make room or choose another place',
  EDQUOT: 'the disk quota is used up; make room or choose another place',
  EFBIG: 'it would be larger than files may be here; choose another place or a smaller keep',
  EACCES: 'permission is denied; choose a folder you may write to',
  EPERM: 'permission is denied; choose a folder you may write to',
  EROFS: 'the file system is read-only; choose another place',
  ENOENT: 'its folder does not exist; make it or choose another',
  ENOTDIR: 'its folder is a file; choose another',
  EISDIR: 'a folder has that name; choose another',
}

const writeFailure = (path: string, cause: unknown): unknown => {
  const code = codeOf(cause)
  if (cause instanceof CompactorError || code === '') return cause
  if (code === 'EEXIST') return outputExists(path, cause)
  const reason = reasons[code] ?? (cause as Error).message
  return new CompactorError('write-failed', `${path} could not be written: ${reason}.`, { cause })
}

/** The system's error code; '' for anything else. */
const codeOf = (cause: unknown): string =>
  cause instanceof Error && 'syscall' in cause && 'code' in cause ? String(cause.code) : ''
