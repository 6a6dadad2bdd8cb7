/** A queue for one place: first come, first served; whoever waits can leave at once. */
import { CompactorError } from '../error.ts'
import { onAbort } from './on-abort.ts'

export const abortedBy = (signal: AbortSignal): CompactorError =>
  new CompactorError('aborted', 'stopped by the caller’s AbortSignal', { cause: signal.reason })

export class Turns {
  #last: Promise<void> = Promise.resolve()

  /** → gives the place back. Throws CompactorError('aborted') if the signal fires first. */
  async take(signal: AbortSignal | undefined): Promise<() => void> {
    const before = this.#last
    let leave: () => void = () => undefined
    this.#last = new Promise((resolve) => {
      leave = resolve
    })
    try {
      await (signal ? orAborted(before, signal) : before)
      return leave
    } catch (error) {
      void before.then(leave) // those behind still wait for those before
      throw error
    }
  }
}

const orAborted = (wait: Promise<void>, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const leave = onAbort(signal, () => reject(abortedBy(signal)))
    void wait.then(() => {
      leave()
      resolve()
    })
  })
