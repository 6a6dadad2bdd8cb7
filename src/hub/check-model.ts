/**
 * Whether a model can be had at all, before a document is read for it: what `pullModel` would refuse by looking at this machine
 * is refused in the same words. Nothing is hashed, downloaded or asked of the network; what only these show is not known here.
 */
import { splitParts } from '../split-name.ts'
import { catalog } from './catalog.ts'
import { listForeignModels, mayHold } from './foreign-models.ts'
import { findForeign } from './foreign-name.ts'
import { checkGgufFile } from './gguf-file.ts'
import { homeDirectory } from './home.ts'
import { findLocal, type LookUp, listModels, unknownModel } from './local-models.ts'
import { parseModelSpec } from './model-spec.ts'
import { notDownloaded, offlineOf } from './pull.ts'

export interface CheckModelOptions extends LookUp {
  /** Nothing is asked of the network. Default: what HF_HUB_OFFLINE says. */
  readonly offline?: boolean
}

const optionNames: Readonly<Record<keyof CheckModelOptions, true>> = {
  home: true,
  env: true,
  catalog: true,
  offline: true,
}

/**
 * Throws CompactorError: 'model-unknown', 'file-unreadable' and 'model-corrupt' (a path to what is no GGUF file),
 * 'download-failed' (a built-in model that is not here, while offline). An hf: source passes where it is spelt rightly.
 */
export const checkModel = async (spec: string, options: CheckModelOptions = {}): Promise<void> => {
  const unknown = Object.keys(options).find((key) => !Object.hasOwn(optionNames, key))
  if (unknown !== undefined)
    throw new TypeError(
      `checkModel does not know the option ${unknown}; it knows ${Object.keys(optionNames).join(', ')}`,
    )
  const { env = process.env, home = homeDirectory(env), catalog: entries = catalog, offline } = options
  const parsed = parseModelSpec(spec)
  if (parsed.kind === 'hub') return
  if (parsed.kind === 'path') {
    if ((await findForeign(spec, parsed, env)).length > 0) return
    for (const path of splitParts(parsed.path)) await checkGgufFile(path)
    return
  }
  const models = await listModels(home)
  if (findLocal(parsed, models)) return
  const entry = entries.find(({ name }) => name === spec)
  if (entry) {
    const whyOffline = offlineOf(offline, env)
    if (whyOffline === undefined || mayHold(await listForeignModels(env), entry).length > 0) return
    throw notDownloaded(entry.name, whyOffline, { home })
  }
  if ((await findForeign(spec, parsed, env)).length > 0) return
  throw unknownModel(spec, parsed, { models, entries, foreign: await listForeignModels(env) })
}
