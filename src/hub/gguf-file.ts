/** Whether a path is a file that begins like GGUF. Nothing more is read here: `formats/` knows the rest. */
import { open } from 'node:fs/promises'
import { CompactorError } from '../error.ts'

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'it does not exist',
  EACCES: 'permission is denied',
  EPERM: 'permission is denied',
  EISDIR: 'it is a directory',
  ENOTDIR: 'part of its path is not a directory',
}

/** A sentence's end for a failed file operation. */
export const fileReason = (error: unknown): string => {
  const { code, message } = error as { code?: string; message?: string }
  return (code !== undefined && reasons[code]) || message || String(error)
}

/** Size in bytes; throws what is wrong with the file otherwise. */
export const checkGgufFile = async (path: string): Promise<number> => {
  let file: Awaited<ReturnType<typeof open>>
  try {
    file = await open(path)
  } catch (cause) {
    throw new CompactorError('file-unreadable', `model file ${path} cannot be read: ${fileReason(cause)}`, { cause })
  }
  try {
    const stats = await file.stat()
    if (!stats.isFile())
      throw new CompactorError(
        'file-unreadable',
        `expected a GGUF model file, but ${path} is ${stats.isDirectory() ? 'a directory' : 'not a regular file'}`,
      )
    const magic = Buffer.alloc(4)
    await file.read(magic, 0, 4, 0)
    if (magic.toString('latin1') !== 'GGUF')
      throw new CompactorError(
        'model-corrupt',
        `${path} is not a GGUF file: it begins with ${JSON.stringify(magic.toString('latin1'))} instead of "GGUF"`,
      )
    return stats.size
  } finally {
    await file.close()
  }
}
