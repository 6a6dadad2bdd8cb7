/** What a piece of work took, by the clock and in processor time. Other work of this process is counted with it. */

export interface Spent {
  readonly seconds: number
  readonly processorSeconds: number // of all threads together
}

/** Begins to count; the function gives what was spent since. */
export const spending = (): (() => Spent) => {
  const [begun, processor] = [performance.now(), process.cpuUsage()]
  return () => {
    const { user, system } = process.cpuUsage(processor)
    return { seconds: (performance.now() - begun) / 1000, processorSeconds: (user + system) / 1e6 }
  }
}
