/** A JSON Schema that a flag names. */
import { readFile } from 'node:fs/promises'
import { CompactorError } from '../error.ts'
import { fileReason } from '../file-reason.ts'
import type { JsonSchema } from '../index.ts'
import { readInput } from './document-source.ts'
import type { Terminal } from './terminal.ts'

/** A file, or - for standard input. Throws CompactorError: 'file-unreadable', 'usage' for what is not JSON. */
export const readSchema = async (path: string, terminal: Terminal): Promise<JsonSchema> => {
  const text = path === '-' ? await readInput(terminal) : await readText(path)
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

const readText = async (path: string): Promise<string> => {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    if (/^\s*\{/.test(path))
      throw new CompactorError(
        'usage',
        '--schema takes the path of a file, not the schema itself; write it into a file, or give - and pipe it in',
        { cause },
      )
    throw new CompactorError('file-unreadable', `${path} cannot be read: ${fileReason(cause)}`, { cause })
  }
}
