/** Ctrl-C and its kin: work is aborted at once and given a moment to clean up; then the process ends in any case. */

const exitCodes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const

/** Under the 200 ms that a user takes for "at once"; what is cleaned up in 'exit' handlers still runs. */
const graceMs = 100

let isSaid = false

/** Once. On a terminal first erases what a progress bar may have left of its line. */
export const sayInterrupted = (): void => {
  if (isSaid) return
  isSaid = true
  process.stderr.write(`${process.stderr.isTTY ? '\r\u001b[K' : ''}compactor: interrupted\n`)
}

export interface Interruption {
  readonly signal: AbortSignal
  /** Of the signal that came, if one did. */
  readonly exitCode: () => number | undefined
  /** What SIGINT does, for whoever reads the keys of the terminal and so gets Ctrl-C as one of them. */
  readonly interrupt: () => void
  /** From now on Ctrl-C asks `take` first, and ends the process only where that returns false. → undoes it */
  readonly divert: (take: () => boolean) => () => void
}

export const listenForInterruption = (): Interruption => {
  const controller = new AbortController()
  let exitCode: number | undefined
  let taker: (() => boolean) | undefined
  const leave = (code: number): never => {
    sayInterrupted()
    process.exit(code)
  }
  const end = (code: number): void => {
    if (exitCode !== undefined) leave(exitCode) // asked twice
    exitCode = code
    controller.abort()
    setTimeout(() => leave(code), graceMs)
  }
  const interrupt = (): void => {
    if (exitCode !== undefined || !taker?.()) end(exitCodes.SIGINT)
  }
  for (const [name, code] of Object.entries(exitCodes))
    process.on(name, name === 'SIGINT' ? interrupt : () => end(code))
  const divert = (take: () => boolean): (() => void) => {
    taker = take
    return () => {
      taker = undefined
    }
  }
  return { signal: controller.signal, exitCode: () => exitCode, interrupt, divert }
}
