/** A .cctx as a page that shows the document's text, shaded by how much of every token was kept. */
import { CompactorError } from '../error.ts'
import type { ContextHeader, KeptDocument } from '../index.ts'
import { getContextModel, type Wanted } from './context-model.ts'
import { bytesText } from './figures.ts'
import { given } from './flags.ts'
import type { Terminal } from './terminal.ts'
import { checkOutput, type Output, writeOutput } from './write-output.ts'

interface ShadeOptions {
  readonly output: Output
  readonly model: Wanted
}

export const shadeContext = async (
  file: string,
  { output, model }: ShadeOptions,
  terminal: Terminal,
): Promise<void> => {
  const { readContextHeader, readKeptDocument } = await import('../index.ts')
  const { header } = await readContextHeader(file)
  await checkOutput(output)
  const made = { file, by: header.model }
  const modelPath = await (model.named === undefined
    ? findModelIfHere(made, model, terminal)
    : getContextModel(made, model, terminal))
  const document = await readKeptDocument(file, { ...given({ modelPath }), signal: terminal.signal })
  const { shadedTextPage } = await import('../eval/index.ts')
  const page = shadedTextPage(`What was kept of ${header.document.name}`, {
    ...document,
    kvHeads: header.block.kvHeadCount,
    ...header.block.selection,
    facts: factsOf(document),
  })
  writeOutput(output, page, terminal)
  if (output.path !== '-') terminal.print(`written  ${output.path} (${bytesText(Buffer.byteLength(page))})`)
}

/** Without the model there are still ids and places to show. */
const findModelIfHere = async (
  made: { readonly file: string; readonly by: ContextHeader['model'] },
  wanted: Wanted,
  terminal: Terminal,
): Promise<string | undefined> => {
  try {
    return await getContextModel(made, { ...wanted, offline: true }, terminal)
  } catch (error) {
    if (!(error instanceof CompactorError) || error.code !== 'context-mismatch') throw error
    terminal.note(`${error.message}; the page shows the tokens’ ids instead of their text`)
    return undefined
  }
}

const factsOf = ({ header, fileBytes }: KeptDocument): [string, string][] => {
  const { document, model, method, keep, block } = header
  const options = Object.entries(method.options).map(([name, value]) => `${name}=${value}`)
  return [
    ['document', `${document.name} (sha256 ${document.sha256})`],
    ['model', `${model.name}, ${model.architecture} (sha256 ${model.fingerprint})`],
    ['method', [method.name, ...options].join(' ')],
    ['asked for', `keep ${keep.given}, heads ${block.selection.heads}`],
    ['file', bytesText(fileBytes)],
  ]
}
