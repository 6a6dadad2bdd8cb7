/**
 * The byte-level alphabet of GPT-2 style vocabularies: each byte is written as one printable character, printable
 * Latin-1 as itself and the 68 others as U+0100 onwards, so that a space is "Ġ". Here only from that writing to bytes.
 */

const FIRST_STAND_IN = 0x100
const STAND_INS = 68

// What a character of the alphabet stands for, by code point; the other 68 are filled in in order.
const byteOf: Uint8Array = Uint8Array.from({ length: FIRST_STAND_IN + STAND_INS }, (_, codePoint) => codePoint)
const isPrintable = (byte: number): boolean => (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad)
for (let byte = 0, next = FIRST_STAND_IN; byte < 256; byte++) if (!isPrintable(byte)) byteOf[next++] = byte

/**
 * Decode source[from, to) into `target` at `at`; gives the end. What is not in the alphabet stays as it is: some
 * vocabularies hold entries of plain text.
 */
export const decodeAlphabet = (
  source: Uint8Array,
  from: number,
  to: number,
  target: Uint8Array,
  at: number,
): number => {
  let end = at
  for (let index = from; index < to; index++) {
    const lead = source[index] as number
    const follow = index + 1 < to ? (source[index + 1] as number) : 0
    // Two-byte UTF-8 of U+0080 to U+0143, all of the alphabet that is not ASCII.
    const codePoint = ((lead & 0x1f) << 6) | (follow & 0x3f)
    if (lead >= 0xc2 && lead <= 0xc5 && codePoint < byteOf.length) {
      target[end++] = byteOf[codePoint] as number
      index++
    } else target[end++] = lead
  }
  return end
}
