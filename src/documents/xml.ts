/** XML inside documents: events of its tags, in pieces so that an interruption is heard. Entities are never expanded. */
import { Parser } from 'htmlparser2'
import { CompactorError } from '../error.ts'

export type Attributes = Readonly<Record<string, string>>

export interface XmlHandler {
  open?(tag: string, attributes: Attributes): void
  close?(tag: string): void
  text?(text: string): void
}

const stretch = 2 ** 18
const deepest = 4096

interface XmlOptions {
  readonly name: string
  readonly signal?: AbortSignal | undefined
}

/** Throws CompactorError('document-invalid') for tags nested absurdly deep, and what `signal` was aborted with. */
export const readXml = async (
  bytes: Uint8Array | undefined,
  handler: XmlHandler,
  { name, signal }: XmlOptions,
): Promise<void> => {
  const xml = new TextDecoder(bytes?.[0] === 0xfe ? 'utf-16be' : bytes?.[0] === 0xff ? 'utf-16le' : 'utf-8').decode(
    bytes,
  )
  let depth = 0
  const parser = new Parser(
    {
      onopentag: (tag, attributes) => {
        if (++depth > deepest)
          throw new CompactorError(
            'document-invalid',
            `${name} has tags nested more than ${deepest} deep, which no document for people has; get it again`,
          )
        handler.open?.(tag, attributes)
      },
      onclosetag: (tag) => {
        depth--
        handler.close?.(tag)
      },
      ontext: (text) => handler.text?.(text),
    },
    { xmlMode: true },
  )
  for (let at = 0; at < xml.length; at += stretch) {
    parser.write(xml.slice(at, at + stretch))
    await new Promise((resolve) => setImmediate(resolve))
    signal?.throwIfAborted()
  }
  parser.end()
}

/** A name without its prefix: `w:p` is `p`. */
export const localName = (name: string): string => name.slice(name.indexOf(':') + 1)

/** An attribute by its name without prefix. */
export const attribute = (attributes: Attributes, name: string): string | undefined => {
  for (const [key, value] of Object.entries(attributes)) if (localName(key) === name) return value
  return undefined
}
