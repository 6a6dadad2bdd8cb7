/** A JSON Schema that a flag names. */
import { CompactorError } from '../error.ts'
import type { JsonSchema } from '../index.ts'
import { readSource } from './document-source.ts'
import type { Terminal } from './terminal.ts'

/** A file, or - for standard input. Throws CompactorError: 'file-unreadable', 'usage' for what is not JSON. */
export const readSchema = async (path: string, terminal: Terminal): Promise<JsonSchema> => {
  const text = await readSource(path, terminal)
  try {
    return JSON.parse(text) as JsonSchema
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new CompactorError(
      'usage',
      `${path === '-' ? 'standard input' : path} is not JSON (${reason}); --schema takes a JSON Schema`,
      { cause },
    )
  }
}
