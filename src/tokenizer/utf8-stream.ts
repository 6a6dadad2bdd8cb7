/** Bytes in pieces to text in whole characters: tokens may end inside a character. Invalid bytes become U+FFFD. */
export class Utf8Stream {
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true })

  /** The characters that are complete now. */
  push(bytes: Uint8Array): string {
    return this.#decoder.decode(bytes, { stream: true })
  }

  /** What an unfinished character at the end amounts to; the stream can be used again. */
  flush(): string {
    return this.#decoder.decode()
  }
}
