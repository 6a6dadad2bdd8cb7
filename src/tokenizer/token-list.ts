/** Token ids with the byte of the text that each begins at, as they are found. */

export interface Encoding {
  readonly ids: Uint32Array
  readonly offsets: Uint32Array // first byte of each token in the UTF-8 text
}

export class TokenList {
  /** Bytes of the text that were encoded so far. */
  byteCount = 0
  #ids = new Uint32Array(256)
  #offsets = new Uint32Array(256)
  #count = 0

  push(id: number, offset: number): void {
    if (this.#count === this.#ids.length) {
      this.#ids = grown(this.#ids)
      this.#offsets = grown(this.#offsets)
    }
    this.#ids[this.#count] = id
    this.#offsets[this.#count++] = offset
  }

  encoding(): Encoding {
    return { ids: this.#ids.slice(0, this.#count), offsets: this.#offsets.slice(0, this.#count) }
  }
}

const grown = (values: Uint32Array): Uint32Array<ArrayBuffer> => {
  const larger = new Uint32Array(2 * values.length)
  larger.set(values)
  return larger
}
