/** An abort controller that also fires when another signal does. By hand, because AbortSignal.any came with Node 20.3. */

export interface LinkedAbort {
  readonly signal: AbortSignal
  abort(reason: unknown): void
  /** The other signal may outlive this one by far. */
  release(): void
}

export const linkedAbort = (other: AbortSignal | undefined): LinkedAbort => {
  const controller = new AbortController()
  const forward = (): void => controller.abort(other?.reason)
  if (other?.aborted) forward()
  other?.addEventListener('abort', forward, { once: true })
  return {
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
    release: () => other?.removeEventListener('abort', forward),
  }
}
