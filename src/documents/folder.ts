/** A folder or repository as one document: every file that can be read under its name as heading, the others named. */
import { isUtf8 } from 'node:buffer'
import { fileURLToPath } from 'node:url'
import { CompactorError } from '../error.ts'
import { fileReason } from '../file-reason.ts'
import { bytesText } from '../number-text.ts'
import type { Document, Reading, SkippedFile } from './document.ts'
import { type ChoiceOptions, FileChoice } from './file-choice.ts'
import { type FolderFile, listFolder, openFolderFile } from './folder-files.ts'
import { readBytes } from './read-bytes.ts'
import { TextBuilder } from './text-builder.ts'

const mostFiles = 20_000
const largestFileBytes = 32 * 2 ** 20
const largestFolderBytes = 64 * 2 ** 20 // of text

interface FolderOptions extends ChoiceOptions {
  readonly name: string
  readonly encoding?: string | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Throws CompactorError: 'document-invalid' if no file can be read or there is too much, 'usage' if none is included.
 */
export const readFolder = async (folder: string | URL, options: FolderOptions): Promise<Document> => {
  const { name, signal } = options
  const choice = new FileChoice(options)
  const listed = await listFolder(typeof folder === 'string' ? folder : fileURLToPath(folder), { name, choice, signal })
  const unmet = notesOfUnmet(options, choice, listed.files.length === 0)
  if (listed.files.length > mostFiles)
    throw new CompactorError(
      'document-invalid',
      `${name} holds ${listed.files.length} files, and up to ${mostFiles} are read; give a smaller folder, or choose its files with \`include\` and \`exclude\` or an .ignore file`,
    )
  const builder = new TextBuilder()
  const skipped: SkippedFile[] = [...listed.skipped]
  const notes: string[] = [...unmet]
  for (const file of listed.files) {
    signal?.throwIfAborted()
    const reading = await readOrSkip(file, options, skipped)
    if (reading === undefined) continue
    notes.push(...reading.notes)
    writeFile(builder, file, reading)
    if (builder.bytes > largestFolderBytes)
      throw new CompactorError(
        'document-invalid',
        `${name} holds more than ${bytesText(largestFolderBytes)} of text; give a smaller folder, or choose its files with \`include\` and \`exclude\` or an .ignore file`,
      )
  }
  if (builder.bytes === 0)
    throw new CompactorError('document-invalid', `${name} holds no file that can be read${exampleOf(skipped)}`)
  return { ...builder.build('folder', notes), name, skipped: skipped.sort((a, b) => (a.path < b.path ? -1 : 1)) }
}

/** A pattern that names nothing is mostly a typing mistake: said, and refused where nothing else is left. */
const notesOfUnmet = ({ name }: FolderOptions, choice: FileChoice, isEmpty: boolean): string[] => {
  const { unmet } = choice
  if (unmet.length === 0) return []
  const patterns = unmet.map((pattern) => JSON.stringify(pattern)).join(', ')
  const subject = unmet.length === 1 ? `the pattern ${patterns} names` : `the patterns ${patterns} name`
  const sentence = `${subject} no file to include of those that would be read of ${name}`
  if (!isEmpty) return [sentence]
  throw new CompactorError(
    'usage',
    `${sentence}; patterns begin at the folder, and there it has ${choice.passedOver}, beside what ignore files name, hidden files and lock files`,
  )
}

const exampleOf = ([first, ...rest]: readonly SkippedFile[]): string =>
  first === undefined ? '' : `: ${first.path} is ${first.reason}${rest.length > 0 ? `, and ${rest.length} more` : ''}`

const writeFile = (builder: TextBuilder, file: FolderFile, reading: Reading): void => {
  if (builder.bytes > 0) builder.append('\n\n')
  builder.mark('file', file.name)
  builder.append(`# ${file.name}\n\n`)
  // Without the blank end of the file: the next heading brings its own.
  builder.include({ text: reading.text.trimEnd(), marks: reading.marks })
}

const readOrSkip = async (
  { path, name }: FolderFile,
  { encoding, signal }: FolderOptions,
  skipped: SkippedFile[],
): Promise<Reading | undefined> => {
  try {
    const bytes = await readFolderFile(path, name)
    const said = encoding === undefined || saysItself(bytes, encoding) ? undefined : encoding
    return await readBytes({ bytes, name, signal, encoding: said })
  } catch (cause) {
    if (signal?.aborted) throw cause
    if (cause instanceof CompactorError && cause.code === 'usage') throw cause
    const message = cause instanceof CompactorError ? cause.message : fileReason(cause)
    skipped.push({
      path: name,
      reason: message.startsWith(`${name} `) ? reasonIn(message.slice(name.length + 1)) : message,
    })
    return undefined
  }
}

/** Of "is a binary file (byte 3 is 0); expected text" the part that says why. */
const reasonIn = (sentence: string): string => sentence.replace(/^is /, '').replace(/;.*$/s, '')

/** What the caller said of the encoding holds for text that is not UTF-8, as most files of a folder are. */
const saysItself = (bytes: Uint8Array, encoding: string): boolean =>
  isUtf8(bytes) ||
  /^(%PDF-|PK)/.test(Buffer.from(bytes.subarray(0, 8)).toString('latin1')) ||
  (bytes.includes(0) && !/^(utf-?16|ucs-2)/i.test(encoding))

const readFolderFile = async (path: string, name: string): Promise<Buffer> => {
  const file = await openFolderFile(path)
  try {
    const { size } = await file.stat()
    if (size > largestFileBytes)
      throw new CompactorError('document-invalid', `${name} is larger than ${bytesText(largestFileBytes)}`)
    return await file.readFile()
  } finally {
    await file.close()
  }
}
