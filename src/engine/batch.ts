/** Several questions in one request, as the caller sees it: an answer for each, which ends, fails and is stopped by itself. */
import { Answer } from './answer.ts'
import { type AskOptions, askRequest } from './ask-options.ts'
import { refuseUnknown } from './check-options.ts'
import type { Context } from './context.ts'
import { handleOf } from './context-handle.ts'
import { Control } from './control.ts'
import { onAbort } from './on-abort.ts'
import { type AnswerInfo, type AskRequest, type BatchRequest, fromWire, type Outcome } from './protocol.ts'
import { abortedBy } from './turns.ts'
import type { CallOptions, WorkerClient } from './worker-client.ts'

export interface BatchAsk extends Omit<AskOptions, 'onProgress'> {
  readonly context: Context
  readonly question: string
}

export interface BatchOptions {
  /**
   * Questions run together while the contexts they read (each once) and the caches of questions and answers have no more
   * bytes than this; the others wait, in order. Default 2 GiB.
   */
  readonly maxBytes?: number | undefined
  /**
   * Every answer is the one that its question gets by itself, bit for bit; three grow at a time instead of all, which takes up to
   * one and a half times as long. Default false: sums are added up in another order, and a near tie between two tokens may
   * end the other way.
   */
  readonly asAlone?: boolean | undefined
}

const defaultMaxBytes = 2 ** 31

export const batch = (
  client: WorkerClient,
  model: number | undefined,
  asks: readonly BatchAsk[],
  options: BatchOptions,
): Answer[] => {
  refuseUnknown('batch', options, ['maxBytes', 'asAlone'])
  const { maxBytes = defaultMaxBytes, asAlone = false } = options
  if (!(maxBytes > 0)) throw new RangeError(`maxBytes must be a number above 0, got ${maxBytes}`)
  if (typeof asAlone !== 'boolean') throw new TypeError(`asAlone must be true or false, got ${String(asAlone)}`)
  if (!Array.isArray(asks)) throw new TypeError(`batch takes a list of { context, question }, got ${typeof asks}`)
  const entries = asks.map((ask: BatchAsk) => new Entry(ask))
  const answers = entries.map((entry) => new Answer((call) => entry.run(call), entry.signal))
  void run(client, { maxBytes, asAlone, ...(model === undefined ? {} : { model }) }, entries)
  return answers
}

const run = async (
  client: WorkerClient,
  request: Omit<BatchRequest, 'asks'>,
  entries: readonly Entry[],
): Promise<void> => {
  const all = new AbortController()
  let left = entries.length
  for (const entry of entries)
    void entry.isOver.then(() => {
      left--
      if (left === 0) all.abort() // nobody waits for anything any more; nothing to stop where all have ended
    })
  try {
    const requests = await Promise.all(entries.map((entry) => entry.request()))
    if (requests.length > 0)
      await client.call(
        'batch',
        { ...request, asks: requests },
        {
          signal: all.signal,
          onPiece: (text, index) => entries[index]?.onPiece(text),
          onAnswered: (index, outcome) => entries[index]?.settle(outcome),
        },
      )
  } catch (error) {
    for (const entry of entries) entry.fail(error)
  }
}

/** One question of a batch on the caller's side. */
class Entry {
  readonly signal: AbortSignal | undefined
  readonly isOver: Promise<void>
  readonly #request: AskRequest
  readonly #context: Promise<number>
  readonly #control = new Control()
  readonly #outcome: Promise<AnswerInfo>
  #resolve: (info: AnswerInfo) => void = () => undefined
  #reject: (error: unknown) => void = () => undefined
  #listener: ((text: string) => void) | undefined

  constructor({ context, question, ...options }: BatchAsk) {
    const handle = typeof context === 'object' && context !== null ? handleOf(context) : undefined
    if (!handle)
      throw new TypeError(
        `every question of a batch needs its context, got ${typeof context}; give { context, question }`,
      )
    this.#context = handle
    const { request, signal } = askRequest('batch', question, options)
    this.#request = request
    this.signal = signal
    this.#outcome = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.isOver = this.#outcome.then(
      () => undefined,
      () => undefined,
    )
  }

  async request() {
    return { ...this.#request, context: await this.#context, control: this.#control.buffer }
  }

  /** What an Answer waits for. Stopped, it ends at once; the worker hears of it before its next step. */
  run({ signal, onPiece }: CallOptions): Promise<AnswerInfo> {
    this.#listener = (text) => onPiece?.(text, 0)
    onAbort(signal, () => {
      this.#control.abort()
      this.#listener = undefined
      if (signal) this.fail(abortedBy(signal))
    })
    return this.#outcome
  }

  onPiece(text: string): void {
    this.#listener?.(text)
  }

  settle(outcome: Outcome): void {
    if ('value' in outcome) this.#resolve(outcome.value)
    else this.#reject(fromWire(outcome.error))
  }

  fail(error: unknown): void {
    this.#reject(error)
  }
}
