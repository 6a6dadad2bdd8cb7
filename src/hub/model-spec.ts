/**
 * What a user may write where a model is wanted: a name, `hf:user/repo:QUANT`, `hf:user/repo/file.gguf`, a path, or, for
 * files of other programs, `ollama:NAME:TAG` and `llama.cpp:FILE` (which other spellings they have: foreign-name.ts).
 */
import { CompactorError } from '../error.ts'
import { withoutSplit } from '../split-name.ts'

export type ModelSpec =
  | { readonly kind: 'name'; readonly name: string } // built in, or a file in the home's models folder
  | { readonly kind: 'hub'; readonly repo: string; readonly quant?: string; readonly file?: string }
  | { readonly kind: 'path'; readonly path: string }

const repoPart = /^[A-Za-z0-9][A-Za-z0-9._-]*$/

export const parseModelSpec = (spec: string): ModelSpec => {
  if (spec === '')
    throw new CompactorError('model-unknown', 'expected a model name, hf:user/repo:QUANT or a path, got an empty text')
  if (spec.startsWith('hf:')) return parseHubSpec(spec)
  if (isForeignName(spec)) return { kind: 'name', name: spec }
  if (/[/\\]/.test(spec) || /\.gguf$/i.test(spec)) return { kind: 'path', path: spec }
  return { kind: 'name', name: spec }
}

/** Of a file that another program keeps. */
export const isForeignName = (name: string): boolean => /^(ollama|llama\.cpp):/.test(name)

const parseHubSpec = (spec: string): ModelSpec => {
  const malformed = (): never => {
    throw new CompactorError(
      'model-unknown',
      `expected hf:user/repo:QUANT or hf:user/repo/file.gguf, got ${JSON.stringify(spec)}`,
    )
  }
  const [user = '', name = '', ...folders] = spec.slice('hf:'.length).split('/')
  if (folders.length > 0) {
    const file = folders.join('/')
    const safe = folders.every((part) => /^[^\\:]+$/.test(part) && part !== '.' && part !== '..')
    if (!repoPart.test(user) || !repoPart.test(name) || !safe || !/\.gguf$/i.test(file)) malformed()
    return { kind: 'hub', repo: `${user}/${name}`, file }
  }
  const [repo = '', quant, ...more] = name.split(':')
  if (!repoPart.test(user) || !repoPart.test(repo) || more.length > 0 || (quant !== undefined && !/^\w+$/.test(quant)))
    malformed()
  return { kind: 'hub', repo: `${user}/${repo}`, ...(quant === undefined ? {} : { quant }) }
}

/** Whether a file's name carries the quantisation as a whole word: Q4_K is not found in q4_k_m. */
export const hasQuant = (file: string, quant: string): boolean =>
  new RegExp(`(^|[^a-z0-9])${quant.toLowerCase()}([^a-z0-9_]|$)`).test(file.toLowerCase())

/** Under which name a model of the hub is kept here, whichever of its files is named; flat, and free of characters that a file system minds. */
export const localHubName = (repo: string, file: string): string =>
  `${repo}/${withoutSplit(file.replace(/\.gguf$/i, ''))}`.replaceAll('/', '--').replace(/[^A-Za-z0-9._+-]/g, '_')
