/** What the worker holds for the caller, by number. */
import { CompactorError } from '../error.ts'

export class Handles<T> {
  readonly #noun: string
  readonly #held = new Map<number, T>()
  #next = 1

  constructor(noun: string) {
    this.#noun = noun
  }

  add(item: T): number {
    this.#held.set(this.#next, item)
    return this.#next++
  }

  get(handle: number): T {
    const item = this.#held.get(handle)
    if (item === undefined) throw new CompactorError('disposed', `the ${this.#noun} was disposed; load it again`)
    return item
  }

  /** Forgets a handle; undefined if it was forgotten before, so that disposing twice is harmless. */
  remove(handle: number): T | undefined {
    const item = this.#held.get(handle)
    this.#held.delete(handle)
    return item
  }
}
