/**
 * One line on a terminal that says how far something is, how fast and how long still. Appears only when it takes longer
 * than a moment, and never where nobody looks: not without a terminal on stderr.
 */
import type { SingleBar } from 'cli-progress'
import { clockText } from './figures.ts'

const appearAfterMs = 700
const longestLabel = 40

export interface BarText {
  readonly label: string
  /** An amount per second in words: '12.3 MB/s'. */
  readonly rate: (perSecond: number) => string
}

export class ProgressBar {
  readonly #text: BarText
  readonly #since = performance.now()
  readonly #makeBar: Promise<SingleBar> | undefined
  #bar: SingleBar | undefined
  #first: { readonly done: number; readonly at: number } | undefined
  #last = 0
  #isStopped = false

  constructor(text: BarText, isShown: boolean) {
    this.#text = text
    this.#makeBar = isShown ? makeBar() : undefined
    void this.#makeBar?.then((bar) => {
      this.#bar = bar
    })
  }

  update(done: number, total: number): void {
    const now = performance.now()
    if (done < this.#last) this.#first = undefined // another stage begins: its rate is its own
    this.#last = done
    this.#first ??= { done, at: now }
    const bar = this.#bar
    if (!bar || this.#isStopped || now - this.#since < appearAfterMs) return
    const perSecond = ((done - this.#first.done) / Math.max(1, now - this.#first.at)) * 1000
    const { label, rate } = this.#text
    const payload = { label: shorten(label), rate: rate(perSecond), left: clockText((total - done) / perSecond) }
    if (bar.isActive) bar.update(done, payload)
    else bar.start(total, done, payload)
  }

  /** Erases the line; the next update shows it again. */
  clear(): void {
    if (this.#bar?.isActive) this.#bar.stop()
  }

  stop(): void {
    this.#isStopped = true
    this.clear()
  }
}

const shorten = (label: string): string =>
  label.length <= longestLabel ? label : `${label.slice(0, longestLabel - 1)}…`

const makeBar = async (): Promise<SingleBar> => {
  const { SingleBar } = await import('cli-progress')
  return new SingleBar({
    format: '{label} {bar} {percentage} %  {rate}  {left} left',
    stream: process.stderr,
    clearOnComplete: true,
    gracefulExit: false, // signals are the command line's own business
    hideCursor: null, // null = leave the terminal as it is, so that nothing needs undoing after a forced exit
    linewrap: null,
    barsize: 24,
    barCompleteChar: '#',
    barIncompleteChar: '.',
  })
}
