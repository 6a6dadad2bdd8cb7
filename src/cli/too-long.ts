/** What to do about a folder that is longer than its model was trained for: which of its parts are how large. */
import { CompactorError } from '../error.ts'
import type { Document, LoadedModel } from '../index.ts'
import { bytesText, countText } from './figures.ts'

const bytesPerToken = 3.5 // of English prose and of code, roughly
const mostParts = 4

export interface FolderPart {
  readonly name: string
  readonly bytes: number
}

/** Files and folders directly in the folder, the largest first. A folder that holds all there is stands for what is in it. */
export const partsOf = ({ marks, text }: Pick<Document, 'marks' | 'text'>): FolderPart[] => {
  const files = marks.filter(({ kind }) => kind === 'file')
  const end = Buffer.byteLength(text)
  const sizes = files.map(({ offset }, at) => (files[at + 1]?.offset ?? end) - offset)
  for (let depth = 1; ; depth++) {
    const parts = new Map<string, number>()
    for (const [at, { label }] of files.entries()) {
      const name = label.split('/').slice(0, depth).join('/')
      parts.set(name, (parts.get(name) ?? 0) + (sizes[at] ?? 0))
    }
    const isDivided = parts.size !== 1 || files.every(({ label }) => label.split('/').length <= depth)
    if (isDivided)
      return [...parts].map(([name, bytes]) => ({ name, bytes })).sort((one, other) => other.bytes - one.bytes)
  }
}

/**
 * As a shell and a .gitignore take it, from the folder and not at any depth; a name that would need more than quotes is left for
 * the user to write.
 */
const patternOf = (name: string): string => {
  const pattern = name.includes('/') ? name : `/${name}` // one without would mean every folder of that name
  return /^[\w./@+-]+$/.test(pattern) ? pattern : /['"\\*?[\]!#]/.test(pattern) ? 'PATTERN' : `'${pattern}'`
}

/** Runs `work`; its 'document-too-long' about a folder then says what fits, and where the text is. */
export const withFolderAdvice = async <T>(
  document: Document | string,
  { config }: Pick<LoadedModel, 'config'>,
  work: () => Promise<T>,
): Promise<T> => {
  try {
    return await work()
  } catch (cause) {
    const isTooLong = cause instanceof CompactorError && cause.code === 'document-too-long'
    if (!isTooLong || typeof document === 'string' || document.format !== 'folder') throw cause
    const parts = partsOf(document)
    const named = parts.slice(0, mostParts).map(({ name, bytes }) => `${name} ${bytesText(bytes)}`)
    if (parts.length > mostParts) named.push(`${parts.length - mostParts} more`)
    const [largest = '', another = ''] = parts.map(({ name }) => patternOf(name))
    const choose = another === '' ? `--include and --exclude` : `--include ${another} or --exclude ${largest}`
    const room = `${countText(Math.round((bytesPerToken * config.contextLength) / 1000))} kB`
    throw new CompactorError(
      cause.code,
      `${cause.message}. It takes some ${room} of text, and ${document.name} has ${named.join(', ')}: choose with ${choose}, give a part of it, or name what to leave out in ${document.name.replace(/\/$/, '')}/.ignore`,
      { cause },
    )
  }
}
