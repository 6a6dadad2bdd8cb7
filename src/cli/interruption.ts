/** Ctrl-C and its kin: work is aborted at once and given a moment to clean up; then the process ends in any case. */

const exitCodes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const

/** Under the 200 ms that a user takes for "at once"; what is cleaned up in 'exit' handlers still runs. */
const graceMs = 100

/** On a terminal first erases what a progress bar may have left of its line. */
export const sayInterrupted = (): void => {
  process.stderr.write(`${process.stderr.isTTY ? '\r\u001b[K' : ''}compactor: interrupted\n`)
}

export interface Interruption {
  readonly signal: AbortSignal
  /** Of the signal that came, if one did. */
  readonly exitCode: () => number | undefined
}

export const listenForInterruption = (): Interruption => {
  const controller = new AbortController()
  let exitCode: number | undefined
  for (const [name, code] of Object.entries(exitCodes))
    process.on(name, () => {
      if (exitCode !== undefined) process.exit(exitCode) // asked twice
      exitCode = code
      controller.abort()
      setTimeout(() => {
        sayInterrupted()
        process.exit(code)
      }, graceMs)
    })
  return { signal: controller.signal, exitCode: () => exitCode }
}
