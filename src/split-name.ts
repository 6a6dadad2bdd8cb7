/** Models in several files, as their names tell: model-00001-of-00003.gguf is the first of three. Nothing is opened here. */
import { basename, dirname, join } from 'node:path'

const pattern = /^(.*)-(\d{5})-of-(\d{5})(\.gguf)$/i

/** Which file of how many; undefined for a name that does not tell, or that tells of file 0 or 4 of 3. */
export const splitNumber = (path: string): { readonly number: number; readonly count: number } | undefined => {
  const match = pattern.exec(basename(path))
  const [number, count] = [Number(match?.[2]), Number(match?.[3])]
  return number >= 1 && number <= count ? { number, count } : undefined
}

/** What all files of a model are called; a name that tells of no others as it is. */
export const withoutSplit = (name: string): string => name.replace(/-\d{5}-of-\d{5}(?=\.gguf$|$)/i, '')

/** The files of a model that is opened by its first one; the file alone where its name does not tell of others. */
export const splitParts = (path: string): string[] => {
  const match = pattern.exec(basename(path))
  const { number = 1, count = 1 } = splitNumber(path) ?? {}
  if (!match || number !== 1 || count < 2) return [path]
  return Array.from({ length: count }, (_, index) => join(dirname(path), splitPath(basename(path), index + 1)))
}

/** The name of another file of the same model. */
export const splitPath = (path: string, number: number): string =>
  path.replace(/-\d{5}(?=-of-\d{5}\.gguf$)/i, `-${String(number).padStart(5, '0')}`)
