/**
 * A GGUF model from its path: one file, or several that were split and are opened by the first. Mapped, not copied: every
 * view becomes empty on `release`. Not here: what one file holds (gguf.ts).
 */
import { existsSync } from 'node:fs'
import { basename } from 'node:path'
import { CompactorError } from '../error.ts'
import { shown } from '../shown.ts'
import { splitParts } from '../split-name.ts'
import { type Gguf, type GgufTensor, readGguf } from './gguf.ts'
import { mapFile } from './map-file.ts'

/** The names of files have five digits for it. */
const mostParts = 99_999

export interface OpenedGguf {
  readonly gguf: Gguf // metadata of the first file, tensors of all
  readonly fileBytes: number // of all files
  release(): void
}

/** @param name what errors call the model. Throws CompactorError: 'file-unreadable', 'model-corrupt', 'model-unsupported'. */
export const openGguf = (path: string, name: string): OpenedGguf => {
  const releases: (() => void)[] = []
  const release = (): void => {
    for (const one of releases) one()
  }
  const open = (part: string, called: string): { readonly gguf: Gguf; readonly bytes: number } => {
    const file = mapFile(part)
    releases.push(file.release)
    return { gguf: readGguf(file.bytes, called), bytes: file.bytes.length }
  }
  try {
    const first = open(path, name)
    const paths = partsOf(path, first.gguf)
    const others = paths.slice(1).map((part) => open(part, basename(part)))
    const parts = [first, ...others]
    return {
      gguf:
        others.length === 0
          ? first.gguf
          : joined(
              name,
              parts.map(({ gguf }) => gguf),
            ),
      fileBytes: parts.reduce((sum, { bytes }) => sum + bytes, 0),
      release,
    }
  } catch (error) {
    release()
    throw error
  }
}

/** Throws CompactorError('model-corrupt') for what is no count. */
const partNumber = ({ name, metadata }: Gguf, key: string, least: number): number => {
  const value = metadata.get(key) ?? least
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= mostParts) return value
  throw new CompactorError(
    'model-corrupt',
    `${name} is damaged: ${key} is ${shown(value)}, expected a whole number from ${least} to ${mostParts}; get the file again`,
  )
}

const partsOf = (path: string, first: Gguf): string[] => {
  const { name } = first
  const count = partNumber(first, 'split.count', 1)
  const number = partNumber(first, 'split.no', 0)
  if (count === 1) return [path]
  if (number !== 0)
    throw new CompactorError(
      'model-unsupported',
      `${name} is file ${number + 1} of a model in ${count} files; open it by its first file, whose name ends in -00001-of-${String(count).padStart(5, '0')}.gguf`,
    )
  const paths = splitParts(path)
  if (paths.length !== count)
    throw new CompactorError(
      'model-unsupported',
      `${name} is the first of ${count} files of a model, but its name does not end in -00001-of-${String(count).padStart(5, '0')}.gguf, so the others cannot be found; give it back its name`,
    )
  const missing = paths.find((part) => !existsSync(part))
  if (missing !== undefined)
    throw new CompactorError(
      'file-unreadable',
      `${name} is the first of ${count} files of a model, and ${missing} is missing; get it too and put it beside the first`,
    )
  return paths
}

const joined = (name: string, parts: readonly Gguf[]): Gguf => {
  const [first] = parts
  if (!first) throw new RangeError('a model has at least one file, got none')
  const damaged = (problem: string): CompactorError =>
    new CompactorError('model-corrupt', `the files of ${name} do not belong together: ${problem}; get them again`)
  const tensors = new Map<string, GgufTensor>()
  for (const [index, part] of parts.entries()) {
    const [number, count] = [partNumber(part, 'split.no', 0), partNumber(part, 'split.count', 1)]
    if (number !== index || count !== parts.length)
      throw damaged(`file ${index + 1} says that it is ${number + 1} of ${count}`)
    for (const [tensor, value] of part.tensors) {
      if (tensors.has(tensor)) throw damaged(`tensor ${shown(tensor)} is in two of them`)
      tensors.set(tensor, value)
    }
  }
  const promised = first.metadata.get('split.tensors.count')
  if (promised !== undefined && promised !== tensors.size)
    throw damaged(`they hold ${tensors.size} tensors, the first promises ${shown(promised)}`)
  return { name, metadata: first.metadata, tensors }
}
