/** The document that a command was given: a file, a pipe or `-` for standard input. Never an address or a context. */
import { CompactorError } from '../error.ts'
import type { Terminal } from './terminal.ts'

/** What messages call it. */
export const nameOfSource = (source: string): string => (source === '-' ? 'standard input' : source)

/** Refuses what can be no document by its spelling alone. */
export const checkSource = (source: string): void => {
  if (source === '')
    throw new CompactorError('usage', 'expected the path of a document, or - for standard input, got an empty text')
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(source))
    throw new CompactorError(
      'usage',
      `${source} is an address, and documents are read from files or standard input only; download it first`,
    )
}

export const readSource = async (source: string, terminal: Terminal): Promise<string> => {
  const { readDocument } = await import('../index.ts')
  const options = { signal: terminal.signal, name: nameOfSource(source) }
  return readDocument(source === '-' ? terminal.input() : source, options)
}
