/** A committed subset: ids of the contexts of some files, without their text, so that everybody runs the same. */
import { readFile } from 'node:fs/promises'
import { CompactorError } from '../error.ts'
import { fileReason } from '../file-reason.ts'
import type { ExampleFile } from './read-examples.ts'

export interface Subset {
  readonly path: string
  readonly data: readonly { readonly name: string; readonly sha256: string; readonly contexts: readonly string[] }[]
}

/** Throws CompactorError: 'file-unreadable'; 'usage' for a file that is no subset. */
export const readSubset = async (path: string): Promise<Subset> => {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    throw new CompactorError('file-unreadable', `cannot read the subset ${path}: ${fileReason(cause)}`, { cause })
  }
  const expected = 'expected {"data": [{"name", "sha256", "contexts": [ids]}]}'
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new CompactorError('usage', `${path} is not a subset: ${expected}, and it is not JSON`, { cause })
  }
  const data = (value as { data?: unknown } | null)?.data
  if (!Array.isArray(data) || data.length === 0 || !data.every(isEntry))
    throw new CompactorError('usage', `${path} is not a subset: ${expected}`)
  return { path, data }
}

const isEntry = (value: unknown): value is Subset['data'][number] => {
  const { name, sha256, contexts } = (value ?? {}) as { name?: unknown; sha256?: unknown; contexts?: unknown }
  const isList = Array.isArray(contexts) && contexts.length > 0 && contexts.every((id) => typeof id === 'string')
  return typeof name === 'string' && typeof sha256 === 'string' && isList
}

/** The ids of a file's contexts. Throws CompactorError('usage') for a file that is not in the subset, or is another version. */
export const idsOf = ({ path, data }: Subset, { name, sha256 }: ExampleFile): readonly string[] => {
  const entry = data.find((candidate) => candidate.name === name)
  if (!entry)
    throw new CompactorError(
      'usage',
      `the subset ${path} is about ${data.map((one) => one.name).join(', ')}, not ${name}; leave out one of the two`,
    )
  if (entry.sha256 !== sha256)
    throw new CompactorError(
      'usage',
      `${name} is not the file that the subset ${path} was drawn from: its sha256 is ${sha256.slice(0, 12)}…, expected ${entry.sha256.slice(0, 12)}…; get that file or leave out the subset`,
    )
  return entry.contexts
}
