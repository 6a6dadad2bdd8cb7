/** Half-written files of this process, so that a process that ends on a signal can remove them on its way out. */
import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** A name beside `path` that no other process uses; short, because `path` may be as long as names can be. */
export const temporaryPathFor = (path: string): string =>
  join(dirname(path), `.cctx-${process.pid}-${randomBytes(6).toString('hex')}.tmp`)

/** Whether a file's name is one of those. */
export const isTemporaryName = (name: string): boolean => /^\.cctx-\d+-[0-9a-f]{12}\.tmp$/.test(name)

export class TemporaryFiles {
  readonly #paths = new Set<string>()

  /** A temporary name for `path`, watched until released. */
  claim(path: string): string {
    const temporary = temporaryPathFor(path)
    this.#paths.add(temporary)
    return temporary
  }

  release(temporary: string): void {
    this.#paths.delete(temporary)
  }

  /** Removes one whose writer is gone. */
  remove(temporary: string): void {
    this.#paths.delete(temporary)
    rmSync(temporary, { force: true })
  }

  /** Synchronous: for signal and exit handlers. Throws what removal throws, but for files that are already gone. */
  removeAll(): void {
    for (const path of this.#paths) this.remove(path)
  }
}
