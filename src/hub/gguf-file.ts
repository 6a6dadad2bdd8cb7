/** Whether a path is a file that begins like GGUF. Nothing more is read here: `formats/` knows the rest. */
import { open, stat } from 'node:fs/promises'
import { CompactorError } from '../error.ts'
import { fileReason } from '../file-reason.ts'

/** Size in bytes; throws what is wrong with the file otherwise. */
export const checkGgufFile = async (path: string): Promise<number> => {
  const unreadable = (cause: unknown): never => {
    const sentence = `model file ${path} cannot be read: ${fileReason(cause)}${hubAdvice(path)}`
    throw new CompactorError('file-unreadable', sentence, { cause })
  }
  const stats = await stat(path).catch(unreadable)
  // Before it is opened: opening a named pipe waits for somebody to write into it.
  if (!stats.isFile())
    throw new CompactorError(
      'file-unreadable',
      `expected a GGUF model file, but ${path} is ${stats.isDirectory() ? 'a directory' : 'not a regular file'}; give the path of the file itself`,
    )
  const file = await open(path).catch(unreadable)
  try {
    const magic = Buffer.alloc(4)
    await file.read(magic, 0, 4, 0)
    if (magic.toString('latin1') !== 'GGUF')
      throw new CompactorError(
        'model-corrupt',
        `${path} is not a GGUF file: it begins with ${JSON.stringify(magic.toString('latin1'))} instead of "GGUF"; give a .gguf file`,
      )
    return stats.size
  } finally {
    await file.close()
  }
}

/** user/repo:QUANT as Hugging Face's pages write it. */
const hubAdvice = (path: string): string =>
  /^[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*(:\w+)?$/.test(path) && !/\.gguf$/i.test(path)
    ? `; a repository on Hugging Face is named as hf:${path}${path.includes(':') ? '' : ':QUANT'}`
    : ''
