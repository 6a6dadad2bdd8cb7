/** A resource with several owners: freed when the last one lets go. */
export class Shared {
  readonly #free: () => void
  #owners = 1

  constructor(free: () => void) {
    this.#free = free
  }

  retain(): void {
    this.#owners++
  }

  release(): void {
    this.#owners--
    if (this.#owners === 0) this.#free()
  }
}
