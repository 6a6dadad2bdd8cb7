/**
 * The missing bytes of a file over several connections at once where the server answers ranges, over one where it does
 * not. A connection that breaks is followed by another that goes on behind its last byte. Knows no address: a source
 * opens ranges, a partial file takes bytes.
 */
import { CompactorError } from '../error.ts'
import type { ByteRange } from './byte-ranges.ts'
import { linkedAbort } from './linked-abort.ts'
import type { PartialFile } from './partial-file.ts'
import { isTemporary, type Patience, waitForRetry } from './retry.ts'

export interface OpenedRange {
  /** false: the server sends the whole file from its first byte, whatever was asked. */
  readonly isRange: boolean
  readonly body: AsyncIterable<Uint8Array>
  /** For a body that nobody will read. */
  readonly cancel: () => Promise<void>
}

export interface RangeSource {
  readonly name: string
  /** `range` undefined asks for the whole file. Throws CompactorError('download-failed'), whose cause may have a status. */
  readonly open: (range: ByteRange | undefined, signal: AbortSignal) => Promise<OpenedRange>
}

export interface RangedOptions extends Patience {
  readonly connections: number
  /** Each connection asks for at most this much at once. Default 16 MiB. */
  readonly pieceBytes?: number
}

/** A try that brought this much was no failure in a row with those before it. */
const progressBytes = 64 * 1024

export const downloadRanges = async (
  source: RangeSource,
  partial: PartialFile,
  options: RangedOptions,
): Promise<void> => {
  const download = new RangedDownload(source, partial, options)
  for (let attempt = 0; partial.doneBytes < partial.promised.bytes; ) {
    const before = partial.doneBytes
    try {
      await download.once()
    } catch (error) {
      options.signal?.throwIfAborted()
      if (!isTemporary(error)) throw error
      attempt = partial.doneBytes - before >= progressBytes ? 1 : attempt + 1
      download.slowDown(error)
      await waitForRetry(error, attempt, options)
    }
  }
}

class RangedDownload {
  readonly #source: RangeSource
  readonly #partial: PartialFile
  readonly #options: RangedOptions
  #connections: number
  #answersRanges = true

  constructor(source: RangeSource, partial: PartialFile, options: RangedOptions) {
    this.#source = source
    this.#partial = partial
    this.#options = options
    this.#connections = options.connections
  }

  /** A server that says "too many" is asked less. */
  slowDown({ cause }: CompactorError): void {
    const { statusCode } = (cause ?? {}) as { statusCode?: number }
    if (statusCode === 429 || statusCode === 503) this.#connections = Math.max(1, this.#connections >> 1)
  }

  /** Until everything is there or something fails. */
  async once(): Promise<void> {
    const abort = linkedAbort(this.#options.signal)
    try {
      if (this.#answersRanges) await this.#byRanges(abort)
      else await this.#whole(await this.#source.open(undefined, abort.signal))
    } finally {
      abort.release()
    }
  }

  async #byRanges(abort: { readonly signal: AbortSignal; abort(reason: unknown): void }): Promise<void> {
    const single = this.#connections === 1
    const pieces = this.#partial.missing(single ? this.#partial.promised.bytes : (this.#options.pieceBytes ?? 1 << 24))
    const first = pieces.shift()
    if (first === undefined) return
    const opened = await this.#source.open(first, abort.signal) // shows whether there are ranges to be had
    if (!opened.isRange) return this.#whole(opened)
    const work = async (begun?: { piece: ByteRange; opened: OpenedRange }): Promise<void> => {
      if (begun) await this.#fill(begun.piece, begun.opened)
      for (let piece = pieces.shift(); piece !== undefined && !abort.signal.aborted; piece = pieces.shift())
        await this.#fill(piece, await this.#source.open(piece, abort.signal))
    }
    const others = Array.from({ length: Math.min(this.#connections - 1, pieces.length) }, () => work())
    const workers = [work({ piece: first, opened }), ...others].map((worker) =>
      worker.catch((error: unknown) => {
        abort.abort(error) // the first failure ends the others, and is the one that is told
        throw error
      }),
    )
    const ends = await Promise.allSettled(workers)
    if (ends.some(({ status }) => status === 'rejected')) throw abort.signal.reason
  }

  async #fill([start, end]: ByteRange, { isRange, body, cancel }: OpenedRange): Promise<void> {
    if (!isRange) {
      await cancel()
      this.#answersRanges = false
      throw new CompactorError('download-failed', `${this.#source.name} sent the whole file where a part was asked for`)
    }
    let at = start
    for await (const chunk of body) {
      if (at + chunk.length > end) throw this.#tooMuch()
      await this.#partial.write(chunk, at)
      at += chunk.length
    }
    if (at < end) throw this.#tooLittle()
    await this.#partial.save()
  }

  /** From the first byte, over one connection; what was there may belong to another version of the file. */
  async #whole({ body }: OpenedRange): Promise<void> {
    const { promised, doneBytes } = this.#partial
    if (doneBytes > 0)
      this.#options.note(
        `${this.#source.name} gives no ranges of ${promised.name}, or of another version than before; starting anew`,
      )
    this.#answersRanges = false
    this.#partial.clear()
    let at = 0
    for await (const chunk of body) {
      await this.#partial.write(chunk, at)
      at += chunk.length
    }
    if (at < promised.bytes) throw this.#tooLittle()
  }

  #tooMuch(): CompactorError {
    return new CompactorError(
      'checksum-mismatch',
      `${this.#source.name} sent more than was asked of ${this.#partial.promised.name}, so what arrived was thrown away; pull it again`,
    )
  }

  #tooLittle(): CompactorError {
    return new CompactorError('download-failed', `${this.#source.name} broke off (it ended too early)`)
  }
}
