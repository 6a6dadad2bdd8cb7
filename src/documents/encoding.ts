/**
 * Bytes to text. What says its encoding is believed (a byte order mark, the caller, a page's own statement), what is valid
 * UTF-8 is UTF-8, and only for the rest is the encoding guessed from the frequencies of its bytes; then that is said.
 */
import { isUtf8 } from 'node:buffer'
import { analyse } from 'chardet'
import { CompactorError } from '../error.ts'

export interface Decoded {
  readonly text: string
  readonly encoding: string // as the WHATWG Encoding Standard names it
  readonly guessed: boolean
}

export interface EncodingHints {
  readonly name: string
  /** Said by the caller: nothing else is tried. */
  readonly encoding?: string | undefined
  /** Said by what came with the text (a header, a meta element): believed if the bytes fit. */
  readonly stated?: string | undefined
}

/** Throws CompactorError: 'document-invalid' (binary, does not fit the encoding said), 'usage' (an encoding nobody knows). */
export const decodeText = (bytes: Uint8Array, hints: EncodingHints): Decoded => {
  if (hints.encoding !== undefined) return decodeAs(bytes, hints.encoding, hints.name)
  const marked = byteOrderMark(bytes)
  if (marked !== undefined) return decodeAs(bytes, marked, hints.name)
  const stated = hints.stated === undefined ? undefined : decodeIfFits(bytes, hints.stated)
  if (stated) return stated
  const wide = bytes.includes(0) ? decodeWide(bytes) : undefined
  if (wide) return wide
  const nul = bytes.indexOf(0)
  if (nul >= 0)
    throw new CompactorError(
      'document-invalid',
      `${hints.name} is a binary file (byte ${nul} is 0); expected text, HTML, PDF, DOCX or EPUB`,
    )
  if (isUtf8(bytes)) return { text: new TextDecoder().decode(bytes), encoding: 'utf-8', guessed: false }
  return guess(bytes, hints.name)
}

const byteOrderMark = (bytes: Uint8Array): string | undefined => {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return 'utf-8'
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le'
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be'
  return undefined
}

/** UTF-16 without a mark: of text in most scripts nearly all high bytes of line ends, spaces and digits are zero, and no low ones. */
const decodeWide = (bytes: Uint8Array): Decoded | undefined => {
  const sample = bytes.subarray(0, 65536)
  const zeros = [0, 0]
  sample.forEach((byte, i) => {
    if (byte === 0) zeros[i & 1] = (zeros[i & 1] ?? 0) + 1
  })
  const [even = 0, odd = 0] = zeros
  const enough = sample.length / 16
  const label = odd > enough && even === 0 ? 'utf-16le' : even > enough && odd === 0 ? 'utf-16be' : undefined
  if (label === undefined || bytes.length % 2 === 1) return undefined
  const decoder = new TextDecoder(label) // replaces what fits no character, which text has none of
  const text = decoder.decode(bytes)
  return hasOddCharacters(text) ? undefined : { text, encoding: label, guessed: true }
}

const hasOddCharacters = (text: string): boolean =>
  [...text.slice(0, 65536)].some((character) => {
    const code = character.codePointAt(0) ?? 0
    return code === 0xfffd || (code < 32 && !(code >= 9 && code <= 13))
  })

/** Throws CompactorError('usage') for an encoding nobody knows. */
export const checkEncoding = (label: string): InstanceType<typeof TextDecoder> => {
  const decoder = decoderOf(label)
  if (decoder) return decoder
  throw new CompactorError(
    'usage',
    `${label} is no encoding that is known here; give one such as utf-8, windows-1252, shift_jis or utf-16le`,
  )
}

const decodeAs = (bytes: Uint8Array, label: string, name: string): Decoded => {
  const decoder = checkEncoding(label)
  try {
    return { text: decoder.decode(bytes), encoding: decoder.encoding, guessed: false }
  } catch (cause) {
    throw new CompactorError(
      'document-invalid',
      `${name} is not valid ${decoder.encoding}: some of its bytes fit no character; give another encoding or convert it to UTF-8`,
      { cause },
    )
  }
}

const decodeIfFits = (bytes: Uint8Array, label: string): Decoded | undefined => {
  const decoder = decoderOf(label)
  if (!decoder || bytes.includes(0)) return undefined
  try {
    return { text: decoder.decode(bytes), encoding: decoder.encoding, guessed: false }
  } catch {
    return undefined // what was stated is wrong, as it often is; the bytes themselves are asked next
  }
}

const decoderOf = (label: string): InstanceType<typeof TextDecoder> | undefined => {
  try {
    return new TextDecoder(label, { fatal: true })
  } catch {
    return undefined // no such encoding
  }
}

// Text has tabs, line ends and form feeds, and rarely any other control character.
const mostControlShare = 0.01

const guess = (bytes: Uint8Array, name: string): Decoded => {
  const first = bytes.findIndex((byte) => byte > 127) // what comes before says nothing of the encoding
  const sample = bytes.subarray(Math.max(0, first)).subarray(0, 65536)
  const controls = sample.reduce(
    (sum, byte) => sum + (byte < 32 && !(byte >= 8 && byte <= 13) && byte !== 27 ? 1 : 0),
    0,
  )
  if (controls > sample.length * mostControlShare)
    throw new CompactorError(
      'document-invalid',
      `${name} is a binary file of no kind that is known here; expected text, HTML, PDF, DOCX or EPUB`,
    )
  // Latin-1 is read as Windows-1252, its superset in practice; what no guess fits, that one always does.
  const labels = analyse(sample).map(({ name: label }) => label)
  for (const label of labels.filter((candidate) => !/^utf|^ascii/i.test(candidate))) {
    const decoded = decodeIfFits(bytes, label)
    if (decoded) return { ...decoded, guessed: true }
  }
  return { text: new TextDecoder('windows-1252').decode(bytes), encoding: 'windows-1252', guessed: true }
}

/** The sentence for an encoding that was guessed. */
export const encodingNote = ({ encoding }: Decoded, name: string): string =>
  `${name} is not UTF-8 and does not say what it is: read as ${encoding}; if letters are wrong, say which encoding it is (--encoding)`
