/**
 * Answers that grow together: at every step all of them (or three, see `asAlone`) take their next tokens through the model,
 * whose weights are read once for all. Those that do not fit beside the others wait until one has ended.
 */
import type { Ops } from '../backends/ops.ts'
import { CompactorError } from '../error.ts'
import type { Model } from '../models/model.ts'
import { withoutRepeats } from './common-beginnings.ts'
import type { Control } from './control.ts'
import { predict } from './forward.ts'
import type { Generated, Generation } from './generation.ts'
import type { Sequence } from './sequence.ts'
import { type PartOf, partsAsAlone, partsTogether } from './step-parts.ts'

export interface Job {
  /** What it holds while it runs, besides what it shares. */
  readonly bytes: number
  /** What it reads and may share with others; counted once. */
  readonly shared: { readonly key: unknown; readonly bytes: number }
  readonly control: Control
  readonly begin: () => { readonly sequence: Sequence; readonly generation: Generation }
  readonly onPiece: (text: string) => void
  /** May still compute; what it throws is the job's failure. The others wait for it. */
  readonly onEnd: (result: Generated) => void | Promise<void>
  readonly onError: (error: unknown) => void
}

export interface TogetherOptions {
  /** Jobs run together as long as what they hold and share is no more; one always runs. */
  readonly maxBytes: number
  /** Stops all of them. */
  readonly control: Control
  /**
   * Every answer has the bits that it has by itself, for which they grow three at a time, the first ones first. Default: all of them
   * grow at every step, which rounds otherwise.
   */
  readonly asAlone?: boolean
}

interface Running extends ReturnType<Job['begin']> {
  readonly job: Job
  /** Tokens to read before the first of the answer. */
  readonly toRead: number
}

/** Every job hears of its own end. Throws what ends all of them: CompactorError('aborted'), a failure of the backend. */
export const answerTogether = async (
  ops: Ops,
  model: Model,
  jobs: readonly Job[],
  { maxBytes, control, asAlone = false }: TogetherOptions,
): Promise<void> => {
  const waiting = [...jobs]
  let running: Running[] = []
  for (;;) {
    running = running.filter(({ job }) => !isStopped(job))
    admit(waiting, running, maxBytes)
    if (running.length === 0) return
    await step(ops, model, running, { control, asAlone })
    for (const { job, generation } of running) if (generation.result) await end(job, generation.result)
    running = running.filter(({ generation }) => generation.result === undefined)
  }
}

const end = async (job: Job, result: Generated): Promise<void> => {
  try {
    await job.onEnd(result)
  } catch (error) {
    job.onError(error)
  }
}

const isStopped = ({ control, onError }: Job): boolean => {
  if (!control.isAborted) return false
  onError(new CompactorError('aborted', 'stopped on request'))
  return true
}

/** First come, first served: nobody passes one that waits for room. */
const admit = (waiting: Job[], running: Running[], maxBytes: number): void => {
  for (let job = waiting[0]; job !== undefined; job = waiting[0]) {
    const fits = running.length === 0 || bytesOf([...running.map((one) => one.job), job]) <= maxBytes
    if (!fits) return
    waiting.shift()
    if (isStopped(job)) continue
    try {
      const begun = job.begin()
      const toRead = begun.generation.unread
      job.control.report(0, toRead)
      running.push({ job, ...begun, toRead })
    } catch (error) {
      job.onError(error)
    }
  }
}

const bytesOf = (jobs: readonly Job[]): number => {
  const shared = new Map(jobs.map(({ shared: { key, bytes } }) => [key, bytes]))
  return jobs.reduce((sum, { bytes }) => sum + bytes, 0) + [...shared.values()].reduce((sum, bytes) => sum + bytes, 0)
}

type RunningPart = PartOf<Running>

/** Those that share what they read side by side, as `forward` wants them. */
const bySharing = (parts: readonly RunningPart[]): RunningPart[] => {
  const groups = new Map<unknown, RunningPart[]>()
  for (const part of parts) {
    const { key } = part.one.job.shared
    groups.set(key, [...(groups.get(key) ?? []), part])
  }
  return [...groups.values()].flat()
}

const step = async (
  ops: Ops,
  model: Model,
  running: readonly Running[],
  { control, asAlone }: { readonly control: Control; readonly asAlone: boolean },
): Promise<void> => {
  const parts = withoutRepeats(bySharing(asAlone ? partsAsAlone(running) : partsTogether(running)))
  const isRead = ({ one }: RunningPart): boolean => one.generation.unread === 0
  let part = 0
  const read = parts.filter(isRead)
  const indexOnly = ({ one }: RunningPart): boolean => one.generation.isGreedy
  for await (const prediction of predict(ops, model, { parts, control, of: isRead, indexOnly, asAlone })) {
    const { job, generation, toRead } = (read[part++] as (typeof read)[number]).one
    job.control.report(toRead, toRead)
    const piece = generation.take(prediction)
    if (piece !== '') job.onPiece(piece)
  }
  for (const unread of parts.filter((other) => !read.includes(other))) reportReading(unread.one)
}

/** Until all is read; what follows is the answer, which is seen as it comes. */
const reportReading = ({ job: { control }, generation, toRead }: Running): void => {
  const { done, total } = control.progress
  if (done < total) control.report(toRead - generation.unread, toRead)
}
