/** What is to be done when a signal fires: one listener on it however many wait, because Node takes eleven for a leak. */

const waiting = new WeakMap<AbortSignal, Set<() => void>>()

/** Calls `act` once: when the signal fires, or now if it has. → stops waiting */
export const onAbort = (signal: AbortSignal | undefined, act: () => void): (() => void) => {
  if (!signal) return () => undefined
  if (signal.aborted) {
    act()
    return () => undefined
  }
  const acts = waiting.get(signal) ?? listenTo(signal)
  const own = (): void => act() // the same function may wait twice
  acts.add(own)
  return () => acts.delete(own)
}

/** Stays on the signal, which lives longer than what it holds: an empty set. */
const listenTo = (signal: AbortSignal): Set<() => void> => {
  const acts = new Set<() => void>()
  waiting.set(signal, acts)
  signal.addEventListener(
    'abort',
    () => {
      for (const act of [...acts]) act()
      acts.clear()
    },
    { once: true },
  )
  return acts
}
