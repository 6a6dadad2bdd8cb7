/** When a failed request is worth another try, and after how long. */
import { setTimeout as sleep } from 'node:timers/promises'
import { CompactorError } from '../error.ts'

/** What a failure of a request carries as its `cause`, as far as it is known. */
export interface FailedRequest {
  readonly statusCode?: number
  readonly retryAfterMs?: number
}

export interface Patience {
  /** Tries in a row that bring nothing before it is given up; 0 = the first failure is the last. */
  readonly retries: number
  /** Before the first of them; doubled each time, at most half a minute. */
  readonly backoffMs: number
  readonly signal: AbortSignal | undefined
  readonly note: (sentence: string) => void
}

const longestBackoffMs = 30_000
const longestWaitMs = 120_000 // that a server may ask for

const failedRequest = (error: CompactorError): FailedRequest =>
  typeof error.cause === 'object' && error.cause !== null ? (error.cause as FailedRequest) : {}

/** Broken connections and servers that are busy; never what will be refused again. */
export const isTemporary = (error: unknown): error is CompactorError => {
  if (!(error instanceof CompactorError) || error.code !== 'download-failed') return false
  const { statusCode } = failedRequest(error)
  return statusCode === undefined || [408, 425, 429].includes(statusCode) || statusCode >= 500
}

/** Of a Retry-After header: seconds or a date. */
export const retryAfterMs = (header: string | null, now: number = Date.now()): number | undefined => {
  if (header === null) return undefined
  const ms = /^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - now
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined
}

/** Waits for the turn of try number `attempt` (from 1). Throws `error` when there is none, and when interrupted. */
export const waitForRetry = async (error: CompactorError, attempt: number, patience: Patience): Promise<void> => {
  const { retries, backoffMs, signal, note } = patience
  if (attempt > retries) throw error
  const asked = failedRequest(error).retryAfterMs ?? 0
  if (asked > longestWaitMs)
    throw new CompactorError(
      'download-failed',
      `${error.message} and asks to be left alone for ${Math.ceil(asked / 1000)} s; try again then`,
      { cause: error },
    )
  // Spread by a quarter, so that many who were cut off together do not come back together.
  const own = Math.min(longestBackoffMs, backoffMs * 2 ** (attempt - 1)) * (0.75 + Math.random() / 2)
  const waitMs = Math.max(asked, own)
  note(`${error.message}; trying again in ${(waitMs / 1000).toFixed(1)} s (${attempt} of ${retries})`)
  await sleep(waitMs, undefined, signal ? { signal } : {})
}
