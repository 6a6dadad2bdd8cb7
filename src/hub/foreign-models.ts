/**
 * Model files that other programs on this machine have downloaded: Ollama's, llama.cpp's and those in the Hugging Face
 * cache. They are read where they lie and never copied, moved or removed. What a folder or a manifest claims of a file is
 * a hint to look there; its bytes are hashed before they count as a model that was asked for.
 */
import { readdir, readFile, realpath } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, join, relative } from 'node:path'
import { splitNumber, splitParts, withoutSplit } from '../split-name.ts'
import { joinedFingerprint } from './fingerprint.ts'
import { checkGgufFile } from './gguf-file.ts'
import type { Environment } from './home.ts'

export type Owner = 'Ollama' | 'llama.cpp' | 'Hugging Face'

export interface ForeignModel {
  /** What it can be asked for by: ollama:NAME:TAG, llama.cpp:FILE, hf:user/repo/file.gguf (the first of several). */
  readonly name: string
  readonly owner: Owner
  readonly path: string // of the first file, where it has several
  readonly bytes: number // of all
  /** As its owner says. */
  readonly claimedSha256: string | undefined
}

/** Those that begin like GGUF and are whole, by owner and name. A folder that is missing or cannot be read holds none. */
export const listForeignModels = async (env: Environment = process.env): Promise<ForeignModel[]> => {
  const home = env.HOME || homedir()
  const cache = env.XDG_CACHE_HOME || join(home, '.cache')
  const ofMac = process.platform === 'darwin' ? [join(home, 'Library', 'Caches', 'llama.cpp')] : []
  const found = await Promise.all([
    ...[env.OLLAMA_MODELS || join(home, '.ollama', 'models')].map(ofOllama),
    ...(env.LLAMA_CACHE ? [env.LLAMA_CACHE] : [join(cache, 'llama.cpp'), ...ofMac]).map(ofLlamaCpp),
    ofHuggingFace(env.HF_HUB_CACHE || join(env.HF_HOME || join(cache, 'huggingface'), 'hub')),
  ])
  return joinParts(found.flat())
}

/** Of files that belong to one model the first stands for all, once all are here. */
const joinParts = (files: readonly ForeignModel[]): ForeignModel[] => {
  const byPath = new Map(files.map((file) => [file.path, file]))
  return files.flatMap((file): ForeignModel[] => {
    const { number = 1, count = 1 } = splitNumber(file.path) ?? {}
    if (count === 1) return [file]
    const parts = number === 1 ? splitParts(file.path).flatMap((path) => byPath.get(path) ?? []) : []
    if (parts.length !== count) return []
    const claims = parts.flatMap(({ claimedSha256 }) => claimedSha256 ?? [])
    const claimedSha256 = claims.length === count ? joinedFingerprint(claims) : undefined
    return [{ ...file, bytes: parts.reduce((sum, { bytes }) => sum + bytes, 0), claimedSha256 }]
  })
}

const filesBelow = async (folder: string): Promise<string[]> => {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []) // not there, or not ours to read
  const below = entries
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((entry) => (entry.isDirectory() ? filesBelow(join(folder, entry.name)) : [join(folder, entry.name)]))
  return (await Promise.all(below)).flat()
}

/** undefined for what is no GGUF file or is gone. */
const foreign = async (model: Omit<ForeignModel, 'bytes'>): Promise<ForeignModel[]> => {
  try {
    return [{ ...model, bytes: await checkGgufFile(model.path) }]
  } catch {
    return [] // another program's folder: what is wrong there is not ours to tell
  }
}

// -- Ollama: manifests/HOST/NAMESPACE/MODEL/TAG name the layers, blobs/sha256-… hold them ---------------------------

// Ollama leaves these out of a name.
const defaultHost = 'registry.ollama.ai'
const defaultNamespace = 'library'

const ofOllama = async (models: string): Promise<ForeignModel[]> => {
  const manifests = join(models, 'manifests')
  const found = (await filesBelow(manifests)).map(async (path) => {
    const sha256 = weightsOf(await readFile(path, 'utf8').catch(() => ''))
    if (sha256 === undefined) return []
    const [host = '', namespace = '', model = '', tag = ''] = relative(manifests, path).split(/[/\\]/)
    const place = [host === defaultHost ? [] : host, namespace === defaultNamespace ? [] : namespace].flat()
    const name = `ollama:${[...place, model].join('/')}:${tag}`
    return foreign({ name, owner: 'Ollama', path: join(models, 'blobs', `sha256-${sha256}`), claimedSha256: sha256 })
  })
  return (await Promise.all(found)).flat()
}

const weightsType = 'application/vnd.ollama.image.model'

const weightsOf = (manifest: string): string | undefined => {
  try {
    const { layers } = JSON.parse(manifest) as { layers?: { mediaType?: unknown; digest?: unknown }[] }
    const digest = layers?.find(({ mediaType }) => mediaType === weightsType)?.digest
    return /^sha256:([0-9a-f]{64})$/.exec(String(digest))?.[1]
  } catch {
    return undefined // no manifest
  }
}

// -- llama.cpp: flat files -------------------------------------------------------------------------------------------

const ofLlamaCpp = async (folder: string): Promise<ForeignModel[]> => {
  const paths = (await filesBelow(folder)).filter((path) => path.endsWith('.gguf'))
  const found = paths.map((path) =>
    foreign({
      name: `llama.cpp:${withoutSplit(basename(path, '.gguf'))}`,
      owner: 'llama.cpp',
      path,
      claimedSha256: undefined,
    }),
  )
  return (await Promise.all(found)).flat()
}

// -- Hugging Face: models--USER--REPO/snapshots/COMMIT/FILE are links to blobs/SHA256 ----------------------------------

const ofHuggingFace = async (hub: string): Promise<ForeignModel[]> => {
  const repos = (await readdir(hub).catch((): string[] => [])).filter((name) => name.startsWith('models--')).sort()
  const found = repos.map(async (repo) => {
    const snapshots = join(hub, repo, 'snapshots')
    const paths = (await filesBelow(snapshots)).filter((path) => /\.gguf$/i.test(path))
    return (await Promise.all(paths.map((path) => ofSnapshot(repo, snapshots, path)))).flat()
  })
  return (await Promise.all(found)).flat()
}

const ofSnapshot = async (repo: string, snapshots: string, path: string): Promise<ForeignModel[]> => {
  const [, ...file] = relative(snapshots, path).split(/[/\\]/)
  const [user = '', ...rest] = repo.slice('models--'.length).split('--')
  const blob = basename(await realpath(path).catch(() => ''))
  const claimedSha256 = /^[0-9a-f]{64}$/.test(blob) ? blob : undefined
  const name = `hf:${user}/${rest.join('--')}/${file.join('/')}`
  return foreign({ name, owner: 'Hugging Face', path, claimedSha256 })
}

/** Files that may hold the bytes asked for: of the right size, and none whose owner says another checksum. */
export const mayHold = (
  models: readonly ForeignModel[],
  { bytes, sha256 }: { readonly bytes: number; readonly sha256: string },
): ForeignModel[] => models.filter((model) => model.bytes === bytes && (model.claimedSha256 ?? sha256) === sha256)
