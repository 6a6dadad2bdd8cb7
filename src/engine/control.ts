/**
 * Words of shared memory between the caller's thread and the worker, which hears no messages while it computes: the
 * caller sets `abort`, kernels and loops look at it; the worker writes how far it is, the caller reads when it likes.
 */
import { CompactorError } from '../error.ts'

const abortIndex = 0
const doneIndex = 1
const totalIndex = 2

export class Control {
  readonly words: Int32Array

  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(16)) {
    this.words = new Int32Array(buffer)
  }

  get buffer(): SharedArrayBuffer {
    return this.words.buffer as SharedArrayBuffer
  }

  get isAborted(): boolean {
    return Atomics.load(this.words, abortIndex) !== 0
  }

  get progress(): { readonly done: number; readonly total: number } {
    return { done: Atomics.load(this.words, doneIndex), total: Atomics.load(this.words, totalIndex) }
  }

  abort(): void {
    Atomics.store(this.words, abortIndex, 1)
  }

  report(done: number, total: number): void {
    Atomics.store(this.words, doneIndex, done)
    Atomics.store(this.words, totalIndex, total)
  }

  /** Throws CompactorError('aborted') once the caller asked for it. */
  check(): void {
    if (this.isAborted) throw new CompactorError('aborted', 'stopped on request')
  }
}
