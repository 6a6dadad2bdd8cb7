/** What a user sees of an evaluation while it goes on: a bar where somebody looks, a line for each context where asked. */
import type { EvaluationOptions, Run, RunProgress } from '../eval/index.ts'
import { clockText, countText } from './figures.ts'
import type { Terminal } from './terminal.ts'

export interface WatchOptions {
  readonly isVerbose: boolean
  /** Named once results are written, because the user did not name it. */
  readonly folder: string | undefined
}

export class EvaluationWatch {
  readonly #terminal: Terminal
  readonly #options: WatchOptions
  #contexts = ''
  #told: number | undefined // contexts done when last told
  #update: (done: number, total: number) => void = () => undefined

  constructor(terminal: Terminal, options: WatchOptions) {
    this.#terminal = terminal
    this.#options = options
  }

  get listeners(): Pick<EvaluationOptions, 'signal' | 'onProgress' | 'onNote'> {
    return {
      signal: this.#terminal.signal,
      onNote: (sentence) => this.#terminal.note(sentence),
      onProgress: (progress) => this.#take(progress),
    }
  }

  /** Shows the bar while `body` runs. */
  during(body: () => Promise<Run>): Promise<Run> {
    const rate = (perSecond: number): string => `${this.#contexts}  ${countText(Math.round(perSecond))} tokens/s`
    return this.#terminal.during({ label: 'evaluating', rate }, (update) => {
      this.#update = update
      return body()
    })
  }

  #take({ doneContexts, contexts, doneTokens, tokens, secondsLeft, last }: RunProgress): void {
    this.#contexts = `${countText(doneContexts)} of ${countText(contexts)} contexts`
    this.#update(doneTokens, tokens)
    if (doneContexts === this.#told) return
    const { isVerbose, folder } = this.#options
    if (this.#told === undefined && folder !== undefined) this.#terminal.note(`results go to ${folder}`)
    this.#told = doneContexts
    if (!isVerbose || last === undefined) return
    const left = secondsLeft === undefined ? '' : `, ${clockText(secondsLeft)} left`
    const done = `${countText(doneTokens)} of ${countText(tokens)} tokens`
    this.#terminal.note(`${last}: ${this.#contexts}, ${done}${left}`)
  }
}
