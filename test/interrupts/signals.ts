/** Signals at random instants of a command, and what must be true behind each. */
import type { ChildProcess } from 'node:child_process'
import type { Outcome } from '../cli-process.ts'
import { againWrong, endWrong, filesWrong, newPlace, type Place, removePlace, type Whole } from './commands.ts'

export interface SignalPlan {
  readonly signal: 'SIGINT' | 'SIGTERM'
  /** Sent again so much later. */
  readonly againAfterMs?: number
  readonly count: number
}

export interface SignalRow {
  readonly through: number // exit code 0
  readonly stopped: number // 130, 143
  readonly early: number // ended by the system, before anything listened; a shell makes 130 and 143 of that
  readonly slowestEndMs: number // from the signal to the end, of those that said "interrupted"
  readonly wrong: readonly string[]
}

const exitCodes = { SIGINT: 130, SIGTERM: 143 }

interface Trial {
  readonly outcome: Outcome
  readonly endedBy: NodeJS.Signals | null
  readonly endMs: number
  readonly isAlive: boolean // something of its process group
}

const groupGets = (child: ChildProcess, signal: NodeJS.Signals | 0): boolean => {
  try {
    return child.pid !== undefined && process.kill(-child.pid, signal)
  } catch {
    return false // nobody is left
  }
}

const interrupt = async (place: Place, whole: Whole, plan: SignalPlan & { readonly afterMs: number }) => {
  let [started, sentAt]: [ChildProcess | undefined, number] = [undefined, 0]
  const timers: NodeJS.Timeout[] = []
  const onStart = (child: ChildProcess): void => {
    started = child
    const send = (): void => {
      sentAt ||= performance.now()
      groupGets(child, plan.signal)
    }
    timers.push(setTimeout(send, plan.afterMs))
    if (plan.againAfterMs !== undefined) timers.push(setTimeout(send, plan.afterMs + plan.againAfterMs))
    child.on('exit', () => timers.forEach(clearTimeout))
  }
  const outcome = await whole.run(place, { onStart, isGroup: true, timeoutMs: 60_000 })
  const child = started as unknown as ChildProcess
  const endMs = performance.now() - sentAt
  const trial: Trial = { outcome, endedBy: child.signalCode, endMs, isAlive: groupGets(child, 0) }
  return trial
}

const codeWrong = async (place: Place, whole: Whole, { signal }: SignalPlan, trial: Trial): Promise<string[]> => {
  const { exitCode, stderr } = trial.outcome
  if (/^\s+at /m.test(stderr)) return [`a stack: ${stderr}`]
  if (exitCode === 0) return endWrong(place, whole, trial.outcome)
  if (exitCode === null) return trial.endedBy === signal && stderr === '' ? [] : [`${trial.endedBy}: ${stderr}`]
  const said =
    /(^|\n)compactor: interrupted\n$/.test(stderr) || (signal === 'SIGINT' && /: stopped(;.*)?\n/.test(stderr))
  return exitCode === exitCodes[signal] && said ? [] : [`exit code ${exitCode}: ${stderr.trim()}`]
}

/** `plan.count` places, one instant in each equal part of the time that the command takes. */
export const trySignals = async (whole: Whole, plan: SignalPlan, chance: () => number): Promise<SignalRow> => {
  const row = { through: 0, stopped: 0, early: 0, slowestEndMs: 0, wrong: [] as string[] }
  for (let index = 0; index < plan.count; index++) {
    const place = newPlace()
    const afterMs = ((index + chance()) / plan.count) * whole.spanMs
    const trial = await interrupt(place, whole, { ...plan, afterMs })
    const { exitCode, stderr } = trial.outcome
    row[exitCode === 0 ? 'through' : exitCode === null ? 'early' : 'stopped']++
    if (/interrupted\n$/.test(stderr)) row.slowestEndMs = Math.max(row.slowestEndMs, trial.endMs)
    const wrong = [
      ...(trial.isAlive ? ['something still runs'] : []),
      ...(await codeWrong(place, whole, plan, trial)),
      ...(await filesWrong(place, whole)),
      ...(await againWrong(place, whole)),
    ]
    row.wrong.push(...wrong.map((line) => `${whole.name}, ${plan.signal} after ${afterMs.toFixed(0)} ms: ${line}`))
    removePlace(place)
  }
  return row
}
